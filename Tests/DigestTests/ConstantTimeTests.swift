import Digest
import Testing

@Suite("Constant-time comparison") struct ConstantTimeTests {
    @Test("only equal bytes are equal")
    func compares() {
        let secret = Array("a token of some length".utf8)
        let empty: [UInt8] = []
        #expect(equal(secret, secret))
        #expect(equal(empty, empty))
        #expect(!equal(secret, empty))
        #expect(!equal(Array(secret.dropLast()), secret))
        for index in secret.indices {
            var other = secret
            other[index] ^= 0x80
            #expect(!equal(secret, other))
        }
    }

    /// The macro cannot take spans.
    private func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        constantTimeEquals(left.span, right.span)
    }
}
