/// The kinds of JSON values.
package enum JSONKind: String, Sendable {
    /// A value between `{` and `}`.
    case object
    /// A value between `[` and `]`.
    case array
    /// A quoted text.
    case string
    /// A number.
    case number
    /// `true` or `false`.
    case boolean
    /// `null`.
    case null

    /// The kind with its article, for error texts.
    package var phrase: String {
        switch self {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "a number"
        case .boolean: "a boolean"
        case .null: "null"
        }
    }
}

/// Reads one JSON text (RFC 8259, strictly; UTF-8 checked) in a single pass, by pulling.
///
/// No tree is built and numbers allocate nothing. The caller says what it wants next, and every
/// error names the path and the byte. Nothing is accepted that the RFC does not allow: no trailing
/// comma, no byte order mark, no `NaN`, no lone surrogate.
///
/// ```
/// try reader.beginObject()
/// while let key = try reader.nextKey() {
///     if reader.matches(key, "image") { … } else { try reader.skipValue() }
/// }
/// try reader.finish()
/// ```
///
/// The bytes are borrowed: the reader cannot outlive them, and the compiler sees to it.
package struct JSONReader: ~Copyable, ~Escapable {
    let bytes: Span<UInt8>
    /// The offset of the byte that is read next.
    package internal(set) var position = 0
    /// How many arrays and objects are open.
    package private(set) var depth = 0
    /// The deepest nesting that is read.
    package let depthMax: Int
    /// Bit `d` says that the container at depth `d + 1` is an object.
    private var objects: UInt64 = 0
    /// Bit `d` says that the container at depth `d + 1` has given an element or a key already.
    private var started: UInt64 = 0

    /// The longest number that is read, in bytes: no correct client comes near it.
    package static let numberBytesMax = 1024

    /// Begins to read.
    ///
    /// - Parameters:
    ///   - bytes: The whole text.
    ///   - depthMax: The deepest nesting allowed, 1 to 64 (other values are clamped).
    @_lifetime(copy bytes)
    package init(_ bytes: Span<UInt8>, depthMax: Int = 64) {
        self.bytes = bytes
        self.depthMax = min(max(depthMax, 1), 64)
    }

    /// The kind of the value that comes next; white space before it is passed over.
    ///
    /// - Throws: ``FeatureError/malformedJSON(_:problem:)`` when no value begins here.
    package mutating func peek() throws(FeatureError) -> JSONKind {
        guard let byte = skipWhitespace() else {
            throw malformed("the text ends where a value is expected")
        }
        switch byte {
        case UInt8(ascii: "{"): return .object
        case UInt8(ascii: "["): return .array
        case UInt8(ascii: "\""): return .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .boolean
        case UInt8(ascii: "n"): return .null
        case UInt8(ascii: "N"), UInt8(ascii: "I"):
            throw malformed("NaN and Infinity are no numbers of JSON; send a finite number")
        default: throw malformed("no value begins with this byte")
        }
    }

    /// Enters an object; ``nextKey()`` leaves it.
    package mutating func beginObject() throws(FeatureError) {
        try expect(.object, "an object")
        try push(isObject: true)
    }

    /// Enters an array; ``nextElement()`` leaves it.
    package mutating func beginArray() throws(FeatureError) {
        try expect(.array, "an array")
        try push(isObject: false)
    }

    /// The next key of the object entered last, or `nil` after its end.
    ///
    /// The caller reads or skips the value before it asks again.
    package mutating func nextKey() throws(FeatureError) -> JSONText? {
        if position + 1 < bytes.count, bytes[position] == UInt8(ascii: ","),
            bytes[position + 1] == UInt8(ascii: "\""), started & topBit != 0
        {
            // `,"`: most keys come like this.
            position += 1
        } else {
            guard try advance(closing: UInt8(ascii: "}"), in: "object") else { return nil }
            guard skipWhitespace() == UInt8(ascii: "\"") else {
                throw malformed("expected a key in double quotes")
            }
        }
        let key = try scanText()
        guard skipWhitespace() == UInt8(ascii: ":") else {
            throw malformed("expected a colon after the key")
        }
        position += 1
        return key
    }

    /// Whether the array entered last has another element; `false` leaves the array.
    package mutating func nextElement() throws(FeatureError) -> Bool {
        try advance(closing: UInt8(ascii: "]"), in: "array")
    }

    /// Reads `true` or `false`.
    package mutating func readBoolean() throws(FeatureError) -> Bool {
        try expect(.boolean, "true or false")
        if bytes[position] == UInt8(ascii: "t") {
            try readLiteral("true")
            return true
        }
        try readLiteral("false")
        return false
    }

    /// Reads `null`.
    package mutating func readNull() throws(FeatureError) {
        try expect(.null, "null")
        try readLiteral("null")
    }

    /// Reads past one value of any kind and checks that it is well formed.
    package mutating func skipValue() throws(FeatureError) {
        let outside = depth
        try skipScalarOrEnter()
        while depth > outside {
            let more =
                objects & topBit != 0 ? try nextKey() != nil : try nextElement()
            if more { try skipScalarOrEnter() }
        }
    }

    /// Checks that nothing but white space follows.
    package mutating func finish() throws(FeatureError) {
        guard skipWhitespace() == nil else { throw malformed("something follows the value") }
    }

    /// The bytes of a part of the text, such as a key's ``JSONText/range``.
    @_lifetime(copy self)
    package func span(_ range: Range<Int>) -> Span<UInt8> { bytes.extracting(range) }

    /// The place of a byte, for errors.
    package func place(_ byte: Int) -> JSONPlace { JSONPath.place(byte, in: bytes) }

    /// The place of the byte that is read next, for errors.
    package var place: JSONPlace { place(position) }

    // MARK: - Within the target

    /// A place to come back to; it is good only for the reader that gave it.
    struct Mark: Sendable {
        fileprivate let position: Int
        fileprivate let depth: Int
        fileprivate let objects: UInt64
        fileprivate let started: UInt64
    }

    /// Where the reader stands.
    var mark: Mark {
        Mark(position: position, depth: depth, objects: objects, started: started)
    }

    /// Goes to a place that was read or skipped before.
    mutating func go(to mark: Mark) {
        (position, depth) = (mark.position, mark.depth)
        (objects, started) = (mark.objects, mark.started)
    }

    /// An error about the syntax at the current byte.
    func malformed(_ problem: String) -> FeatureError { .malformedJSON(place, problem: problem) }

    /// Checks that the next value is of a kind, and stands before it.
    mutating func expect(_ kind: JSONKind, _ phrase: String) throws(FeatureError) {
        let found = try peek()
        guard found == kind else {
            throw .wrongType(place, expected: phrase, found: found.phrase)
        }
    }

    /// Passes over white space; the byte that follows it, or `nil` at the end.
    @discardableResult
    @inline(__always)
    mutating func skipWhitespace() -> UInt8? {
        while position < bytes.count {
            let byte = bytes[position]
            if byte > 0x20 { return byte }
            guard byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            position += 1
        }
        return nil
    }

    /// Leaves the container entered last; the closing byte has been read.
    mutating func pop() { depth -= 1 }

    // MARK: - Private

    private var topBit: UInt64 { 1 &<< UInt64(truncatingIfNeeded: depth - 1) }

    private mutating func push(isObject: Bool) throws(FeatureError) {
        guard depth < depthMax else { throw .tooDeep(place, depthMax: depthMax) }
        position += 1
        depth += 1
        objects = isObject ? objects | topBit : objects & ~topBit
        started &= ~topBit
    }

    /// Reads the comma before the next element, or the end.
    private mutating func advance(
        closing: UInt8,
        in container: String
    ) throws(FeatureError) -> Bool {
        let byte = skipWhitespace()
        if byte == closing {
            position += 1
            pop()
            return false
        }
        guard started & topBit != 0 else {
            started |= topBit
            return true
        }
        guard byte == UInt8(ascii: ",") else {
            throw malformed(
                byte == nil
                    ? "the text ends inside an \(container)"
                    : "expected a comma or the end of the \(container)"
            )
        }
        position += 1
        return true
    }

    private mutating func skipScalarOrEnter() throws(FeatureError) {
        switch try peek() {
        case .object: try beginObject()
        case .array: try beginArray()
        case .string: _ = try scanText()
        case .number: _ = try scanNumber()
        case .boolean: _ = try readBoolean()
        case .null: try readNull()
        }
    }

    private mutating func readLiteral(_ word: String) throws(FeatureError) {
        let end = position + word.utf8.count
        guard end <= bytes.count, bytes.extracting(position..<end).equals(word) else {
            throw malformed("expected \(word)")
        }
        position = end
    }
}
