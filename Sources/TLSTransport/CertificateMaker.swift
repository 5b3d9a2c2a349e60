internal import COpenSSL
internal import Glibc

/// Makes an authority and one server certificate that it signed; both with new P-256 keys.
struct CertificateMaker {
    /// The last second of validity of both, Unix time.
    let notAfter: Int64
    private let authority: Certificate
    private let certificate: Certificate
    private let key: PrivateKey

    /// Makes the two certificates, valid from an hour ago (clocks differ) for a year.
    ///
    /// - Parameters:
    ///   - names: Of the server; each must pass ``isName(_:)``.
    ///   - now: Unix time in seconds.
    /// - Throws: ``TLSError/libraryFailed(operation:reason:)``.
    init(names: [String], now: Int64) throws(TLSError) {
        TLSLibrary.initialise()
        let authorityKey = try Self.makeKey()
        let authorityName = "Leeway development authority \(Self.randomText())"
        key = try Self.makeKey()
        authority = try Self.make(authorityName, authorityKey, now)
        try Self.extend(
            authority,
            by: authority,
            [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
            ]
        )
        try Self.sign(authority, by: authority, authorityKey)
        certificate = try Self.make("Leeway development server", key, now)
        try Self.extend(
            certificate,
            by: authority,
            [
                (NID_basic_constraints, "critical,CA:FALSE"),
                (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, "serverAuth"),
                (NID_subject_alt_name, Self.extensionText(names)),
                (NID_subject_key_identifier, "hash"),
                (NID_authority_key_identifier, "keyid"),
            ]
        )
        try Self.sign(certificate, by: authority, authorityKey)
        notAfter = certificate.notAfter
    }

    /// The authority's certificate.
    func authorityPEM() throws(TLSError) -> [UInt8] { try Self.pem(of: authority) }

    /// The server's certificate.
    func certificatePEM() throws(TLSError) -> [UInt8] { try Self.pem(of: certificate) }

    /// The server's private key, as PKCS #8 without a passphrase.
    func keyPEM() throws(TLSError) -> [UInt8] {
        unsafe try Self.text { memory in
            unsafe PEM_write_bio_PrivateKey(memory, key.pointer, nil, nil, 0, nil, nil)
        }
    }

    // MARK: Names

    /// Whether a text is an address or a DNS name (letters, digits, hyphens; `*.` in front).
    static func isName(_ name: String) -> Bool {
        if canonicalAddress(name) != nil { return true }
        var labels = name.split(separator: ".", omittingEmptySubsequences: false)
        if labels.count > 1, labels.first == "*" { labels.removeFirst() }
        return name.utf8.count <= 253 && labels.allSatisfy { isLabel($0) }
    }

    /// An address as the certificate's own list of names shows it; nil for anything else.
    static func canonicalAddress(_ name: String) -> String? {
        for (family, count) in [(AF_INET, 4), (AF_INET6, 16)] {
            var address = [UInt8](repeating: 0, count: 16)
            // Bounds: the call writes 4 or 16 bytes by the family.
            guard unsafe inet_pton(family, name, &address) == 1 else { continue }
            return Certificate.text(ofAddress: Array(address.prefix(count)))
        }
        return nil
    }

    private static func isLabel(_ label: Substring) -> Bool {
        let bytes = Array(label.utf8)
        guard (1...63).contains(bytes.count) else { return false }
        guard bytes.first != UInt8(ascii: "-"), bytes.last != UInt8(ascii: "-") else {
            return false
        }
        return bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                true
            default: false
            }
        }
    }

    private static func extensionText(_ names: [String]) -> String {
        names.map { canonicalAddress($0) == nil ? "DNS:\($0)" : "IP:\($0)" }.joined(separator: ",")
    }

    // MARK: Steps

    private static func makeKey() throws(TLSError) -> PrivateKey {
        unsafe PrivateKey(
            owning: try OpenSSLError.require("make a key") { unsafe leeway_EVP_EC_gen_P256() }
        )
    }

    /// A certificate without extensions, issuer and signature.
    private static func make(
        _ commonName: String,
        _ key: PrivateKey,
        _ now: Int64
    ) throws(TLSError) -> Certificate {
        let made = unsafe Certificate(
            owning: try OpenSSLError.require("make a certificate") { unsafe X509_new() }
        )
        let pointer = unsafe made.pointer
        try setSerialNumber(made)
        try OpenSSLError.check("fill in a certificate") {
            let subject = unsafe X509_get_subject_name(pointer)
            let isDone =
                unsafe X509_set_version(pointer, Int(X509_VERSION_3)) == 1
                && ASN1_TIME_set(X509_getm_notBefore(pointer), Int(now - 3600)) != nil
                && ASN1_TIME_set(X509_getm_notAfter(pointer), Int(now + validitySeconds)) != nil
                && X509_set_pubkey(pointer, key.pointer) == 1
                // Bounds: -1 lets the library find the end of a zero-ended text.
                && X509_NAME_add_entry_by_NID(
                    subject,
                    NID_commonName,
                    MBSTRING_UTF8,
                    Array(commonName.utf8) + [0],
                    -1,
                    -1,
                    0
                ) == 1
            return isDone ? 1 : 0
        }
        return made
    }

    /// 127 random bits: authorities must not use a number twice, and we keep no count.
    private static func setSerialNumber(_ certificate: Certificate) throws(TLSError) {
        let number = unsafe try OpenSSLError.require("make a serial number") { unsafe BN_new() }
        defer { unsafe BN_free(number) }
        try OpenSSLError.check("make a serial number") {
            unsafe BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY)
        }
        try OpenSSLError.check("set the serial number") {
            let field = unsafe X509_get_serialNumber(certificate.pointer)
            return unsafe BN_to_ASN1_INTEGER(number, field) == nil ? 0 : 1
        }
    }

    private static func extend(
        _ certificate: Certificate,
        by issuer: Certificate,
        _ extensions: [(nid: Int32, value: String)]
    ) throws(TLSError) {
        try OpenSSLError.check("name the issuer") {
            unsafe X509_set_issuer_name(
                certificate.pointer,
                X509_get_subject_name(issuer.pointer)
            )
        }
        for (nid, value) in extensions {
            let made = unsafe try OpenSSLError.require("make extension \(value)") {
                unsafe leeway_X509V3_EXT_make(issuer.pointer, certificate.pointer, nid, value)
            }
            defer { unsafe X509_EXTENSION_free(made) }
            try OpenSSLError.check("add extension \(value)") {
                unsafe X509_add_ext(certificate.pointer, made, -1)
            }
        }
    }

    private static func sign(
        _ certificate: Certificate,
        by issuer: Certificate,
        _ key: PrivateKey
    ) throws(TLSError) {
        _ = try OpenSSLError.require("sign a certificate") {
            unsafe X509_sign(certificate.pointer, key.pointer, EVP_sha256()) > 0 ? () : nil
        }
    }

    private static func pem(of certificate: Certificate) throws(TLSError) -> [UInt8] {
        unsafe try text { memory in unsafe PEM_write_bio_X509(memory, certificate.pointer) }
    }

    private static func text(_ write: (OpaquePointer) -> Int32) throws(TLSError) -> [UInt8] {
        let memory = unsafe try OpenSSLError.require("write PEM") { unsafe BIO_new(BIO_s_mem()) }
        defer { unsafe BIO_free(memory) }
        try OpenSSLError.check("write PEM") { unsafe write(memory) }
        return unsafe bytes(ofMemory: memory)
    }

    /// Tells authorities apart: two of one name with different keys confuse browsers.
    private static func randomText() -> String {
        String(UInt32.random(in: 0...UInt32.max), radix: 16)
    }

    private static let validitySeconds: Int64 = 365 * 86_400
}
