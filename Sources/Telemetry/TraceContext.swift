/// Where a request stands in a distributed trace: W3C Trace Context, Level 2.
///
/// What a client sends is read byte by byte, without an operation that could trap, and whatever
/// breaks the format is ignored as the recommendation says: the caller then begins a new trace.
package struct TraceContext: Sendable, Equatable {
    /// The 128-bit number of the whole trace, never zero.
    package let traceIdentifier: UInt128
    /// The 64-bit number of the span that called, never zero.
    package let parentIdentifier: UInt64
    /// Whether the caller keeps this trace; untrusted, so limit what it costs.
    package let sampled: Bool

    /// Bytes of a `traceparent` of version 00.
    package static let textBytes = 55

    /// Wraps the parts; nil when an identifier is zero, which the recommendation forbids.
    package init?(traceIdentifier: UInt128, parentIdentifier: UInt64, sampled: Bool) {
        guard traceIdentifier != 0, parentIdentifier != 0 else { return nil }
        self.traceIdentifier = traceIdentifier
        self.parentIdentifier = parentIdentifier
        self.sampled = sampled
    }

    /// Begins a new trace with a random number.
    package init(generatedBy source: inout RequestIdentifierSource, sampled: Bool) {
        let random = source.next()
        // The source never gives zero in the lower half, nor as a span.
        traceIdentifier = UInt128(random.high) << 64 | UInt128(random.low)
        parentIdentifier = source.nextSpan()
        self.sampled = sampled
    }

    /// Reads the value of one `traceparent` field.
    ///
    /// A higher version than 00 is read like 00 when it goes on after a `-`. Two fields of the
    /// name are the caller's to refuse.
    ///
    /// - Returns: nil for everything that is not a valid `traceparent`.
    package static func parse(_ bytes: Span<UInt8>) -> TraceContext? {
        let dash = UInt8(ascii: "-")
        guard bytes.count >= textBytes,
            bytes[2] == dash, bytes[35] == dash, bytes[52] == dash,
            let version = hexadecimalValue(bytes, 0..<2), version != 0xff,
            version == 0 ? bytes.count == textBytes : true,
            bytes.count == textBytes || bytes[textBytes] == dash,
            let high = hexadecimalValue(bytes, 3..<19),
            let low = hexadecimalValue(bytes, 19..<35),
            let parent = hexadecimalValue(bytes, 36..<52),
            let flags = hexadecimalValue(bytes, 53..<55)
        else { return nil }
        return TraceContext(
            traceIdentifier: UInt128(high) << 64 | UInt128(low),
            parentIdentifier: parent,
            sampled: flags & 1 == 1
        )
    }

    /// The same trace as seen by a service that this process calls.
    package func calling(span: UInt64) -> TraceContext {
        TraceContext(
            traceIdentifier: traceIdentifier,
            parentIdentifier: span == 0 ? 1 : span,
            sampled: sampled
        ) ?? self
    }

    /// The trace's number in the form of an identifier.
    package var identifier: RequestIdentifier {
        RequestIdentifier(
            high: UInt64(truncatingIfNeeded: traceIdentifier >> 64),
            low: UInt64(truncatingIfNeeded: traceIdentifier)
        )
    }

    /// The text of a `traceparent` field of version 00.
    package var text: String {
        var text: [UInt8] = []
        text.append("00-")
        appendTrace(to: &text)
        text.append("-")
        appendParent(to: &text)
        text.append(sampled ? "-01" : "-00")
        return String(decoding: text, as: UTF8.self)
    }

    /// Appends the 32 hexadecimal digits of the trace.
    package func appendTrace(to bytes: inout [UInt8]) {
        bytes.append(hexadecimal: UInt64(truncatingIfNeeded: traceIdentifier >> 64))
        bytes.append(hexadecimal: UInt64(truncatingIfNeeded: traceIdentifier))
    }

    /// Appends the 16 hexadecimal digits of the calling span.
    package func appendParent(to bytes: inout [UInt8]) {
        bytes.append(hexadecimal: parentIdentifier)
    }
}
