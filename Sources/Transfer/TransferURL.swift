internal import CCurl

/// A URL that was read once and found fit for a transfer.
struct TransferURL: Sendable, Equatable {
    /// The protocols that a transfer may use.
    enum Scheme: String, Sendable {
        case https, http, file

        /// What such a URL begins like.
        var example: String { self == .file ? "file:///path" : "\(rawValue)://host/path" }
    }

    /// The URL as it was written.
    let text: String
    /// Its protocol.
    let scheme: Scheme
    /// Protocol, host and port, in one form; nil for a file.
    let origin: String?
    /// The host without brackets; nil for a file.
    let host: String?
    /// Whether path and query are such that every way of writing them is the same.
    let isPlainKey: Bool
    /// The path on this machine that a `file://` URL names; nil for others.
    let filePath: String?

    /// Reads a URL by libcurl's own parser, so that both of us understand the same.
    ///
    /// - Throws: ``TransferError/invalidURL(url:reason:)``.
    init(_ text: String, allowed: Set<Scheme> = [.https, .file]) throws(TransferError) {
        func refusal(_ reason: String) -> TransferError {
            .invalidURL(url: Self.redact(text), reason: reason)
        }
        guard text.utf8.count <= Self.bytesMax else {
            throw refusal("it is longer than \(Self.bytesMax) bytes")
        }
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw refusal("it holds a space or a control character")
        }
        guard let parser = unsafe curl_url() else {
            throw .library(operation: "read a URL", reason: "out of memory")
        }
        defer { unsafe curl_url_cleanup(parser) }
        let flags = UInt32(CURLU_NON_SUPPORT_SCHEME | CURLU_DISALLOW_USER)
        let result = unsafe curl_url_set(parser, CURLUPART_URL, text, flags)
        guard result == CURLUE_OK else {
            let words = unsafe curl_url_strerror(result).map { unsafe String(cString: $0) }
            throw refusal(words ?? "it is malformed")
        }
        let protocolName = unsafe Self.part(CURLUPART_SCHEME, of: parser) ?? ""
        guard let scheme = Scheme(rawValue: protocolName), allowed.contains(scheme) else {
            throw refusal("the protocol \(protocolName) is not allowed here")
        }
        // libcurl forgives one slash, and three; then a path is taken for a host.
        let afterScheme = text.dropFirst(scheme.rawValue.count)
        guard afterScheme.hasPrefix(scheme == .file ? ":///" : "://"),
            scheme == .file || !afterScheme.hasPrefix(":///")
        else { throw refusal("it has another number of slashes than \(scheme.example)") }
        self.text = text
        self.scheme = scheme
        origin = unsafe scheme == .file ? nil : Self.origin(of: parser, scheme)
        let name = unsafe scheme == .file ? nil : Self.part(CURLUPART_HOST, of: parser)
        host = name.map { $0.filter { $0 != "[" && $0 != "]" } }
        let path = unsafe Self.part(CURLUPART_PATH, of: parser, decoded: false) ?? ""
        let query = unsafe Self.part(CURLUPART_QUERY, of: parser, decoded: false)
        isPlainKey = query == nil && path.utf8.allSatisfy(Self.isPlain)
        filePath = unsafe scheme == .file ? Self.part(CURLUPART_PATH, of: parser) : nil
        if scheme == .file && filePath == nil { throw refusal("the path is malformed") }
    }

    /// The URL for logs and errors: without what follows `?` or `#`, and without a user.
    var redacted: String { Self.redact(text) }

    /// Cuts from any text, be it a URL or not, what may be secret in a URL; 300 characters at most.
    static func redact(_ text: String) -> String {
        let visible = text.prefix { $0 != "?" && $0 != "#" }.prefix(300)
        guard let slashes = visible.firstRange(of: "//") else { return String(visible) }
        let rest = visible[slashes.upperBound...]
        let authority = rest.prefix { $0 != "/" }
        guard let at = authority.lastIndex(of: "@") else { return String(visible) }
        return String(visible[..<slashes.upperBound] + visible[visible.index(after: at)...])
    }

    /// The port of a proxy's URL, which may lack its protocol; nil when it is no URL.
    static func proxyPort(_ text: String) -> Int? {
        guard let parser = unsafe curl_url() else { return nil }
        defer { unsafe curl_url_cleanup(parser) }
        let flags = UInt32(CURLU_NON_SUPPORT_SCHEME | CURLU_GUESS_SCHEME)
        guard unsafe curl_url_set(parser, CURLUPART_URL, text, flags) == CURLUE_OK else {
            return nil
        }
        if let port = unsafe part(CURLUPART_PORT, of: parser) { return Int(port) }
        // As libcurl has it (CURLOPT_PROXY).
        return text.lowercased().hasPrefix("https://") ? 443 : 1080
    }

    private static let bytesMax = 8192

    /// What RFC 3986 §2.3 leaves as it is, and `/`.
    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: "-._~/".utf8.contains(byte)
        }
    }

    @unsafe
    private static func origin(of parser: OpaquePointer, _ scheme: Scheme) -> String? {
        guard let host = unsafe part(CURLUPART_HOST, of: parser) else { return nil }
        let port = unsafe part(CURLUPART_PORT, of: parser) ?? (scheme == .https ? "443" : "80")
        return "\(scheme.rawValue)://\(host.lowercased()):\(port)"
    }

    /// A part of the URL, percent-decoded or not; nil when it is missing or cannot be decoded.
    @unsafe
    private static func part(
        _ part: CURLUPart,
        of parser: OpaquePointer,
        decoded: Bool = true
    ) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        let flags = decoded ? UInt32(CURLU_URLDECODE) : 0
        guard unsafe curl_url_get(parser, part, &text, flags) == CURLUE_OK else { return nil }
        defer { unsafe curl_free(text) }
        // Bounds: libcurl gives a zero-ended text, ours to free.
        return unsafe text.map { unsafe String(cString: $0) }
    }
}
