/// Where one field of a head stands, as offsets from the head's first byte.
///
/// 16 bits suffice: `TransportLimits.headerBytesMax` is at most 65,535.
struct FieldPlace: Sendable {
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

/// Where the fields of a head stand; the first few need no memory of their own.
struct FieldPlaces: Sendable {
    private static let nearMax = 12

    private(set) var count = 0
    private var near = InlineArray<12, FieldPlace>(repeating: FieldPlace(name: 0..<0, value: 0..<0))
    private var far: [FieldPlace] = []

    /// The place of a field by its number from 0, which must be below ``count``.
    subscript(index: Int) -> FieldPlace {
        index < Self.nearMax ? near[index] : far[index - Self.nearMax]
    }

    /// The value of the first field of a name, or `nil`.
    ///
    /// - Parameters:
    ///   - name: lower-case ASCII.
    ///   - bytes: of the head.
    /// - Returns: where it stands.
    func value(of name: StaticString, in bytes: Span<UInt8>) -> Range<Int>? {
        for index in 0..<count where bytes.equalsIgnoringCase(name, in: self[index].name) {
            return self[index].value
        }
        return nil
    }

    /// How many fields have a name.
    func count(of name: StaticString, in bytes: Span<UInt8>) -> Int {
        var found = 0
        for index in 0..<count where bytes.equalsIgnoringCase(name, in: self[index].name) {
            found += 1
        }
        return found
    }

    /// Adds the next field's place.
    mutating func append(_ place: FieldPlace) {
        if count < Self.nearMax { near[count] = place } else { far.append(place) }
        count += 1
    }
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

/// All that the parser learns from a head, as an object: a request is handed on a dozen times, and
/// copying half a kilobyte each time shows.
final class HeadLayout: Sendable {
    let facts: HeadFacts
    let fields: FieldPlaces

    init(_ facts: HeadFacts, _ fields: FieldPlaces) {
        self.facts = facts
        self.fields = fields
    }
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
    /// The media type of the first `Content-Type`, without parameters; `nil` when there is none.
    var mediaType: Range<Int>?
}
