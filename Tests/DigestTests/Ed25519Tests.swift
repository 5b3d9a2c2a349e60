import Digest
import Testing

@Suite("Ed25519") struct Ed25519Tests {
    /// RFC 8032 §7.1: public key, message, signature.
    static let vectors: [(key: String, message: String, signature: String)] = [
        (
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac\
            c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
            """
        ),
        (
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            """
            92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e\
            458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
            """
        ),
        (
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            """
            6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290\
            ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
            """
        ),
    ]

    static func bytes(_ hex: String) -> [UInt8] {
        let digits = hex.compactMap { $0.hexDigitValue }
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(digits[$0] * 16 + digits[$0 + 1])
        }
    }

    @Test("the signatures of RFC 8032 verify")
    func vectors() throws {
        for vector in Self.vectors {
            let key = try Ed25519PublicKey(bytes: Self.bytes(vector.key))
            let signature = Self.bytes(vector.signature)
            let message = Self.bytes(vector.message)
            #expect(try verify(key, signature, message))
        }
    }

    @Test("a change to any byte of the signature or message, or another key, is refused")
    func forgeries() throws {
        let vector = Self.vectors[2]
        let key = try Ed25519PublicKey(bytes: Self.bytes(vector.key))
        let signature = Self.bytes(vector.signature)
        let message = Self.bytes(vector.message)
        for index in signature.indices {
            var forged = signature
            forged[index] ^= 1
            #expect(try !verify(key, forged, message))
        }
        for length in [0, 63, 65] {
            let cut = Array((signature + [0]).prefix(length))
            #expect(try !verify(key, cut, message))
        }
        let longer = message + [0]
        #expect(try !verify(key, signature, longer))
        let other = try Ed25519PublicKey(bytes: Self.bytes(Self.vectors[1].key))
        #expect(try !verify(other, signature, message))
    }

    @Test("a key of another length is refused")
    func badKeys() {
        for count in [0, 31, 33] {
            #expect(
                throws: DigestError.wrongLength(
                    what: "Ed25519 public key",
                    expected: 32,
                    found: count
                )
            ) { try Ed25519PublicKey(bytes: [UInt8](repeating: 0, count: count)) }
        }
    }

    /// The macro cannot take spans.
    private func verify(
        _ key: Ed25519PublicKey,
        _ signature: [UInt8],
        _ message: [UInt8]
    ) throws -> Bool {
        try key.verify(signature: signature.span, message: message.span)
    }
}
