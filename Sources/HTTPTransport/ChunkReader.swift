internal import NIOCore

/// Takes the data out of a chunked body (RFC 9112 §7.1), strictly.
///
/// Sizes are plain hexadecimal digits, every line ends in CR LF, extensions are well formed (and
/// ignored), trailers are well formed (and dropped). What is not data is bounded, too.
struct ChunkReader: Sendable {
    enum Event {
        case needMoreBytes
        case data(ByteBuffer)
        case end
    }

    private enum Phase {
        case size, data(left: Int), dataEnd, trailers
    }

    /// The most bytes of one size line with its extensions, and of all trailers together.
    private let bytesMax: Int
    private let fieldsMax: Int
    private var phase = Phase.size
    private var scanned = 0
    private var bodyBytes = 0
    /// Framing bytes beyond what fair use needs; without a bound, one byte of data at a time would
    /// carry any number of bytes of extensions past every other limit.
    private var excessBytes = 0
    private var trailerBytes = 0
    private var trailers = HeadParser()

    init(bytesMax: Int, fieldsMax: Int) {
        self.bytesMax = bytesMax
        self.fieldsMax = fieldsMax
    }

    /// Starts a new body.
    mutating func begin() {
        self = ChunkReader(bytesMax: bytesMax, fieldsMax: fieldsMax)
    }

    /// Takes the next event off the front of the buffer.
    mutating func next(
        _ buffer: inout ByteBuffer,
        bodyBytesMax: Int
    ) throws(RequestRejection) -> Event {
        while true {
            switch phase {
            case .size:
                guard try takeSize(&buffer, bodyBytesMax) else { return .needMoreBytes }
            case .data(let left):
                let length = min(left, buffer.readableBytes)
                guard length > 0, let piece = buffer.readSlice(length: length) else {
                    return .needMoreBytes
                }
                phase = length == left ? .dataEnd : .data(left: left - length)
                return .data(piece)
            case .dataEnd:
                guard try takeDataEnd(&buffer) else { return .needMoreBytes }
            case .trailers:
                guard let line = try takeLine(&buffer, bytesMax - trailerBytes) else {
                    return .needMoreBytes
                }
                guard line.readableBytes > 0 else { return .end }
                try readTrailer(line)
            }
        }
    }

    private mutating func takeSize(
        _ buffer: inout ByteBuffer,
        _ bodyBytesMax: Int
    ) throws(RequestRejection) -> Bool {
        guard let line = try takeLine(&buffer, bytesMax) else { return false }
        let size = try Self.size(line.readableBytesUInt8Span)
        // A size line of 16 bytes and as much again as the data is fair use, whatever its content.
        excessBytes = max(0, excessBytes + line.readableBytes + 2 - 16 - 2 * min(size, bytesMax))
        guard excessBytes <= bytesMax else { throw .malformedChunk }
        guard size <= bodyBytesMax - bodyBytes else { throw .bodyTooLarge }
        bodyBytes += size
        phase = size == 0 ? .trailers : .data(left: size)
        return true
    }

    private mutating func takeDataEnd(
        _ buffer: inout ByteBuffer
    ) throws(RequestRejection) -> Bool {
        let start = buffer.readerIndex
        guard let first: UInt8 = buffer.getInteger(at: start) else { return false }
        guard first == ByteClass.carriageReturn else { throw .malformedChunk }
        guard let second: UInt8 = buffer.getInteger(at: start + 1) else { return false }
        guard second == ByteClass.lineFeed else { throw .malformedChunk }
        buffer.moveReaderIndex(forwardBy: 2)
        phase = .size
        return true
    }

    /// The next whole line without its CR LF, taken off the buffer; `nil` when it has not come yet.
    private mutating func takeLine(
        _ buffer: inout ByteBuffer,
        _ lineBytesMax: Int
    ) throws(RequestRejection) -> ByteBuffer? {
        guard let end = try lineEnd(buffer.readableBytesUInt8Span, lineBytesMax) else {
            return nil
        }
        let line = buffer.readSlice(length: end)
        buffer.moveReaderIndex(forwardBy: 2)
        return line
    }

    /// The offset of the CR LF that ends the line at offset 0; `nil` when it has not come yet.
    private mutating func lineEnd(
        _ bytes: Span<UInt8>,
        _ lineBytesMax: Int
    ) throws(RequestRejection) -> Int? {
        let found = bytes.firstLineFeed(from: scanned)
        guard (found ?? bytes.count) < lineBytesMax else { throw .malformedChunk }
        guard let found else {
            scanned = bytes.count
            return nil
        }
        guard found > 0, bytes[found - 1] == ByteClass.carriageReturn else {
            throw .malformedChunk
        }
        scanned = 0
        return found - 1
    }

    private mutating func readTrailer(_ line: ByteBuffer) throws(RequestRejection) {
        trailerBytes += line.readableBytes + 2
        do {
            try trailers.readField(
                line.readableBytesUInt8Span,
                0..<line.readableBytes,
                fieldsMax: fieldsMax
            )
        } catch .tooManyFields {
            throw .tooManyFields
        } catch {
            throw .malformedChunk
        }
        // A trailer changes nothing (RFC 9110 §6.5.1), and one that means to is an attack.
        let facts = trailers.facts
        guard facts.contentLength == nil, facts.transferCodingCount == 0, facts.hostCount == 0
        else { throw .malformedChunk }
    }

    /// Reads `1*HEXDIG [ chunk-ext ]`.
    static func size(_ line: Span<UInt8>) throws(RequestRejection) -> Int {
        var size = 0
        var index = 0
        while index < line.count, let digit = ByteClass.hexValue(line[index]) {
            // 15 digits are 60 bits: no overflow, and more than any limit.
            guard index < 15 else { throw .malformedChunk }
            size = size << 4 | Int(digit)
            index += 1
        }
        guard index > 0 else { throw .malformedChunk }
        try checkExtensions(line, from: index)
        return size
    }

    /// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )` of RFC 9112 §7.1.1.
    private static func checkExtensions(
        _ line: Span<UInt8>,
        from start: Int
    ) throws(RequestRejection) {
        var index = start
        while index < line.count {
            index = skipBlanks(line, index)
            guard index < line.count, line[index] == ByteClass.semicolon else {
                throw .malformedChunk
            }
            index = try skipToken(line, skipBlanks(line, index + 1))
            let next = skipBlanks(line, index)
            guard next < line.count, line[next] == ByteClass.equals else { continue }
            index = skipBlanks(line, next + 1)
            guard index < line.count else { throw .malformedChunk }
            index =
                line[index] == ByteClass.quote
                ? try skipQuoted(line, index) : try skipToken(line, index)
        }
    }

    private static func skipBlanks(_ line: Span<UInt8>, _ start: Int) -> Int {
        var index = start
        while index < line.count, ByteClass.isBlank(line[index]) { index += 1 }
        return index
    }

    private static func skipToken(
        _ line: Span<UInt8>,
        _ start: Int
    ) throws(RequestRejection) -> Int {
        var index = start
        while index < line.count, ByteClass.isToken(line[index]) { index += 1 }
        guard index > start else { throw .malformedChunk }
        return index
    }

    private static func skipQuoted(
        _ line: Span<UInt8>,
        _ quote: Int
    ) throws(RequestRejection) -> Int {
        var index = quote + 1
        var isEscaped = false
        while index < line.count, isEscaped || line[index] != ByteClass.quote {
            guard ByteClass.isFieldValue(line[index]) else { throw .malformedChunk }
            isEscaped = !isEscaped && line[index] == ByteClass.backslash
            index += 1
        }
        guard index < line.count else { throw .malformedChunk }
        return index + 1
    }
}
