/// How long the phases of answering a request took, in nanoseconds; 0 for a phase that was not there.
package struct PhaseTimes: Sendable, Equatable {
    /// From the complete head to the complete body.
    package var read: UInt64 = 0
    /// Decoding the body.
    package var parse: UInt64 = 0
    /// Waiting for its turn.
    package var queue: UInt64 = 0
    /// The model's own work.
    package var compute: UInt64 = 0
    /// Counting for the drift monitor.
    package var monitor: UInt64 = 0
    /// Writing the answer's text.
    package var serialise: UInt64 = 0

    /// No phases.
    package init() {}

    /// The phases in their order, without those that were not there.
    var all: [(name: String, nanoseconds: UInt64)] {
        [
            ("read", read), ("parse", parse), ("queue", queue), ("compute", compute),
            ("monitor", monitor), ("serialise", serialise),
        ].filter { $0.1 > 0 }
    }
}

/// What is kept of a request that is traced, until the exporter makes spans of it.
package struct RequestTrace: Sendable {
    /// The trace and the caller's span in it.
    package let context: TraceContext
    /// Whether the caller's span is real, and not made up for want of one.
    package let hasParent: Bool
    /// The request's own span.
    package let span: UInt64
    /// When the head was complete, in nanoseconds since the epoch.
    package let start: UInt64
    /// How long it took.
    package let nanoseconds: UInt64
    /// The phases of it.
    package let phases: PhaseTimes
    /// The method.
    package let method: String
    /// The route's label.
    package let route: String
    /// The status of the answer.
    package let status: Int
    /// The code of the error, when it was one.
    package let errorCode: String?
    /// The model that answered.
    package let model: String?
    /// Its version.
    package let version: String?

    /// Takes the facts.
    package init(
        context: TraceContext,
        hasParent: Bool,
        span: UInt64,
        start: UInt64,
        nanoseconds: UInt64,
        phases: PhaseTimes,
        method: String,
        route: String,
        status: Int,
        errorCode: String?,
        model: String?,
        version: String?
    ) {
        self.context = context
        self.hasParent = hasParent
        self.span = span
        self.start = start
        self.nanoseconds = nanoseconds
        self.phases = phases
        self.method = method
        self.route = route
        self.status = status
        self.errorCode = errorCode
        self.model = model
        self.version = version
    }

    /// The request's span, and one for each phase.
    ///
    /// The first phase begins with the request; the others follow each other and end with it, so
    /// that what lies between is seen, too.
    package var spans: [TraceSpan] {
        var attributes: [(key: String, value: TraceSpan.Value)] = [
            ("http.request.method", .text(method)), ("http.route", .text(route)),
            ("http.response.status_code", .integer(Int64(status))),
        ]
        if let errorCode { attributes.append(("error.type", .text(errorCode))) }
        if let model { attributes.append(("leeway.model.name", .text(model))) }
        if let version { attributes.append(("leeway.model.version", .text(version))) }
        var spans = [
            TraceSpan(
                trace: context.traceIdentifier,
                span: span,
                parent: hasParent ? context.parentIdentifier : 0,
                name: "\(method) \(route)",
                kind: .server,
                start: start,
                end: start &+ nanoseconds,
                attributes: attributes,
                isError: status >= 500
            )
        ]
        let phases = phases.all
        let own = phases.reduce(UInt64(0)) { $0 &+ ($1.name == "read" ? 0 : $1.nanoseconds) }
        var time = start
        var wasRead = false
        for (index, phase) in phases.enumerated() {
            if !wasRead, phase.name != "read" {
                wasRead = true
                time = max(time, start &+ nanoseconds &- min(own, nanoseconds))
            }
            spans.append(
                TraceSpan(
                    trace: context.traceIdentifier,
                    // Numbers need only differ within the trace.
                    span: span ^ UInt64(index + 1) &* 0x9e37_79b9_7f4a_7c15 | 1,
                    parent: span,
                    name: phase.name,
                    start: time,
                    end: time &+ phase.nanoseconds
                )
            )
            time &+= phase.nanoseconds
        }
        return spans
    }
}
