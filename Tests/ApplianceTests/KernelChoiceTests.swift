import Appliance
import Testing

@Suite("Choice of the instruction set") struct KernelChoiceTests {
    @Test("nothing asked for is nothing done")
    func none() throws {
        try KernelChoice.apply([:])
        try KernelChoice.apply(["LEEWAY_CONFIG": "x"])
    }

    @Test("a word that is none is refused with those that are", arguments: ["", "sse9", "AVX2"])
    func unknown(word: String) {
        let error = #expect(throws: KernelChoice.Refusal.self) {
            try KernelChoice.apply([KernelChoice.variable: word])
        }
        #expect("\(error as Any)".contains("portable, avx2, avx512"))
    }
}
