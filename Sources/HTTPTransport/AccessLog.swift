internal import NIOCore
internal import TLSTransport
package import Telemetry

/// What is known of a request when it is over; the input of metrics and access log.
struct RequestRecord {
    /// The request, as far as it was understood.
    var request: HTTPRequest?
    var name: RequestName
    var connection: ConnectionFacts
    var numberOnConnection: Int
    var route: HTTPRoute
    var status: HTTPStatus
    var nanoseconds: UInt64
    var responseBytes: Int
    var log: ResponseLog

    var method: HTTPMethod { request?.head.method ?? .other }
    var requestBytes: Int { request?.body.readableBytes ?? 0 }
}

/// Writes one JSON line for each request: who, what, how long; never what was in it.
///
/// No body, no query, no `Authorization` or `Cookie` gets here.
package struct AccessLog: Sendable {
    /// Which requests are written.
    package struct Settings: Sendable {
        /// One of so many is written of those that are neither slow nor failed; 1 for all.
        package var sampleEvery = 1
        /// Requests that took as long or longer are always written.
        package var slowSeconds: Double = 1

        /// Writes every request.
        package init() {}
    }

    /// The state of the sampling on one loop.
    struct Sampling {
        private var skipped = 0

        /// Whether this request is to be written.
        mutating func admits(_ record: RequestRecord, by settings: Settings) -> Bool {
            guard record.status.rawValue < 500,
                Double(record.nanoseconds) < settings.slowSeconds * 1e9
            else { return true }
            skipped += 1
            guard skipped >= settings.sampleEvery else { return false }
            skipped = 0
            return true
        }
    }

    let sink: LogSink
    let settings: Settings

    /// Writes to a sink.
    ///
    /// - Parameters:
    ///   - sink: drops and counts when it is full; it never blocks.
    ///   - settings: which requests are written.
    package init(sink: LogSink, settings: Settings = Settings()) {
        self.sink = sink
        self.settings = settings
    }

    /// Writes a request, in the fields of OpenTelemetry's log data model.
    ///
    /// - Parameters:
    ///   - record: the request.
    ///   - routeLabel: its route's label.
    ///   - time: when it was over.
    ///   - line: memory for the text, kept from one request to the next.
    func write(
        _ record: RequestRecord,
        routeLabel: String,
        time: WallTime,
        using line: inout JSONLine
    ) {
        line.reset()
        line.member("Timestamp", time)
        let isFailure = record.status.rawValue >= 500
        line.member("SeverityText", isFailure ? "ERROR" : "INFO")
        line.member("SeverityNumber", isFailure ? 17 : 9)
        line.member("Body", "request")
        if let request = record.request { writeTrace(request, to: &line) }
        line.beginObject("Attributes")
        line.member("listener", record.connection.listener)
        switch record.name {
        case .made(let identifier): line.member("request_id", identifier)
        case .given(let bytes): line.member("request_id", bytes.readableBytesUInt8Span)
        }
        line.member("http.request.method", record.method.label)
        line.member("http.route", routeLabel)
        if let request = record.request { writeRequest(request, to: &line) }
        line.member("http.response.status_code", Int(record.status.rawValue))
        line.member("http.request.body.size", record.requestBytes)
        line.member("http.response.body.size", record.responseBytes)
        line.member("duration_s", nanosecondsAsSeconds: record.nanoseconds)
        writeConnection(record, to: &line)
        writeResponse(record.log, to: &line)
        line.endObject()
        line.finish()
        _ = sink.submit(bytes: line.span)
    }

    private func writeTrace(_ request: HTTPRequest, to line: inout JSONLine) {
        let trace = RequestIdentifier(
            high: UInt64(truncatingIfNeeded: request.trace.traceIdentifier >> 64),
            low: UInt64(truncatingIfNeeded: request.trace.traceIdentifier)
        )
        line.member("TraceId", trace)
        line.member("SpanId", hexadecimal: request.span)
        line.member("TraceFlags", request.trace.sampled ? 1 : 0)
    }

    private func writeRequest(_ request: HTTPRequest, to line: inout JSONLine) {
        line.member("url.path", request.head.pathBytes, bytesMax: 512)
        line.member("network.protocol.version", request.head.minorVersion == 1 ? "1.1" : "1.0")
        request.head.withValue(of: "user-agent") { agent in
            guard !agent.isEmpty else { return }
            line.member("user_agent.original", agent, bytesMax: 256)
        }
    }

    private func writeConnection(_ record: RequestRecord, to line: inout JSONLine) {
        line.member("connection_id", record.connection.number)
        line.member("requests_on_connection", record.numberOnConnection)
        if let peer = record.connection.peerAddress { line.member("client.address", peer) }
        guard let tls = record.connection.tls else { return }
        line.member("tls.protocol.version", tls.version.rawValue)
        line.member("tls.cipher", tls.cipher)
        line.member("tls.resumed", tls.isResumed)
    }

    private func writeResponse(_ log: ResponseLog, to line: inout JSONLine) {
        if let model = log.model { line.member("model.name", model) }
        if let version = log.version { line.member("model.version", version) }
        if let rows = log.rows { line.member("batch.size", rows) }
        if let nanoseconds = log.inferNanoseconds {
            line.member("infer_s", nanosecondsAsSeconds: nanoseconds)
        }
        if let code = log.errorCode { line.member("error.type", code) }
    }
}
