internal import Compression
internal import NIOCore

/// Puts the pieces of one body together and takes its content coding off, within a limit.
///
/// A body that comes in one piece is passed on as the slice it is; one in several pieces is copied
/// once into a buffer that grows with what has really come, never with what was announced.
struct BodyCollector: ~Copyable {
    /// The most bytes that are set aside on the word of a `Content-Length` alone.
    private static let reserveBytesMax = 256 * 1024
    /// The room offered to the decompressor at a time.
    private static let inflateBytes = 16 * 1024

    private let expectedBytes: Int?
    private var content = ByteBuffer()
    private var inflater: GzipInflater?

    /// Prepares for one body.
    ///
    /// - Parameters:
    ///   - head: the head it belongs to.
    ///   - bytesMax: the most bytes of decoded content; the wire's bytes are the reader's to limit.
    /// - Throws: ``RequestRejection/unsupportedContentCoding`` for a coding that is not known.
    init(head: HTTPRequestHead, bytesMax: Int) throws(RequestRejection) {
        expectedBytes = head.contentLength
        guard head.hasBody else { return }
        let format: CompressionFormat
        switch head.contentCoding {
        case .identity: return
        case .gzip: format = .gzip
        case .deflate: format = .zlib
        case .unknown: throw .unsupportedContentCoding
        }
        do {
            inflater = try GzipInflater(format: format, outputBytesMax: bytesMax)
        } catch {
            throw .responderFailed
        }
    }

    /// Takes the next piece of the body as it was on the wire.
    ///
    /// - Throws: ``RequestRejection/bodyTooLarge`` or ``RequestRejection/malformedContent``.
    mutating func append(_ piece: ByteBuffer) throws(RequestRejection) {
        guard inflater == nil else { return try inflate(piece) }
        if content.readableBytes == 0, piece.readableBytes == expectedBytes {
            content = piece
            return
        }
        if content.readableBytes == 0, let expectedBytes {
            content.reserveCapacity(min(expectedBytes, Self.reserveBytesMax))
        }
        content.writeImmutableBuffer(piece)
    }

    /// The whole body, decoded.
    ///
    /// - Throws: ``RequestRejection/malformedContent`` when its coding says that something is missing.
    mutating func finish() throws(RequestRejection) -> ByteBuffer {
        do {
            try inflater?.finish()
        } catch {
            throw .malformedContent
        }
        return content
    }

    private mutating func inflate(_ piece: ByteBuffer) throws(RequestRejection) {
        let input = piece.readableBytesUInt8Span
        var offset = 0
        while true {
            let (taken, made) = try step(input.extracting(droppingFirst: offset))
            offset += taken
            if offset == input.count, made < Self.inflateBytes { return }
            guard taken + made > 0 else { throw .malformedContent }
        }
    }

    private mutating func step(
        _ input: Span<UInt8>
    ) throws(RequestRejection) -> (taken: Int, made: Int) {
        var failure: CompressionError?
        var taken = 0
        // Bounds: the span covers exactly the `inflateBytes` offered, all of them free, and
        // `finalize` gives the count of those that were written.
        let made = unsafe content.writeWithUnsafeMutableBytes(
            minimumWritableBytes: Self.inflateBytes
        ) { room in
            let bytes = unsafe UnsafeMutableBufferPointer(
                rebasing: room.assumingMemoryBound(to: UInt8.self)[..<Self.inflateBytes]
            )
            var output = unsafe OutputSpan(buffer: bytes, initializedCount: 0)
            do throws(CompressionError) {
                taken = try inflater?.step(input, into: &output).inputBytes ?? 0
            } catch {
                failure = error
            }
            return unsafe output.finalize(for: bytes)
        }
        switch failure {
        case nil: return (taken, made)
        case .outputTooLarge: throw .bodyTooLarge
        case .outOfMemory: throw .responderFailed
        case .corrupt, .truncated, .trailingBytes: throw .malformedContent
        }
    }
}
