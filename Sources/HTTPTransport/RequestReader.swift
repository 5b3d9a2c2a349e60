package import NIOCore

/// What the reader found in the bytes.
package enum ReaderEvent: Sendable {
    /// Nothing more can be said before more bytes come.
    case needMoreBytes
    /// A whole head; its body, be it an empty one, follows.
    case head(HTTPRequestHead)
    /// The next piece of the body, framing removed, coding kept; never empty.
    case body(ByteBuffer)
    /// The body is complete; the next event is of the next request.
    case end
    /// The bytes are no request that is safe to act on. Nothing after them may be read.
    case rejected(RequestRejection)
}

/// Takes requests out of a stream of bytes, however the stream is cut into pieces.
///
/// Pure: no channel, no clock. Strict: the framing rules of RFC 9112 without any of the lenience
/// that request smuggling lives on; once it refuses, it refuses for ever. Heads and bodies are
/// slices of the buffer they came in, so nothing is copied.
package struct RequestReader: Sendable {
    private enum Phase {
        case start, fields, fixedBody(left: Int), chunkedBody, end, failed(RequestRejection)
    }

    private let limits: TransportLimits
    /// The most bytes of body that the current request may have on the wire.
    ///
    /// To be set when a head has been read; without that, no body is accepted.
    package var bodyBytesMax = 0
    private var phase = Phase.start
    private var parser = HeadParser()
    private var chunks: ChunkReader
    private var leadingLines = 0
    /// The offset of the line being looked for, from the buffer's first readable byte.
    private var lineStart = 0
    /// Offsets below this one are known to hold no line feed of the current line.
    private var scanned = 0

    /// Makes a reader that is at the start of a request.
    ///
    /// - Parameter limits: of which the sizes and counts of heads matter here.
    package init(limits: TransportLimits) {
        self.limits = limits
        chunks = ChunkReader(bytesMax: limits.headerBytesMax, fieldsMax: limits.fieldsMax)
    }

    /// Takes the next event off the front of the buffer.
    ///
    /// - Parameter buffer: what has come and was not taken yet; the caller appends to it between
    ///   the calls and removes nothing.
    /// - Returns: what was found.
    package mutating func next(_ buffer: inout ByteBuffer) -> ReaderEvent {
        do throws(RequestRejection) {
            switch phase {
            case .start:
                guard try takeRequestLine(&buffer) else { return .needMoreBytes }
                return try takeFields(&buffer)
            case .fields:
                return try takeFields(&buffer)
            case .fixedBody(let left):
                return takeFixedBody(&buffer, left: left)
            case .chunkedBody:
                return try takeChunkedBody(&buffer)
            case .end:
                phase = .start
                return .end
            case .failed(let rejection):
                return .rejected(rejection)
            }
        } catch {
            phase = .failed(error)
            return .rejected(error)
        }
    }

    // MARK: Head

    private mutating func takeRequestLine(
        _ buffer: inout ByteBuffer
    ) throws(RequestRejection) -> Bool {
        try skipLeadingLine(&buffer)
        let bytes = buffer.readableBytesUInt8Span
        guard let first = bytes.isEmpty ? nil : bytes[0] else { return false }
        if first == ByteClass.carriageReturn, leadingLines == 0, bytes.count == 1 { return false }
        // Whatever is not HTTP at all, a TLS hello for one, is refused at its first byte.
        guard ByteClass.isToken(first) else { throw .malformedRequestLine }
        guard let end = try lineEnd(bytes) else {
            // 32 bytes of method, two spaces, the version: what a longest line has beside its target.
            guard bytes.count <= limits.targetBytesMax + 64 else { throw .targetTooLong }
            return false
        }
        try parser.readRequestLine(bytes, end: end, targetBytesMax: limits.targetBytesMax)
        beginLine(at: end + 2)
        phase = .fields
        return true
    }

    /// One empty line before a request is forgiven (RFC 9112 §2.2), because some clients send one
    /// after a body.
    private mutating func skipLeadingLine(_ buffer: inout ByteBuffer) throws(RequestRejection) {
        let start = buffer.readerIndex
        guard leadingLines == 0,
            buffer.getInteger(at: start, as: UInt8.self) == ByteClass.carriageReturn,
            let second = buffer.getInteger(at: start + 1, as: UInt8.self)
        else { return }
        guard second == ByteClass.lineFeed else { throw .malformedRequestLine }
        leadingLines = 1
        buffer.moveReaderIndex(forwardBy: 2)
    }

    private mutating func takeFields(
        _ buffer: inout ByteBuffer
    ) throws(RequestRejection) -> ReaderEvent {
        guard let length = try readFields(buffer.readableBytesUInt8Span) else {
            return .needMoreBytes
        }
        return try finishHead(&buffer, length: length)
    }

    /// Reads the field lines that have come.
    ///
    /// - Returns: the head's length when its empty line has come.
    private mutating func readFields(_ bytes: Span<UInt8>) throws(RequestRejection) -> Int? {
        while let end = try lineEnd(bytes) {
            guard end > lineStart else { return end + 2 }
            try parser.readField(bytes, lineStart..<end, fieldsMax: limits.fieldsMax)
            beginLine(at: end + 2)
        }
        return nil
    }

    private mutating func finishHead(
        _ buffer: inout ByteBuffer,
        length: Int
    ) throws(RequestRejection) -> ReaderEvent {
        try parser.finish()
        // The line's end was found in the buffer, so the slice is there.
        guard let bytes = buffer.readSlice(length: length) else { throw .malformedField }
        let head = HTTPRequestHead(bytes: bytes, facts: parser.facts, fields: parser.fields)
        parser = HeadParser()
        leadingLines = 0
        beginLine(at: 0)
        bodyBytesMax = 0
        if head.isChunked {
            chunks.begin()
            phase = .chunkedBody
        } else {
            let left = head.contentLength ?? 0
            phase = left > 0 ? .fixedBody(left: left) : .end
        }
        return .head(head)
    }

    private mutating func beginLine(at offset: Int) {
        lineStart = offset
        scanned = offset
    }

    /// The offset of the current line's CR LF, or `nil` when it has not come yet.
    private mutating func lineEnd(_ bytes: Span<UInt8>) throws(RequestRejection) -> Int? {
        let found = bytes.firstLineFeed(from: scanned)
        let isRequestLine = lineStart == 0
        guard (found ?? bytes.count) < limits.headerBytesMax else {
            throw isRequestLine ? .targetTooLong : .headerTooLarge
        }
        guard let found else {
            scanned = bytes.count
            return nil
        }
        guard found > lineStart, bytes[found - 1] == ByteClass.carriageReturn else {
            throw isRequestLine ? .malformedRequestLine : .malformedField
        }
        return found - 1
    }

    // MARK: Body

    private mutating func takeFixedBody(_ buffer: inout ByteBuffer, left: Int) -> ReaderEvent {
        // The head's length was compared with the limit when the head was admitted; a caller that
        // did not is stopped here.
        guard left <= bodyBytesMax else {
            phase = .failed(.bodyTooLarge)
            return .rejected(.bodyTooLarge)
        }
        let length = min(left, buffer.readableBytes)
        guard length > 0, let piece = buffer.readSlice(length: length) else {
            return .needMoreBytes
        }
        bodyBytesMax -= length
        phase = length == left ? .end : .fixedBody(left: left - length)
        return .body(piece)
    }

    private mutating func takeChunkedBody(
        _ buffer: inout ByteBuffer
    ) throws(RequestRejection) -> ReaderEvent {
        switch try chunks.next(&buffer, bodyBytesMax: bodyBytesMax) {
        case .needMoreBytes:
            return .needMoreBytes
        case .data(let piece):
            return .body(piece)
        case .end:
            phase = .start
            return .end
        }
    }
}
