import TestSupport
import Testing

@Suite("Tidy") struct TidyTests {
    @Test("a temporary directory goes away with its owner")
    func temporaryDirectory() throws {
        let directory = try TemporaryDirectory()
        #expect(directory.path.contains("leeway-test-"))
    }
}
