internal import COpenSSL
internal import Files

/// A PEM file in memory, and what can be read from it in order.
@safe struct PEMFile: ~Copyable {
    let path: String
    private let what: String
    /// Owned; holds a copy of the file's bytes.
    private let source: OpaquePointer

    /// Reads a file.
    ///
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``.
    init(_ path: String, _ what: String) throws(TLSError) {
        let bytes = try Self.contents(path, what)
        unsafe source = try OpenSSLError.require("hold a PEM file") {
            unsafe BIO_new(BIO_s_mem())
        }
        self.path = path
        self.what = what
        // Bounds: the library copies exactly the array's bytes, at most bytesMax. When there is
        // no memory for them, reading says that there is nothing.
        _ = unsafe bytes.withUnsafeBufferPointer { buffer in
            unsafe BIO_write(source, buffer.baseAddress, Int32(buffer.count))
        }
    }

    private static func contents(_ path: String, _ what: String) throws(TLSError) -> [UInt8] {
        do {
            return try WholeFile.read(path, bytesMax: bytesMax)
        } catch {
            throw .fileUnusable(path: path, what: what, reason: error.description)
        }
    }

    deinit {
        unsafe BIO_free(source)
    }

    /// The next certificate; nil at the end of the file.
    ///
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)`` for anything between that is none.
    func nextCertificate() throws(TLSError) -> Certificate? {
        ERR_clear_error()
        if let pointer = unsafe PEM_read_bio_X509(source, nil, refusePassphrase, nil) {
            return unsafe Certificate(owning: pointer)
        }
        let error = OpenSSLError.drain()
        if error.reason == PEM_R_NO_START_LINE { return nil }
        throw unusable(error.text)
    }

    /// All certificates in the file, at least one.
    ///
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``.
    func certificates() throws(TLSError) -> [Certificate] {
        var found: [Certificate] = []
        while let certificate = try nextCertificate() {
            guard found.count < Self.certificatesMax else {
                throw unusable("it has more than \(Self.certificatesMax) certificates")
            }
            found.append(certificate)
        }
        guard !found.isEmpty else { throw unusable("no certificate in it") }
        return found
    }

    /// The private key.
    ///
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``, also for a key with a passphrase.
    func privateKey() throws(TLSError) -> PrivateKey {
        ERR_clear_error()
        guard let pointer = unsafe PEM_read_bio_PrivateKey(source, nil, refusePassphrase, nil)
        else { throw unusable(OpenSSLError.drain().text) }
        return unsafe PrivateKey(owning: pointer)
    }

    /// The error for this file.
    func unusable(_ reason: String) -> TLSError {
        .fileUnusable(path: path, what: what, reason: reason)
    }

    private static let bytesMax = 4 << 20
    private static let certificatesMax = 1000
}

/// Never asks for a passphrase on the terminal, as the library would do by itself.
private func refusePassphrase(
    _: UnsafeMutablePointer<CChar>?,
    _: Int32,
    _: Int32,
    _: UnsafeMutableRawPointer?
) -> Int32 { -1 }
