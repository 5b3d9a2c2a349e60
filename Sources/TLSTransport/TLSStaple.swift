internal import COpenSSL
internal import Files

/// An OCSP response about one of our certificates, to be stapled to handshakes.
///
/// It is checked when it is read, so that we never staple what a client would take for a reason to
/// refuse us: it must be about one of our certificates, say "good", and be signed by the issuer or whom it
/// names, when the issuer is in the chain.
struct TLSStaple: Sendable {
    /// The address of the library's object of the certificate that it is about.
    let certificate: UInt
    /// The response in DER.
    let bytes: [UInt8]
    /// The last second in which it may be used, Unix time.
    let nextUpdate: Int64

    /// Reads a response.
    ///
    /// - Throws: ``TLSError/fileUnusable(path:what:reason:)``. A response that has ended is no
    ///   error: it is just not stapled.
    init(_ path: String, about chains: [[Certificate]]) throws(TLSError) {
        do {
            bytes = try WholeFile.read(path, bytesMax: Self.bytesMax)
        } catch {
            throw Self.unusable(path, error.description)
        }
        ERR_clear_error()
        let parsed = try Response(path, bytes)
        guard let chain = chains.first(where: { parsed.isAbout($0) }) else {
            throw Self.unusable(path, "it is not about our certificate")
        }
        nextUpdate = try parsed.check(path, chain)
        certificate = unsafe UInt(bitPattern: chain[0].pointer)
    }

    /// Whether it may be used at a time (Unix seconds).
    func isCurrent(at now: Int64) -> Bool { now <= nextUpdate }

    fileprivate static func unusable(_ path: String, _ reason: String) -> TLSError {
        .fileUnusable(path: path, what: "OCSP response in DER", reason: reason)
    }

    /// Ours are a few kB; they are sent in each full handshake.
    private static let bytesMax = 64 << 10
}

/// The parsed response, freed with its owner.
@safe private struct Response: ~Copyable {
    private let basic: OpaquePointer

    init(_ path: String, _ bytes: [UInt8]) throws(TLSError) {
        // Bounds: the library reads within the bytes that it is told of.
        let parsed = unsafe bytes.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return unsafe d2i_OCSP_RESPONSE(nil, &start, buffer.count)
        }
        guard let response = unsafe parsed else {
            throw TLSStaple.unusable(path, OpenSSLError.drain().text)
        }
        defer { unsafe OCSP_RESPONSE_free(response) }
        guard unsafe OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL,
            let basic = unsafe OCSP_response_get1_basic(response)
        else { throw TLSStaple.unusable(path, "the responder says that it could not answer") }
        unsafe self.basic = basic
    }

    deinit {
        unsafe OCSP_BASICRESP_free(basic)
    }

    /// Whether the first certificate of a chain is spoken of.
    func isAbout(_ chain: [Certificate]) -> Bool {
        chain.first.map { unsafe answer(about: $0) != nil } ?? false
    }

    /// Checks what is said of the first certificate of a chain.
    ///
    /// - Returns: The last second of the response.
    func check(_ path: String, _ chain: [Certificate]) throws(TLSError) -> Int64 {
        guard let certificate = chain.first, let single = unsafe answer(about: certificate) else {
            throw TLSStaple.unusable(path, "it is not about our certificate")
        }
        var nextUpdate: UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?
        let status = unsafe OCSP_single_get0_status(single, nil, nil, nil, &nextUpdate)
        guard status == V_OCSP_CERTSTATUS_GOOD else {
            throw TLSStaple.unusable(path, "it does not say that the certificate is good")
        }
        guard let nextUpdate = unsafe nextUpdate else {
            throw TLSStaple.unusable(path, "it does not say until when it holds")
        }
        if chain.count > 1 {
            ERR_clear_error()
            guard unsafe leeway_OCSP_is_signed(basic, chain[1].pointer) == 1 else {
                throw TLSStaple.unusable(path, OpenSSLError.drain().text)
            }
        }
        return unsafe Certificate.seconds(nextUpdate)
    }

    private func answer(about certificate: Certificate) -> OpaquePointer? {
        let wanted = unsafe X509_get_serialNumber(certificate.pointer)
        for index in 0..<max(0, unsafe OCSP_resp_count(basic)) {
            guard let single = unsafe OCSP_resp_get0(basic, index) else { continue }
            var number: UnsafeMutablePointer<ASN1_INTEGER>?
            let identifier = unsafe OCSP_SINGLERESP_get0_id(single)
            let isFound = unsafe OCSP_id_get0_info(nil, nil, nil, &number, identifier)
            if unsafe isFound == 1 && ASN1_INTEGER_cmp(number, wanted) == 0 {
                return unsafe single
            }
        }
        return nil
    }
}
