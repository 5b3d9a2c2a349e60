/// Builds one JSON object on one line, valid for whatever bytes it is given.
///
/// Text is escaped and repaired, containers close themselves, and the line never passes
/// ``bytesMax``: a text that does not fit is cut, another value is left out, and the line then
/// ends with `"truncated":true`. Whoever writes many lines keeps one value and calls ``reset()``,
/// which keeps its memory.
package struct JSONLine: Sendable {
    /// The most bytes of a line, with its line feed.
    package static let bytesMax = 8192
    /// The most containers within each other, the line's own object included.
    package static let depthMax = 16

    /// What stands at the end of a line that was cut.
    private static let mark: StaticString = "\"truncated\":true"
    /// Beyond the limit there is room for a member that is then taken back.
    private var line = LineBuffer(capacity: bytesMax + 256)
    /// Containers that are open; 0 after ``finish()``.
    private var depth = 1
    /// Bit `n` says that the container at depth `n` is an array.
    private var arrays: UInt32 = 0
    /// Containers that were begun but left out for want of room.
    private var skipped = 0
    private var truncated = false

    /// Begins an object.
    package init() {
        line.edit { $0.write(UInt8(ascii: "{")) }
    }

    /// Begins another object in the same memory.
    package mutating func reset() {
        line.truncate(to: 1)
        depth = 1
        arrays = 0
        skipped = 0
        truncated = false
    }

    /// Closes what is open and ends the line; further members are ignored.
    ///
    /// May be called again.
    package mutating func finish() {
        guard depth > 0 else { return }
        skipped = 0
        while depth > 1 { close() }
        let needsComma = needsComma
        let truncated = truncated
        line.edit { writer in
            if truncated {
                if needsComma { writer.write(UInt8(ascii: ",")) }
                writer.write(Self.mark)
            }
            writer.write("}\n")
        }
        depth = 0
    }

    /// The finished line, its line feed included; before ``finish()`` what there is so far.
    package var span: Span<UInt8> {
        @_lifetime(borrow self)
        get { line.span }
    }

    /// The line as text, for tests.
    package var text: String { line.text }

    // MARK: Members

    /// Adds a text.
    ///
    /// - Parameters:
    ///   - name: The member's name; a second use of a name is not noticed.
    ///   - value: The text.
    ///   - bytesMax: How much of the text is taken, at most.
    package mutating func member(_ name: StaticString, _ value: String, bytesMax: Int = .max) {
        member(name, value.utf8.span, bytesMax: bytesMax)
    }

    /// Adds a text given as bytes of any kind.
    package mutating func member(
        _ name: StaticString,
        _ value: Span<UInt8>,
        bytesMax: Int = .max
    ) {
        let limit = limit
        add(name) { writer in
            Self.write(value.extracting(first: max(bytesMax, 0)), limit: limit, &writer)
        }
    }

    /// Adds a constant text.
    package mutating func member(_ name: StaticString, constant value: StaticString) {
        let limit = limit
        add(name) { writer in
            // Bounds: the buffer is exactly the constant's bytes.
            value.withUTF8Buffer { unsafe Self.write($0.span, limit: limit, &writer) }
        }
    }

    /// Adds an integer.
    package mutating func member(_ name: StaticString, _ value: Int) {
        add(name) { writer in
            writer.write(decimal: value)
            return true
        }
    }

    /// Adds an integer without a sign.
    package mutating func member(_ name: StaticString, _ value: UInt64) {
        add(name) { writer in
            writer.write(decimal: value)
            return true
        }
    }

    /// Adds a floating-point number; what JSON cannot say is `"NaN"`, `"Infinity"`, `"-Infinity"`.
    package mutating func member(_ name: StaticString, _ value: Double) {
        guard value.isFinite else {
            let word: StaticString =
                value.isNaN ? "NaN" : value > 0 ? "Infinity" : "-Infinity"
            return member(name, constant: word)
        }
        add(name) { writer in
            writer.write(value.description.utf8.span)
            return true
        }
    }

    /// Adds a truth value.
    package mutating func member(_ name: StaticString, _ value: Bool) {
        add(name) { writer in
            writer.write(value ? "true" : "false")
            return true
        }
    }

    /// Adds a duration in seconds, exact and without floating point.
    package mutating func member(_ name: StaticString, nanosecondsAsSeconds value: UInt64) {
        add(name) { writer in
            writer.write(decimal: value, fractionDigits: 9)
            return true
        }
    }

    /// Adds a moment as RFC 3339 text.
    package mutating func member(_ name: StaticString, _ value: WallTime) {
        add(name) { writer in
            writer.write(UInt8(ascii: "\""))
            value.write(to: &writer)
            writer.write(UInt8(ascii: "\""))
            return true
        }
    }

    /// Adds an identifier as 32 hexadecimal digits.
    package mutating func member(_ name: StaticString, _ value: RequestIdentifier) {
        add(name) { writer in
            writer.write(UInt8(ascii: "\""))
            writer.write(hexadecimal: value.high)
            writer.write(hexadecimal: value.low)
            writer.write(UInt8(ascii: "\""))
            return true
        }
    }

    /// Adds 64 bits as 16 hexadecimal digits.
    package mutating func member(_ name: StaticString, hexadecimal value: UInt64) {
        add(name) { writer in
            writer.write(UInt8(ascii: "\""))
            writer.write(hexadecimal: value)
            writer.write(UInt8(ascii: "\""))
            return true
        }
    }

    /// Adds a text under a name that is only known at run time.
    package mutating func member(key: String, _ value: String) {
        let limit = limit
        add(key: key) { writer in Self.write(value.utf8.span, limit: limit, &writer) }
    }

    /// Adds a text to the array that is open.
    package mutating func element(_ value: String) {
        guard depth > 0, skipped == 0, isInArray else { return }
        let start = line.count
        let limit = limit
        let separate = needsComma
        let complete = line.edit { writer in
            if separate { writer.write(UInt8(ascii: ",")) }
            return Self.write(value.utf8.span, limit: limit, &writer)
        }
        end(from: start, complete)
    }

    /// Adds members that were written out before.
    package mutating func members(_ rendered: borrowing RenderedMembers) {
        guard isMemberAllowed, !rendered.bytes.isEmpty else { return }
        let start = line.count
        let separate = needsComma
        line.edit { writer in
            if separate { writer.write(UInt8(ascii: ",")) }
            writer.write(rendered.bytes.span)
        }
        end(from: start, true)
    }

    // MARK: Containers

    /// Begins an object within this one; ``endObject()`` ends it.
    package mutating func beginObject(_ name: StaticString) {
        let start = line.count
        add(name) { writer in
            writer.write(UInt8(ascii: "{"))
            return true
        }
        open(array: false, from: start)
    }

    /// Begins an object under a name that is only known at run time.
    package mutating func beginObject(key: String) {
        begin(key: key, array: false)
    }

    /// Begins an array under a name that is only known at run time; ``endArray()`` ends it.
    package mutating func beginArray(key: String) {
        begin(key: key, array: true)
    }

    private mutating func begin(key: String, array: Bool) {
        let start = line.count
        add(key: key) { writer in
            writer.write(UInt8(ascii: array ? "[" : "{"))
            return true
        }
        open(array: array, from: start)
    }

    /// Ends the innermost object; without one, nothing happens.
    package mutating func endObject() { close() }

    /// Ends the innermost array; without one, nothing happens.
    package mutating func endArray() { close() }

    // MARK: Parts

    private var isInArray: Bool { arrays >> UInt32(depth) & 1 == 1 }

    private var isMemberAllowed: Bool { depth > 0 && skipped == 0 && !isInArray }

    /// Bytes that may be filled so that the mark with its comma, the closing brackets and the line feed fit.
    private var limit: Int { Self.bytesMax - Self.mark.utf8CodeUnitCount - depth - 2 }

    /// Adds a member whose value is written by a closure, or leaves it out for want of room.
    @inline(__always)
    private mutating func add(_ name: StaticString, _ value: (inout LineWriter) -> Bool) {
        guard isMemberAllowed else { return }
        let start = line.count
        let separate = needsComma
        let complete = line.edit { writer in
            Self.write(name, separate, &writer)
            return value(&writer)
        }
        end(from: start, complete)
    }

    /// As `add(_:_:)`, under a name that is only known at run time.
    private mutating func add(key: String, _ value: (inout LineWriter) -> Bool) {
        guard isMemberAllowed else { return }
        let start = line.count
        let separate = needsComma
        let limit = limit
        let (fits, complete) = line.edit { writer in
            if separate { writer.write(UInt8(ascii: ",")) }
            writer.write(UInt8(ascii: "\""))
            guard writer.write(escaping: key.utf8.span, limit: limit) else { return (false, false) }
            writer.write("\":")
            return (true, value(&writer))
        }
        if fits { end(from: start, complete) } else { takeBack(start) }
    }

    @inline(__always)
    private static func write(
        _ name: StaticString,
        _ separate: Bool,
        _ writer: inout LineWriter
    ) {
        // A name is a literal of the program, which has nothing to escape.
        writer.write(name: name, separate: separate)
    }

    /// Writes a text with its quotes; false when it was cut.
    @inline(__always)
    private static func write(
        _ text: Span<UInt8>,
        limit: Int,
        _ writer: inout LineWriter
    ) -> Bool {
        writer.write(UInt8(ascii: "\""))
        let complete = writer.write(escaping: text, limit: limit - 1)
        writer.write(UInt8(ascii: "\""))
        return complete
    }

    private var needsComma: Bool {
        let last = line.last
        return last != UInt8(ascii: "{") && last != UInt8(ascii: "[")
    }

    /// Takes a member back that passed the limit, and notes one that was cut.
    private mutating func end(from start: Int, _ complete: Bool) {
        if line.count > limit {
            takeBack(start)
        } else if !complete {
            truncated = true
        }
    }

    private mutating func takeBack(_ start: Int) {
        line.truncate(to: start)
        truncated = true
    }

    private mutating func open(array: Bool, from start: Int) {
        // `start` is where the member begins; without progress it had no room.
        guard line.count > start, depth < Self.depthMax, line.count < limit else {
            line.truncate(to: start)
            return skip()
        }
        depth += 1
        arrays = arrays & ~(1 << UInt32(depth)) | (array ? 1 << UInt32(depth) : 0)
    }

    private mutating func skip() {
        guard depth > 0 else { return }
        skipped += 1
        truncated = true
    }

    private mutating func close() {
        if skipped > 0 {
            skipped -= 1
        } else if depth > 1 {
            let bracket = UInt8(ascii: isInArray ? "]" : "}")
            line.edit { $0.write(bracket) }
            depth -= 1
        }
    }
}
