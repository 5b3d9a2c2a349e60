internal import Logging
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
    /// The form of a line.
    package enum Form: Sendable {
        /// One JSON object, with these names.
        case json(LogFieldNames)
        /// Words for a terminal.
        case text
    }

    /// Which requests are written, and how.
    package struct Settings: Sendable {
        /// The form of a line.
        package var form = Form.json(.otel)
        /// One of so many is written of those that are neither slow nor failed; 1 for all.
        package var sampleEvery = 1
        /// Answers with this status or a higher one are always written.
        package var failureStatusMin = 500
        /// Requests that took as long or longer are always written.
        package var slowSeconds: Double = 1

        /// Writes every request as JSON.
        package init() {}
    }

    /// The state of the sampling on one loop.
    struct Sampling {
        private var skipped = 0
        private var second: Int64 = 0
        private var refusals = 0

        /// Lines a second of requests that were refused for want of time or room: a flood of them
        /// says no more, and costs what could be done instead.
        private static let refusalsMax = 20

        /// Whether this request is to be written.
        mutating func admits(
            _ record: RequestRecord,
            by settings: Settings,
            at time: WallTime
        ) -> Bool {
            if record.status == .serviceUnavailable { return admitsRefusal(at: time) }
            guard record.status.rawValue < settings.failureStatusMin,
                Double(record.nanoseconds) < settings.slowSeconds * 1e9
            else { return true }
            skipped += 1
            guard skipped >= settings.sampleEvery else { return false }
            skipped = 0
            return true
        }

        private mutating func admitsRefusal(at time: WallTime) -> Bool {
            let now = time.nanosecondsSinceEpoch / 1_000_000_000
            if now != second { (second, refusals) = (now, 0) }
            refusals += 1
            return refusals <= Self.refusalsMax
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

    /// Writes a request, in the same form as the rest of the log.
    ///
    /// - Parameters:
    ///   - record: the request.
    ///   - routeLabel: its route's label.
    ///   - time: when it was over.
    ///   - line: memory and prepared parts of the text, kept from one request to the next.
    func write(
        _ record: RequestRecord,
        routeLabel: String,
        time: WallTime,
        using line: inout AccessLine
    ) {
        guard case .json(let names) = settings.form else {
            return writeText(record, routeLabel: routeLabel, time: time)
        }
        line.begin(names, record, routeLabel: routeLabel, time: time)
        if let request = record.request { writeRequest(request, to: &line.json) }
        line.json.member("http.response.status_code", Int(record.status.rawValue))
        line.json.member("http.request.body.size", record.requestBytes)
        line.json.member("http.response.body.size", record.responseBytes)
        line.json.member("duration_s", nanosecondsAsSeconds: record.nanoseconds)
        line.json.member("requests_on_connection", record.numberOnConnection)
        line.json.members(record.connection.members)
        writeResponse(record.log, to: &line.json)
        if names == .otel { line.json.endObject() }
        line.json.finish()
        _ = sink.submit(bytes: line.json.span)
    }

    /// A line for a person; made of constants, numbers and checked names only.
    private func writeText(_ record: RequestRecord, routeLabel: String, time: WallTime) {
        var text = "\(time.rfc3339) \(record.status.rawValue >= 500 ? "ERROR" : "INFO ")  request"
        text += " \(record.method.label) \(routeLabel) \(record.status.rawValue)"
        text += " \(Double(record.nanoseconds / 1000) / 1000) ms"
        if let model = record.log.model, let version = record.log.version {
            text += " model=\(model) version=\(version)"
        }
        if let code = record.log.errorCode { text += " error=\(code)" }
        text += " request_id=\(record.name.text)\n"
        _ = sink.submit(bytes: Array(text.utf8).span)
    }

    private func writeRequest(_ request: HTTPRequest, to line: inout JSONLine) {
        line.member("url.path", request.head.pathBytes, bytesMax: 512)
        line.member(
            "network.protocol.version",
            constant: request.head.minorVersion == 1 ? "1.1" : "1.0"
        )
        let agent = request.head.bytes(of: "user-agent")
        if !agent.isEmpty { line.member("user_agent.original", agent, bytesMax: 256) }
    }

    private func writeResponse(_ log: ResponseLog, to line: inout JSONLine) {
        if let model = log.model { line.member("model.name", model) }
        if let version = log.version { line.member("model.version", version) }
        if let rows = log.rows { line.member("batch.size", rows) }
        if let nanoseconds = log.queueNanoseconds {
            line.member("queue_s", nanosecondsAsSeconds: nanoseconds)
        }
        if let nanoseconds = log.inferNanoseconds {
            line.member("infer_s", nanosecondsAsSeconds: nanoseconds)
        }
        if let code = log.errorCode { line.member("error.type", code) }
    }
}
