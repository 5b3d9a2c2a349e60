internal import COpenSSL

/// A SHA-256 computation fed piece by piece (FIPS 180-4).
///
/// A failure of libcrypto is remembered and thrown by ``finish()``, so that feeding needs no
/// error handling.
@safe package struct SHA256Digest: ~Copyable {
    /// Owned; none after a failure.
    private var context: OpaquePointer?

    /// Starts with no bytes.
    package init() {
        unsafe context = EVP_MD_CTX_new()
        let isReady =
            if let context = unsafe context, let algorithm = unsafe Algorithm.pointer {
                unsafe EVP_DigestInit_ex2(context, algorithm, nil) == 1
            } else {
                false
            }
        if !isReady { fail() }
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    /// Adds bytes.
    package mutating func update(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { unsafe update($0) }
    }

    /// Adds bytes.
    package mutating func update(_ bytes: Span<UInt8>) {
        unsafe bytes.withUnsafeBytes { unsafe update($0) }
    }

    /// Ends the computation.
    ///
    /// - Throws: ``DigestError/libraryFailed(operation:reason:)`` when any step failed.
    package consuming func finish() throws(DigestError) -> Digest256 {
        guard let context = unsafe context else { throw .library("compute SHA-256") }
        var output: [32 of UInt8] = InlineArray(repeating: 0)
        var span = output.mutableSpan
        // Bounds: SHA-256 writes 32 bytes, which is the size of the buffer.
        let result = unsafe span.withUnsafeMutableBufferPointer { buffer in
            unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, nil)
        }
        guard result == 1 else { throw .library("compute SHA-256") }
        return try Digest256(bytes: output.span)
    }

    /// The digest of bytes at hand.
    ///
    /// - Throws: ``DigestError/libraryFailed(operation:reason:)``.
    package static func of(_ bytes: Span<UInt8>) throws(DigestError) -> Digest256 {
        var digest = SHA256Digest()
        digest.update(bytes)
        return try digest.finish()
    }

    /// The digest of an array.
    ///
    /// - Throws: ``DigestError/libraryFailed(operation:reason:)``.
    package static func of(_ bytes: [UInt8]) throws(DigestError) -> Digest256 {
        try of(bytes.span)
    }

    private mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let context = unsafe context, unsafe !bytes.isEmpty else { return }
        // Bounds: the library reads exactly the buffer's bytes, within this call.
        if unsafe EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) != 1 { fail() }
    }

    private mutating func fail() {
        unsafe EVP_MD_CTX_free(context)
        unsafe context = nil
    }
}

/// The fetched SHA-256 of libcrypto.
///
/// OpenSSL 3 looks an algorithm up by name and under a lock each time it is not given a fetched
/// one; so it is fetched once. It is immutable and counted by the library, never freed here,
/// and kept as an address because an address is plainly `Sendable`.
private enum Algorithm {
    private static let address: UInt = {
        // The library's clean-up at exit races with threads that still run: it is switched off.
        OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil)
        return unsafe UInt(bitPattern: EVP_MD_fetch(nil, "SHA256", nil))
    }()

    static var pointer: OpaquePointer? { unsafe OpaquePointer(bitPattern: address) }
}
