internal import COpenSSL

/// A public key that checks Ed25519 signatures (RFC 8032, pure, without context).
package struct Ed25519PublicKey: Sendable, Hashable {
    /// The length of a raw public key in bytes.
    package static let byteCount = 32
    /// The length of a signature in bytes.
    package static let signatureByteCount = 64

    /// The raw key.
    package let bytes: [UInt8]

    /// Takes a raw key.
    ///
    /// - Throws: ``DigestError/wrongLength(what:expected:found:)`` unless there are 32 bytes.
    package init(bytes: [UInt8]) throws(DigestError) {
        guard bytes.count == Self.byteCount else {
            throw .wrongLength(
                what: "Ed25519 public key",
                expected: Self.byteCount,
                found: bytes.count
            )
        }
        self.bytes = bytes
    }

    /// Whether the signature is this key's signature of the message.
    ///
    /// Anything that is not a valid signature is `false`, a wrong length included.
    ///
    /// - Throws: ``DigestError/libraryFailed(operation:reason:)`` when libcrypto cannot do its
    ///   work at all.
    package func verify(signature: Span<UInt8>, message: Span<UInt8>) throws(DigestError) -> Bool {
        guard signature.count == Self.signatureByteCount else { return false }
        guard let key = unsafe makeKey() else { throw .library("read Ed25519 public key") }
        defer { unsafe EVP_PKEY_free(key) }
        guard let context = unsafe EVP_MD_CTX_new() else { throw .library("verify Ed25519") }
        defer { unsafe EVP_MD_CTX_free(context) }
        guard unsafe EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1 else {
            throw .library("verify Ed25519")
        }
        // Bounds: the library reads exactly the spans' bytes, within this call.
        let result = unsafe signature.withUnsafeBytes { signature in
            unsafe message.withUnsafeBytes { message in
                unsafe EVP_DigestVerify(
                    context,
                    signature.baseAddress,
                    signature.count,
                    message.baseAddress,
                    message.count
                )
            }
        }
        ERR_clear_error()
        return result == 1
    }

    private func makeKey() -> OpaquePointer? {
        // Bounds: the library copies the array's 32 bytes.
        unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe EVP_PKEY_new_raw_public_key(
                EVP_PKEY_ED25519,
                nil,
                buffer.baseAddress,
                buffer.count
            )
        }
    }
}
