internal import Logging
internal import NIOCore
internal import Telemetry

/// The line of one event loop's access log, with the parts that many requests have in common.
struct AccessLine {
    /// The line that is being written.
    var json = JSONLine()
    private var kinds: [LogRecordKind?] = [nil, nil]
    private var listener: RenderedMembers?
    /// Method and route, by their places.
    private var routes: [RenderedMembers?] = []

    /// Begins a line: what every record has, and what concerns the request.
    mutating func begin(
        _ names: LogFieldNames,
        _ record: RequestRecord,
        routeLabel: String,
        time: WallTime
    ) {
        prepare(names, record, routeLabel)
        json.reset()
        let failed = record.status.rawValue >= 500
        if let kind = kinds[failed ? 1 : 0] {
            json.beginRecord(
                kind,
                time: time,
                trace: record.request?.trace,
                span: record.request?.span
            )
        }
        if let listener { json.members(listener) }
        switch record.name {
        case .made(let identifier): json.member("request_id", identifier)
        case .given(let bytes): json.member("request_id", bytes.readableBytesUInt8Span)
        }
        if let route = routes[place(record)] { json.members(route) }
    }

    private func place(_ record: RequestRecord) -> Int {
        Int(record.route.index) * HTTPMethod.allCases.count + Int(record.method.rawValue)
    }

    /// Writes out what this is the first request to need.
    private mutating func prepare(
        _ names: LogFieldNames,
        _ record: RequestRecord,
        _ routeLabel: String
    ) {
        let failed = record.status.rawValue >= 500
        if kinds[failed ? 1 : 0] == nil {
            kinds[failed ? 1 : 0] = LogRecordKind(
                names,
                level: failed ? .error : .info,
                body: "request",
                scope: "leeway.access"
            )
        }
        if listener == nil {
            let name = record.connection.listener
            listener = RenderedMembers { $0.member("listener", name) }
        }
        let place = place(record)
        while routes.count <= place { routes.append(nil) }
        guard routes[place] == nil else { return }
        let method = record.method.label
        routes[place] = RenderedMembers { line in
            line.member("http.request.method", method)
            line.member("http.route", routeLabel)
        }
    }
}
