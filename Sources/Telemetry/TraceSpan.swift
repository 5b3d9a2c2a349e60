/// One span of a trace, as a collector is told of it.
package struct TraceSpan: Sendable, Equatable {
    /// What the span is to its peer, with OpenTelemetry's numbers.
    package enum Kind: UInt64, Sendable {
        case `internal` = 1
        case server = 2
    }

    /// A value of an attribute.
    package enum Value: Sendable, Equatable {
        case text(String)
        case integer(Int64)
        case number(Double)
    }

    /// The number of the trace.
    package let trace: UInt128
    /// The number of the span.
    package let span: UInt64
    /// The number of the span that this one is part of; 0 for none.
    package let parent: UInt64
    /// What was done, one of few names.
    package let name: String
    /// What it is to its peer.
    package let kind: Kind
    /// When it began, in nanoseconds since the epoch.
    package let start: UInt64
    /// When it ended.
    package let end: UInt64
    /// Facts, under the names of the semantic conventions.
    package var attributes: [(key: String, value: Value)]
    /// Whether it failed.
    package let isError: Bool

    /// Makes a span.
    package init(
        trace: UInt128,
        span: UInt64,
        parent: UInt64,
        name: String,
        kind: Kind = .internal,
        start: UInt64,
        end: UInt64,
        attributes: [(key: String, value: Value)] = [],
        isError: Bool = false
    ) {
        self.trace = trace
        self.span = span
        self.parent = parent
        self.name = name
        self.kind = kind
        self.start = start
        self.end = max(start, end)
        self.attributes = attributes
        self.isError = isError
    }

    /// Compares all that is told.
    package static func == (left: TraceSpan, right: TraceSpan) -> Bool {
        left.trace == right.trace && left.span == right.span && left.parent == right.parent
            && left.name == right.name && left.kind == right.kind && left.start == right.start
            && left.end == right.end && left.isError == right.isError
            && left.attributes.elementsEqual(right.attributes) {
                $0.key == $1.key && $0.value == $1.value
            }
    }
}

/// Writes spans as `opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest`.
package enum OTLPTraces {
    /// The value of `Content-Type` for the message.
    package static let contentType = "application/x-protobuf"

    /// Makes the message.
    ///
    /// - Parameters:
    ///   - spans: What is told.
    ///   - service: The name of the service.
    ///   - version: Its version.
    ///   - instance: What tells replicas of it apart.
    /// - Returns: The bytes of the message.
    package static func message(
        _ spans: [TraceSpan],
        service: String,
        version: String,
        instance: String
    ) -> [UInt8] {
        var message = ProtobufMessage()
        message.add(1) { resourceSpans in
            resourceSpans.add(1) { resource in
                for (key, value) in [
                    ("service.name", service), ("service.version", version),
                    ("service.instance.id", instance),
                ] {
                    write(key, .text(value), 1, &resource)
                }
            }
            resourceSpans.add(2) { scopeSpans in
                scopeSpans.add(1) { scope in
                    scope.add(1, "leeway")
                    scope.add(2, version)
                }
                for span in spans { scopeSpans.add(2) { write(span, &$0) } }
            }
        }
        return message.bytes
    }

    private static func write(_ span: TraceSpan, _ message: inout ProtobufMessage) {
        let high = UInt64(truncatingIfNeeded: span.trace >> 64)
        message.add(1, bytes(high) + bytes(UInt64(truncatingIfNeeded: span.trace)))
        message.add(2, bytes(span.span))
        if span.parent != 0 { message.add(4, bytes(span.parent)) }
        message.add(5, span.name)
        message.add(6, span.kind.rawValue)
        message.add(7, fixed64: span.start)
        message.add(8, fixed64: span.end)
        for (key, value) in span.attributes { write(key, value, 9, &message) }
        message.add(15) { status in
            // 2 says that it failed; whether it went well is for others to judge.
            if span.isError { status.add(3, UInt64(2)) }
        }
    }

    private static func write(
        _ key: String,
        _ value: TraceSpan.Value,
        _ field: Int,
        _ message: inout ProtobufMessage
    ) {
        message.add(field) { pair in
            pair.add(1, key)
            pair.add(2) { any in
                switch value {
                case .text(let text): any.add(1, text, always: true)
                case .integer(let integer): any.add(3, integer, always: true)
                case .number(let number): any.add(4, number, always: true)
                }
            }
        }
    }

    /// Eight bytes, the most significant first.
    private static func bytes(_ value: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(56 - 8 * $0)) }
    }
}
