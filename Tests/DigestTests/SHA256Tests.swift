import Digest
import Testing

@Suite("SHA-256") struct SHA256Tests {
    @Test(
        "the examples of FIPS 180-4 come out",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ]
    )
    func examples(text: String, expected: String) throws {
        #expect(try SHA256Digest.of(Array(text.utf8)).hex == expected)
    }

    @Test("a million letters a, fed in pieces of any size, give the published digest")
    func pieces() throws {
        let letters = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
        for size in [63, 64, 4097, 1_000_000] {
            var digest = SHA256Digest()
            var start = 0
            while start < letters.count {
                let end = min(start + size, letters.count)
                digest.update(letters.span.extracting(start..<end))
                digest.update(letters.span.extracting(0..<0))
                start = end
            }
            #expect(
                try digest.finish().hex
                    == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
            )
        }
    }

    @Test("digests are computed on several threads at once")
    func threads() async throws {
        let digests = try await withThrowingTaskGroup(of: Digest256.self) { group in
            for _ in 0..<64 { group.addTask { try SHA256Digest.of([1, 2, 3]) } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(digests.count == 1)
    }
}

@Suite("Digest values") struct Digest256Tests {
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    @Test("text and bytes say the same")
    func roundTrips() throws {
        let digest = try SHA256Digest.of(Array("abc".utf8))
        #expect(digest.hex == hex)
        #expect("\(digest)" == hex)
        #expect(try Digest256(hex: hex) == digest)
        #expect(try Digest256(hex: hex.uppercased()) == digest)
        #expect(try Digest256(bytes: digest.bytes) == digest)
        #expect(digest.bytes.count == 32)
        #expect(digest.bytes.prefix(3) == [0xba, 0x78, 0x16])
        #expect(digest.bytes.last == 0xad)
    }

    @Test("digests that differ in one bit are not equal")
    func differences() throws {
        let digest = try Digest256(hex: hex)
        for index in 0..<32 {
            var bytes = digest.bytes
            bytes[index] ^= 1
            let other = try Digest256(bytes: bytes)
            #expect(other != digest)
            #expect(Set([other, digest]).count == 2)
        }
    }

    @Test("a text that is not 64 hexadecimal digits is refused with its place")
    func badText() {
        #expect(throws: DigestError.notHexadecimal(position: 63)) {
            try Digest256(hex: hex.dropLast() + "g")
        }
        #expect(throws: DigestError.notHexadecimal(position: 0)) {
            try Digest256(hex: " " + hex.dropFirst())
        }
        for text in ["", "ba78", String(hex.dropLast()), hex + "0"] {
            #expect(
                throws: DigestError.wrongLength(
                    what: "SHA-256 in hexadecimal",
                    expected: 64,
                    found: text.count
                )
            ) { try Digest256(hex: text) }
        }
        #expect(throws: DigestError.self) { try Digest256(bytes: [1, 2, 3]) }
    }

    @Test("every error names what to do and has its own code")
    func errors() {
        let errors: [DigestError] = [
            .wrongLength(what: "SHA-256", expected: 32, found: 3),
            .notHexadecimal(position: 5),
            .libraryFailed(operation: "compute SHA-256", reason: "unsupported"),
        ]
        #expect(Set(errors.map(\.code)).count == errors.count)
        #expect(errors[0].description.contains("3 bytes, not 32"))
        #expect(errors[1].description.contains("character 5"))
        #expect(errors[2].description.contains("unsupported"))
    }
}
