internal import CCurl

/// A server's answer, whatever its status.
package struct HTTPReply: Sendable, Equatable {
    /// The HTTP status.
    package let status: Int
    /// The media type, if the server says it.
    package let contentType: String?
    /// The body.
    package let body: [UInt8]
    /// From the start of the request to the last byte of the answer.
    package let microseconds: Int
    /// Whether no new connection had to be made.
    package let isConnectionReused: Bool
}

/// A blocking HTTP/1.1 client that keeps its connection open, for our own tools.
///
/// For one thread: make one per thread. Redirects are not followed and proxies are not used, since
/// what it talks to is an appliance. Any status is a reply; only what gives no reply throws.
package struct HTTPSession: ~Copyable {
    private var easy: CurlEasy
    private var headers: CurlList
    private let connectTo: CurlList
    private let settings: HTTPSessionSettings
    private let sink: ReplySink
    // What the handle is set to now: setting the same again for each request costs time.
    private var url: TransferURL?
    private var headerLines: [String] = []

    /// Prepares a session; nothing is sent yet.
    ///
    /// - Throws: ``TransferError/library(operation:reason:)``.
    package init(_ settings: HTTPSessionSettings = HTTPSessionSettings()) throws(TransferError) {
        var easy = try CurlEasy()
        let connectTo = try CurlList(settings.connectTo)
        let sink = ReplySink(bytesMax: max(0, settings.bodyBytesMax))
        easy.collectExplanations()
        easy.apply(settings)
        easy.set(CURLOPT_CONNECT_TO, connectTo)
        easy.deliverBody(to: sink)
        try easy.check("prepare an HTTP session")
        headers = try CurlList()
        self.easy = easy
        self.connectTo = connectTo
        self.sink = sink
        self.settings = settings
    }

    /// Fetches a page.
    ///
    /// - Parameters:
    ///   - url: `https://…`, or `http://…` where that is allowed.
    ///   - headers: Names and values, sent as they are.
    /// - Returns: The answer.
    /// - Throws: ``TransferError`` when there is no whole answer.
    package mutating func get(
        _ url: String,
        headers: [(name: String, value: String)] = []
    ) throws(TransferError) -> HTTPReply {
        easy.set(CURLOPT_HTTPGET, 1)
        return try perform(url, headers)
    }

    /// Sends a body.
    ///
    /// - Parameters:
    ///   - url: `https://…`, or `http://…` where that is allowed.
    ///   - body: Sent with its length; the type is `application/json` unless `headers` say
    ///     otherwise.
    ///   - headers: Names and values, sent as they are.
    /// - Returns: The answer.
    /// - Throws: ``TransferError`` when there is no whole answer.
    package mutating func post(
        _ url: String,
        body: [UInt8],
        headers: [(name: String, value: String)] = []
    ) throws(TransferError) -> HTTPReply {
        var headers = headers
        if !headers.contains(where: { $0.name.lowercased() == "content-type" }) {
            headers.append(("Content-Type", "application/json"))
        }
        easy.set(CURLOPT_POST, 1)
        easy.set(CURLOPT_POSTFIELDSIZE_LARGE, large: body.count)
        // Bounds: libcurl reads body.count bytes, and only during the call below, in which the
        // array is held in place; it is told to forget the address afterwards.
        let result: Result<HTTPReply, TransferError> = unsafe body.withUnsafeBytes { bytes in
            unsafe easy.setBody(bytes)
            do throws(TransferError) {
                return .success(try perform(url, headers))
            } catch {
                return .failure(error)
            }
        }
        easy.set(CURLOPT_POSTFIELDS, nil)
        return try result.get()
    }

    private mutating func perform(
        _ url: String,
        _ headers: [(name: String, value: String)]
    ) throws(TransferError) -> HTTPReply {
        try setURL(url)
        try setHeaders(headers)
        try easy.check("prepare a request to \(TransferURL.redact(url))")
        guard let address = self.url else { throw .invalidURL(url: url, reason: "it is empty") }
        sink.begin()
        let result = easy.perform()
        guard result == CURLE_OK else {
            if sink.isTooLarge {
                throw .tooLarge(url: address.redacted, bytesMax: settings.bodyBytesMax)
            }
            let detail = easy.explain(result)
            throw .curl(
                result,
                status: 0,
                detail: detail,
                url: address,
                bytesMax: settings.bodyBytesMax
            )
        }
        return HTTPReply(
            status: easy.number(CURLINFO_RESPONSE_CODE),
            contentType: easy.text(CURLINFO_CONTENT_TYPE),
            body: sink.take(),
            microseconds: easy.largeNumber(CURLINFO_TOTAL_TIME_T),
            isConnectionReused: easy.number(CURLINFO_NUM_CONNECTS) == 0
        )
    }

    private mutating func setURL(_ text: String) throws(TransferError) {
        if url?.text == text { return }
        url = try TransferURL(text, allowed: settings.allowsPlaintext ? [.https, .http] : [.https])
        easy.set(CURLOPT_URL, text)
    }

    private mutating func setHeaders(
        _ headers: [(name: String, value: String)]
    ) throws(TransferError) {
        // libcurl would wait for a "100 Continue" before a large body; our server needs none.
        var lines = ["Expect:"]
        for header in headers {
            guard Self.isToken(header.name), Self.isFieldValue(header.value) else {
                throw .invalidHeader(name: Self.printable(header.name))
            }
            // libcurl takes "Name:" as "send no such header"; "Name;" sends it empty.
            let isEmpty = header.value.isEmpty
            lines.append(isEmpty ? "\(header.name);" : "\(header.name): \(header.value)")
        }
        if lines == headerLines { return }
        // The old list must live until the handle has the new one.
        let list = try CurlList(lines)
        easy.set(CURLOPT_HTTPHEADER, list)
        self.headers = list
        headerLines = lines
    }

    /// RFC 9110 §5.6.2.
    private static func isToken(_ text: String) -> Bool {
        let marks = Set("!#$%&'*+-.^_`|~".utf8)
        return !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"):
                    true
                default: marks.contains(byte)
                }
            }
    }

    private static func isFieldValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    }

    private static func printable(_ text: String) -> String {
        String(text.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7f }.prefix(64))
    }
}

/// Keeps the body of an answer in memory, within the limit.
private final class ReplySink: BodySink {
    private(set) var isTooLarge = false
    private var body: [UInt8] = []
    private let bytesMax: Int

    init(bytesMax: Int) {
        self.bytesMax = bytesMax
    }

    func begin() {
        isTooLarge = false
        body = []
    }

    func take() -> [UInt8] {
        defer { body = [] }
        return body
    }

    override func receive(_ bytes: RawSpan) -> Bool {
        guard bytes.byteCount <= bytesMax - body.count else {
            isTooLarge = true
            return false
        }
        // Bounds: the lent bytes are copied.
        unsafe bytes.withUnsafeBytes { unsafe body.append(contentsOf: $0) }
        return true
    }
}

extension CurlEasy {
    /// Sets every option of a session that stays the same for all its requests.
    fileprivate mutating func apply(_ settings: HTTPSessionSettings) {
        set(CURLOPT_PROTOCOLS_STR, settings.allowsPlaintext ? "https,http" : "https")
        set(CURLOPT_FOLLOWLOCATION, 0)
        set(CURLOPT_PROXY, "")
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_CONNECTTIMEOUT_MS, Self.milliseconds(settings.connectSecondsMax))
        set(CURLOPT_TIMEOUT_MS, Self.milliseconds(settings.totalSecondsMax))
        set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1))
        set(CURLOPT_USERAGENT, settings.userAgent)
        requireTLS(caFile: settings.caFile)
        set(CURLOPT_SSLCERT, settings.clientCertificateFile)
        set(CURLOPT_SSLKEY, settings.clientKeyFile)
    }

    /// Lends a body for the next transfer; an empty one may have no address.
    @unsafe
    fileprivate mutating func setBody(_ bytes: UnsafeRawBufferPointer) {
        unsafe set(CURLOPT_POSTFIELDS, lent: bytes.baseAddress)
    }
}
