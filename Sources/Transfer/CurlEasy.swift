internal import CCurl

/// Owner of one libcurl easy handle: options in, facts out; for one thread at a time.
///
/// A refused option is remembered and thrown by ``check(_:)``, so that setting twenty options reads
/// as twenty lines.
@safe
struct CurlEasy: ~Copyable {
    /// The handle, for ``CurlMulti`` only.
    let handle: UnsafeMutableRawPointer
    // libcurl writes its explanation here; CURL_ERROR_SIZE bytes, zero-ended.
    private let explanation: UnsafeMutablePointer<CChar>
    private var firstRefusal: CURLcode?

    init() throws(TransferError) {
        try TransferLibrary.initialise()
        guard let handle = unsafe curl_easy_init() else {
            throw .library(operation: "make a transfer handle", reason: "out of memory")
        }
        unsafe self.handle = handle
        unsafe explanation = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe explanation.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        unsafe curl_easy_cleanup(handle)
        unsafe explanation.deallocate()
    }

    /// Forgets all options; open connections, TLS sessions and names resolved are kept.
    mutating func reset() {
        unsafe curl_easy_reset(handle)
        firstRefusal = nil
    }

    /// Gives libcurl the buffer for its explanations; ``reset()`` takes it away.
    mutating func collectExplanations() {
        unsafe explanation.pointee = 0
        note(unsafe leeway_curl_easy_setopt_pointer(handle, CURLOPT_ERRORBUFFER, explanation))
    }

    mutating func set(_ option: CURLoption, _ value: Int) {
        note(unsafe leeway_curl_easy_setopt_long(handle, option, value))
    }

    mutating func set(_ option: CURLoption, large value: Int) {
        note(unsafe leeway_curl_easy_setopt_off_t(handle, option, curl_off_t(value)))
    }

    /// Sets a text, which libcurl copies; nil puts the default back.
    mutating func set(_ option: CURLoption, _ value: String?) {
        note(unsafe leeway_curl_easy_setopt_string(handle, option, value))
    }

    /// Sets a list; it must stay alive until the transfer is over.
    mutating func set(_ option: CURLoption, _ list: borrowing CurlList) {
        note(unsafe leeway_curl_easy_setopt_list(handle, option, list.head))
    }

    /// Sets memory that stays the caller's and must stay in place until the transfer is over.
    @unsafe
    mutating func set(_ option: CURLoption, lent value: UnsafeRawPointer?) {
        note(unsafe leeway_curl_easy_setopt_pointer(handle, option, value))
    }

    /// Runs the transfer on this thread, to its end.
    func perform() -> CURLcode {
        unsafe curl_easy_perform(handle)
    }

    /// Sends the bodies of answers to a sink, which must stay alive until the transfer is over.
    mutating func deliverBody(to sink: BodySink) {
        unsafe sink.easy = handle
        let context = unsafe Unmanaged.passUnretained(sink).toOpaque()
        note(unsafe leeway_curl_easy_setopt_write(handle, CURLOPT_WRITEFUNCTION, receiveBody))
        note(unsafe leeway_curl_easy_setopt_pointer(handle, CURLOPT_WRITEDATA, context))
    }

    /// Throws if an option was refused since the last ``reset()``.
    func check(_ operation: String) throws(TransferError) {
        guard let firstRefusal else { return }
        throw .library(operation: operation, reason: Self.words(firstRefusal))
    }

    /// A number about the last transfer; zero when libcurl does not know it.
    func number(_ info: CURLINFO) -> Int {
        unsafe Self.number(info, of: handle)
    }

    /// A 64-bit number about the last transfer; zero when libcurl does not know it.
    func largeNumber(_ info: CURLINFO) -> Int {
        unsafe Self.largeNumber(info, of: handle)
    }

    /// A text about the last transfer.
    func text(_ info: CURLINFO) -> String? {
        var value: UnsafePointer<CChar>?
        unsafe leeway_curl_easy_getinfo_string(handle, info, &value)
        // Bounds: a zero-ended text that the handle owns until its next use; copied here.
        return unsafe value.map { unsafe String(cString: $0) }
    }

    /// The first value of a field in the head of the final answer (not of a redirect's).
    func field(_ name: String) -> String? {
        unsafe Self.field(name, of: handle)
    }

    /// What libcurl says of a failed transfer: its own explanation, else the code's words.
    func explain(_ code: CURLcode) -> String {
        // Bounds: libcurl keeps the buffer zero-ended within CURL_ERROR_SIZE.
        let text = unsafe String(cString: explanation)
        return text.isEmpty ? Self.words(code) : text
    }

    /// The library's words for a code.
    static func words(_ code: CURLcode) -> String {
        unsafe curl_easy_strerror(code).map { unsafe String(cString: $0) } ?? "\(code.rawValue)"
    }

    @unsafe
    fileprivate static func number(_ info: CURLINFO, of handle: UnsafeMutableRawPointer) -> Int {
        var value = 0
        unsafe leeway_curl_easy_getinfo_long(handle, info, &value)
        return value
    }

    @unsafe
    fileprivate static func largeNumber(
        _ info: CURLINFO,
        of handle: UnsafeMutableRawPointer
    ) -> Int {
        var value: curl_off_t = 0
        unsafe leeway_curl_easy_getinfo_off_t(handle, info, &value)
        return Int(value)
    }

    @unsafe
    fileprivate static func field(_ name: String, of handle: UnsafeMutableRawPointer) -> String? {
        var header: UnsafeMutablePointer<curl_header>?
        let result = unsafe curl_easy_header(handle, name, 0, UInt32(CURLH_HEADER), -1, &header)
        guard result == CURLHE_OK else { return nil }
        // Bounds: a zero-ended text that the handle owns until its next use; copied here.
        return unsafe header.map { unsafe String(cString: $0.pointee.value) }
    }

    mutating func note(_ result: CURLcode) {
        if result != CURLE_OK && firstRefusal == nil { firstRefusal = result }
    }
}

/// Owner of a list of texts as libcurl wants it.
@safe
struct CurlList: ~Copyable {
    fileprivate private(set) var head: UnsafeMutablePointer<curl_slist>?

    init(_ lines: [String] = []) throws(TransferError) {
        unsafe head = nil
        for line in lines {
            guard let longer = unsafe curl_slist_append(head, line) else {
                throw .library(operation: "list \(lines.count) texts", reason: "out of memory")
            }
            unsafe head = longer
        }
    }

    deinit {
        unsafe curl_slist_free_all(head)
    }
}

/// Takes the body of an answer, piece by piece, on the thread of the transfer.
@safe
class BodySink {
    // Lent by the handle that delivers to this sink, which outlives the transfer.
    fileprivate var easy: UnsafeMutableRawPointer?

    /// Takes the next bytes, which are lent for the call; `false` ends the transfer.
    func receive(_ bytes: RawSpan) -> Bool { false }

    /// The status of the answer whose body is coming; zero for protocols without one.
    final var status: Int {
        unsafe easy.map { unsafe CurlEasy.number(CURLINFO_RESPONSE_CODE, of: $0) } ?? 0
    }

    /// The first value of a field in the head of the answer whose body is coming.
    final func field(_ name: String) -> String? {
        guard let easy = unsafe easy else { return nil }
        return unsafe CurlEasy.field(name, of: easy)
    }

    /// The length of the body as announced.
    final var bytesExpected: Int? {
        guard let easy = unsafe easy else { return nil }
        let count = unsafe CurlEasy.largeNumber(CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, of: easy)
        return count < 0 ? nil : count
    }
}

/// libcurl's write callback: unwraps and calls one method.
private let receiveBody: curl_write_callback = { data, size, count, context in
    let failure = Int(CURL_WRITEFUNC_ERROR)
    guard let data = unsafe data, let context = unsafe context else { return failure }
    let (byteCount, isTooMuch) = size.multipliedReportingOverflow(by: count)
    if isTooMuch { return failure }
    // Bounds: libcurl lends size × count bytes for this call.
    let bytes = unsafe UnsafeRawBufferPointer(start: data, count: byteCount)
    let sink = unsafe Unmanaged<BodySink>.fromOpaque(context).takeUnretainedValue()
    return unsafe sink.receive(bytes.bytes) ? byteCount : failure
}
