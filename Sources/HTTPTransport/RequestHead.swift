internal import NIOCore

/// The head of one request: the bytes as they came, and where its parts stand in them.
///
/// No text is made until it is asked for; the compares against literals make none at all.
package struct HTTPRequestHead: Sendable {
    /// The head from the method's first byte to the empty line; every offset counts from here.
    let bytes: ByteBuffer
    private let layout: HeadLayout

    init(bytes: ByteBuffer, facts: HeadFacts, fields: FieldPlaces) {
        self.bytes = bytes
        layout = HeadLayout(facts, fields)
    }

    var facts: HeadFacts { layout.facts }
    var fields: FieldPlaces { layout.fields }

    /// The method.
    package var method: HTTPMethod { facts.method }

    /// The method as the client wrote it; a token of at most 32 characters.
    package var methodText: String { text(facts.methodRange) }

    /// The minor version of HTTP/1: 0 or 1.
    package var minorVersion: Int { facts.minorVersion }

    /// The path as the client wrote it (percent-encoding kept), or `*` for `OPTIONS *`.
    package var path: String { text(facts.path) }

    /// The bytes of ``path``.
    package var pathBytes: Span<UInt8> {
        @_lifetime(borrow self)
        borrowing get {
            bytes.readableBytesUInt8Span.extracting(facts.path)
        }
    }

    /// Whether the path is exactly this text.
    package func pathIs(_ path: StaticString) -> Bool {
        bytes.readableBytesUInt8Span.equals(path, in: facts.path)
    }

    /// Whether a part of the path, percent-decoded, is this text; makes no text itself.
    ///
    /// - Parameters:
    ///   - range: within ``pathBytes``.
    ///   - text: what it is compared with.
    /// - Returns: `false` also for a percent sign that encodes nothing.
    package func pathPart(_ range: Range<Int>, is text: String) -> Bool {
        let (bytes, text) = (pathBytes, text.utf8Span.span)
        var index = range.lowerBound
        for expected in text.indices {
            guard index < range.upperBound,
                let byte = bytes.percentDecoded(&index, range.upperBound)
            else { return false }
            guard byte == text[expected] else { return false }
        }
        return index == range.upperBound
    }

    /// A part of the path as text, percent-decoded; repaired where it is not UTF-8.
    package func pathText(_ range: Range<Int>) -> String {
        let bytes = pathBytes
        var result: [UInt8] = []
        var index = range.lowerBound
        while index < range.upperBound {
            let start = index
            result.append(bytes.percentDecoded(&index, range.upperBound) ?? bytes[start])
            if index == start { index += 1 }
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Whether the path begins with this text.
    package func pathHasPrefix(_ prefix: StaticString) -> Bool {
        prefix.utf8CodeUnitCount <= facts.path.count
            && bytes.readableBytesUInt8Span.hasPrefix(prefix, at: facts.path.lowerBound)
    }

    /// The value of the query's first parameter of this name, percent-decoded, `+` read as a space.
    ///
    /// - Parameter name: ASCII that needs no encoding.
    /// - Returns: `nil` when there is no such parameter, or when its value is not UTF-8.
    package func queryValue(_ name: StaticString) -> String? {
        let span = bytes.readableBytesUInt8Span
        var start = facts.query.lowerBound
        while start < facts.query.upperBound {
            var end = start
            while end < facts.query.upperBound, span[end] != 0x26 { end += 1 }
            var nameEnd = start
            while nameEnd < end, span[nameEnd] != ByteClass.equals { nameEnd += 1 }
            if span.equals(name, in: start..<nameEnd) {
                return decoded(min(nameEnd + 1, end)..<end)
            }
            start = end + 1
        }
        return nil
    }

    /// Whether the target has a query, even an empty one's parameters.
    package var hasQuery: Bool { !facts.query.isEmpty }

    /// The number of header fields.
    package var fieldCount: Int { fields.count }

    /// How many fields have this name.
    ///
    /// - Parameter name: lower-case ASCII.
    /// - Returns: 0 when there is none.
    package func count(of name: StaticString) -> Int {
        layout.fields.count(of: name, in: bytes.readableBytesUInt8Span)
    }

    /// The value of the first field of this name, or `nil`; bytes that are not UTF-8 are repaired.
    ///
    /// - Parameter name: lower-case ASCII.
    /// - Returns: the value without the blanks around it.
    package func value(of name: StaticString) -> String? {
        place(of: name).map { text($0) }
    }

    /// The value of the first field of this name as raw bytes, lent to a closure.
    ///
    /// - Parameters:
    ///   - name: lower-case ASCII.
    ///   - body: gets an empty span when there is no such field.
    /// - Returns: what the closure returns.
    /// - Throws: what the closure throws.
    package func withValue<Result, Failure: Error>(
        of name: StaticString,
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(bytes.readableBytesUInt8Span.extracting(place(of: name) ?? 0..<0))
    }

    /// The value of the first field of this name as raw bytes.
    ///
    /// - Parameter name: lower-case ASCII.
    /// - Returns: empty when there is no such field.
    @_lifetime(borrow self)
    package borrowing func bytes(of name: StaticString) -> Span<UInt8> {
        bytes.readableBytesUInt8Span.extracting(place(of: name) ?? 0..<0)
    }

    /// The same for a name that is known only while the program runs.
    ///
    /// - Parameters:
    ///   - name: Lower-case ASCII.
    ///   - body: Gets an empty span when there is no such field.
    /// - Returns: What the closure returns.
    package func withValue<Result>(
        ofField name: Span<UInt8>,
        _ body: (Span<UInt8>) -> Result
    ) -> Result {
        let span = bytes.readableBytesUInt8Span
        for index in 0..<fields.count where span.spells(name, in: fields[index].name) {
            return body(span.extracting(fields[index].value))
        }
        return body(span.extracting(0..<0))
    }

    /// Whether there is exactly one field of this name and its value is the text, without case.
    ///
    /// - Parameters:
    ///   - name: lower-case ASCII.
    ///   - value: lower-case ASCII.
    /// - Returns: `false` also when the field is there more than once.
    package func field(_ name: StaticString, is value: StaticString) -> Bool {
        guard count(of: name) == 1, let place = place(of: name) else { return false }
        return bytes.readableBytesUInt8Span.equalsIgnoringCase(value, in: place)
    }

    /// Whether `Content-Type` names this media type; parameters after `;` are not looked at.
    ///
    /// - Parameter mediaType: lower-case ASCII such as `application/json`.
    /// - Returns: `false` also when there is no such field.
    package func contentTypeIs(_ mediaType: StaticString) -> Bool {
        guard let place = facts.mediaType else { return false }
        return bytes.readableBytesUInt8Span.equalsIgnoringCase(mediaType, in: place)
    }

    /// Whether there is a `Content-Type`.
    package var hasContentType: Bool { facts.mediaType != nil }

    /// The body's length on the wire, or `nil` when there is no body or it comes in chunks.
    package var contentLength: Int? { facts.contentLength }

    /// Whether the body comes in chunks, so that its length is not known yet.
    package var isChunked: Bool { facts.isChunked }

    /// Whether a body follows, be it an empty one in chunks.
    package var hasBody: Bool { facts.isChunked || (facts.contentLength ?? 0) > 0 }

    /// The coding of the body; what a responder gets is decoded already.
    package var contentCoding: ContentCoding { facts.contentCoding }

    private func place(of name: StaticString) -> Range<Int>? {
        layout.fields.value(of: name, in: bytes.readableBytesUInt8Span)
    }

    func text(_ range: Range<Int>) -> String {
        let start = bytes.readerIndex + range.lowerBound
        return bytes.getSlice(at: start, length: range.count).map { String(buffer: $0) } ?? ""
    }

    private func decoded(_ range: Range<Int>) -> String? {
        let span = bytes.readableBytesUInt8Span
        var result: [UInt8] = []
        result.reserveCapacity(range.count)
        var index = range.lowerBound
        while index < range.upperBound {
            let byte = span[index]
            if byte == ByteClass.percent, index + 2 < range.upperBound,
                let high = ByteClass.hexValue(span[index + 1]),
                let low = ByteClass.hexValue(span[index + 2])
            {
                result.append(high << 4 | low)
                index += 3
            } else {
                result.append(byte == 0x2b ? ByteClass.space : byte)
                index += 1
            }
        }
        return String(validating: result, as: UTF8.self)
    }
}

extension Span where Element == UInt8 {
    /// Whether a range holds these lower-case letters and other bytes, in either case.
    fileprivate func spells(_ name: Span<UInt8>, in range: Range<Int>) -> Bool {
        guard name.count == range.count else { return false }
        for index in name.indices {
            let byte = self[range.lowerBound + index]
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            guard (isUpper ? byte | 0x20 : byte) == name[index] else { return false }
        }
        return true
    }

    /// The byte at an index, or the one that a percent sign there encodes; the index is moved on.
    ///
    /// - Parameters:
    ///   - index: below `end`; left alone when the result is nil.
    ///   - end: where the text ends.
    /// - Returns: `nil` for a percent sign without two hexadecimal digits.
    fileprivate func percentDecoded(_ index: inout Int, _ end: Int) -> UInt8? {
        let byte = self[index]
        guard byte == ByteClass.percent else {
            index += 1
            return byte
        }
        guard index + 2 < end, let high = ByteClass.hexValue(self[index + 1]),
            let low = ByteClass.hexValue(self[index + 2])
        else { return nil }
        index += 3
        return high << 4 | low
    }
}
