/// Where one field of a head stands, as offsets from the head's first byte.
///
/// 16 bits suffice: `TransportLimits.headerBytesMax` is at most 65,535.
struct FieldPlace {
    let nameStart: UInt16
    let nameEnd: UInt16
    let valueStart: UInt16
    let valueEnd: UInt16

    init(name: Range<Int>, value: Range<Int>) {
        nameStart = UInt16(truncatingIfNeeded: name.lowerBound)
        nameEnd = UInt16(truncatingIfNeeded: name.upperBound)
        valueStart = UInt16(truncatingIfNeeded: value.lowerBound)
        valueEnd = UInt16(truncatingIfNeeded: value.upperBound)
    }

    var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
    var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
}

/// The coding of a request's content, as its `Content-Encoding` says.
package enum ContentCoding: UInt8, Sendable {
    case identity, gzip, deflate
    /// A coding, or a list of codings, that is not understood; answered with 415.
    case unknown
}

/// What a request's `Expect` asks for.
enum Expectation {
    case none, continueFirst, unknown
}

/// What the parser learns from a head while it reads it, beyond where the fields stand.
struct HeadFacts {
    var method = HTTPMethod.other
    var methodRange = 0..<0
    var path = 0..<0
    /// Without the question mark; empty also when there is none.
    var query = 0..<0
    var minorVersion = 1
    var hostCount = 0
    var contentLength: Int?
    var transferCodingCount = 0
    var isChunked = false
    var asksToClose = false
    var expectation = Expectation.none
    var contentCoding = ContentCoding.identity
    var traceparentCount = 0
    var traceparent = 0..<0
    var identifierCount = 0
    var identifier = 0..<0
}
