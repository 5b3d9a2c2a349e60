internal import COpenSSL
internal import Glibc

/// One X.509 certificate, freed with its owner.
@safe final class Certificate {
    /// Lent to calls of the library; valid as long as this object.
    let pointer: OpaquePointer

    /// Takes over one reference.
    init(owning pointer: OpaquePointer) {
        unsafe self.pointer = unsafe pointer
    }

    deinit {
        unsafe X509_free(pointer)
    }

    /// The last second of validity, as Unix seconds; 0 when the field is not a time.
    var notAfter: Int64 { unsafe Self.seconds(X509_get0_notAfter(pointer)) }

    /// The first second of validity, as Unix seconds; 0 when the field is not a time.
    var notBefore: Int64 { unsafe Self.seconds(X509_get0_notBefore(pointer)) }

    /// The owner's name as in RFC 2253, for people.
    var subject: String {
        guard let text = unsafe BIO_new(BIO_s_mem()) else { return "" }
        defer { unsafe BIO_free(text) }
        let name = unsafe X509_get_subject_name(pointer)
        _ = unsafe leeway_X509_NAME_print_RFC2253(text, name)
        return String(decoding: unsafe bytes(ofMemory: text), as: UTF8.self)
    }

    /// The DNS names, addresses, mail addresses and URIs that the certificate is for.
    var names: [String] {
        guard
            let extensionValue = unsafe X509_get_ext_d2i(pointer, NID_subject_alt_name, nil, nil)
        else { return [] }
        let names = OpaquePointer(extensionValue)
        defer { unsafe GENERAL_NAMES_free(names) }
        return (0..<max(0, unsafe leeway_sk_GENERAL_NAME_num(names))).compactMap { index in
            unsafe leeway_sk_GENERAL_NAME_value(names, index).flatMap { unsafe Self.text($0) }
        }
    }

    /// Whether a DNS name or an address is one of those the certificate is for.
    func isFor(_ name: String) -> Bool {
        if unsafe X509_check_ip_asc(pointer, name, 0) == 1 { return true }
        return unsafe X509_check_host(pointer, name, name.utf8.count, 0, nil) == 1
    }

    /// Whether another certificate's key signed this one.
    func isSigned(by issuer: Certificate) -> Bool {
        defer { ERR_clear_error() }
        guard let key = unsafe X509_get0_pubkey(issuer.pointer) else { return false }
        return unsafe X509_verify(pointer, key) == 1
    }

    /// Whether a private key is the one of this certificate.
    func belongs(to key: PrivateKey) -> Bool {
        defer { ERR_clear_error() }
        return unsafe X509_check_private_key(pointer, key.pointer) == 1
    }

    static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64 {
        var parts = unsafe tm()
        guard unsafe ASN1_TIME_to_tm(time, &parts) == 1 else { return 0 }
        return Int64(unsafe timegm(&parts))
    }

    private static func text(_ name: UnsafePointer<GENERAL_NAME>) -> String? {
        var kind: Int32 = 0
        guard let value = unsafe GENERAL_NAME_get0_value(name, &kind) else { return nil }
        guard [GEN_DNS, GEN_EMAIL, GEN_URI, GEN_IPADD].contains(kind) else { return nil }
        // These four kinds are ASN.1 strings.
        let string = unsafe value.assumingMemoryBound(to: ASN1_STRING.self)
        // Bounds: the library gives the string's length together with its bytes.
        let bytes = unsafe UnsafeBufferPointer(
            start: ASN1_STRING_get0_data(string),
            count: Int(ASN1_STRING_length(string))
        )
        guard kind == GEN_IPADD else { return unsafe String(decoding: bytes, as: UTF8.self) }
        return unsafe text(ofAddress: Array(bytes))
    }

    /// The usual text of an address of 4 or 16 bytes; nil for another number of bytes.
    static func text(ofAddress bytes: [UInt8]) -> String? {
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        // Bounds: 4 or 16 bytes by the family, and room for the longest text of either.
        let written = unsafe inet_ntop(family, bytes, &text, socklen_t(text.count)) != nil
        guard written else { return nil }
        return String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) },
            as: UTF8.self
        )
    }
}

/// One private key, freed with its owner.
@safe final class PrivateKey {
    /// Lent to calls of the library; valid as long as this object.
    let pointer: OpaquePointer

    /// Takes over one reference.
    init(owning pointer: OpaquePointer) {
        unsafe self.pointer = unsafe pointer
    }

    deinit {
        unsafe EVP_PKEY_free(pointer)
    }
}

/// A copy of what was written to a memory BIO.
func bytes(ofMemory memory: OpaquePointer) -> [UInt8] {
    var start: UnsafePointer<CChar>?
    let count = unsafe leeway_BIO_get_mem_data(memory, &start)
    guard let start = unsafe start, count > 0 else { return [] }
    // Bounds: the library gives the length together with the bytes.
    return unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
}
