internal import CZlib

/// Decompresses gzip or zlib bytes piece by piece, never beyond an output limit.
///
/// Strict: the header, the checksum and the length of every member are checked (by zlib), the data
/// must end exactly at an end mark, and nothing but further gzip members may follow it; zero
/// padding and other trailing bytes are errors. Costs about 40 KiB while alive.
@safe
package struct GzipInflater: ~Copyable {
    /// The container expected.
    package let format: CompressionFormat
    /// The most bytes that all calls together put out.
    package let outputBytesMax: Int
    /// The compressed bytes taken so far.
    package private(set) var inputBytes = 0
    /// The decompressed bytes put out so far; never more than ``outputBytesMax``.
    package private(set) var outputBytes = 0

    // On the heap, because zlib's state points back at it and refuses a stream that has moved.
    private let stream: UnsafeMutablePointer<z_stream>
    /// Whether the last byte taken was the last of an end mark.
    private var isAtEndMark = false
    /// The compressed offset at which the current gzip member began.
    private var memberOffset = 0

    /// Makes a decompressor.
    ///
    /// - Parameters:
    ///   - format: The container expected.
    ///   - outputBytesMax: The most bytes that may come out; negative counts as zero.
    /// - Throws: ``CompressionError/outOfMemory``.
    package init(
        format: CompressionFormat = .gzip,
        outputBytesMax: Int
    ) throws(CompressionError) {
        self.format = format
        self.outputBytesMax = min(max(0, outputBytesMax), Int.max - 1)
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        guard unsafe leeway_inflateInit2(stream, format.windowBits) == Z_OK else {
            unsafe stream.deallocate()
            throw .outOfMemory
        }
    }

    deinit {
        unsafe inflateEnd(stream)
        unsafe stream.deallocate()
    }

    /// How far one step came.
    package struct Progress: Sendable, Equatable {
        /// The bytes taken from the front of the input.
        package let inputBytes: Int
        /// The bytes appended to the output.
        package let outputBytes: Int
    }

    /// Takes some of the input and fills some of the output, in constant memory.
    ///
    /// Call again with the rest of the input and room in the output until `inputBytes` covers the
    /// input and `outputBytes` is less than the room given; then give the next piece of input.
    ///
    /// - Parameters:
    ///   - input: The next compressed bytes; may be empty to drain what is held back.
    ///   - output: Where decompressed bytes are appended; with at least one byte free.
    /// - Returns: The counts of bytes taken and written; both zero when more input is needed.
    /// - Throws: ``CompressionError``; the decompressor is then of no further use.
    package mutating func step(
        _ input: Span<UInt8>,
        into output: inout OutputSpan<UInt8>
    ) throws(CompressionError) -> Progress {
        if isAtEndMark {
            if input.isEmpty { return Progress(inputBytes: 0, outputBytes: 0) }
            try beginFurtherMember()
        }
        // One byte more than is allowed tells "exactly the limit" from "too large". Both counts
        // are cut to what zlib's 32-bit fields hold; the caller's next step takes the rest.
        let room = min(output.freeCapacity, outputBytesMax - outputBytes + 1, Int(Int32.max))
        let offered = min(input.count, Int(Int32.max))
        let result = unsafe input.withUnsafeBufferPointer { source in
            unsafe output.withUnsafeMutableBufferPointer { target, count in
                // Bounds: zlib reads `offered` ≤ source.count bytes and writes `room` ≤ the free
                // bytes behind the first `count`; it uses neither pointer after the call.
                let free = unsafe target.baseAddress.map { unsafe $0 + count }
                let result = unsafe inflateOnce(source.baseAddress, offered, free, room)
                count += unsafe room - Int(stream.pointee.avail_out)
                return result
            }
        }
        let progress = unsafe Progress(
            inputBytes: offered - Int(stream.pointee.avail_in),
            outputBytes: room - Int(stream.pointee.avail_out)
        )
        inputBytes += progress.inputBytes
        try check(result)
        guard outputBytes + progress.outputBytes <= outputBytesMax else {
            throw .outputTooLarge(bytesMax: outputBytesMax)
        }
        outputBytes += progress.outputBytes
        return progress
    }

    /// Says that there is no more input.
    ///
    /// - Throws: ``CompressionError/truncated(format:offset:)`` when an end mark is still missing.
    package func finish() throws(CompressionError) {
        guard isAtEndMark else { throw .truncated(format: format, offset: inputBytes) }
    }

    /// Points zlib at the caller's bytes for one call.
    private func inflateOnce(
        _ source: UnsafePointer<UInt8>?,
        _ offered: Int,
        _ target: UnsafeMutablePointer<UInt8>?,
        _ room: Int
    ) -> Int32 {
        // zlib's field is not const, but inflate only reads there.
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source)
        unsafe stream.pointee.avail_in = UInt32(offered)
        unsafe stream.pointee.next_out = target
        unsafe stream.pointee.avail_out = UInt32(room)
        return unsafe CZlib.inflate(stream, Z_NO_FLUSH)
    }

    /// Turns zlib's answer into our state or our error.
    private mutating func check(_ result: Int32) throws(CompressionError) {
        switch result {
        case Z_OK, Z_BUF_ERROR:
            // Z_BUF_ERROR only says that this step could do nothing.
            return
        case Z_STREAM_END:
            isAtEndMark = true
        case Z_MEM_ERROR:
            throw .outOfMemory
        case Z_NEED_DICT:
            let reason = "it wants a preset dictionary, which is not supported"
            throw .corrupt(format: format, offset: inputBytes, reason: reason)
        default:
            // A further member that fails within its two magic bytes is no member at all.
            if memberOffset > 0 && inputBytes - memberOffset <= 2 {
                throw .trailingBytes(format: format, offset: memberOffset)
            }
            // Bounds: zlib's messages are zero-ended constants of the library.
            let reason = unsafe stream.pointee.msg.map { unsafe String(cString: $0) }
            throw .corrupt(format: format, offset: inputBytes, reason: reason ?? "invalid data")
        }
    }

    /// Starts over for what follows an end mark; only gzip allows that (RFC 1952 §2.2).
    private mutating func beginFurtherMember() throws(CompressionError) {
        guard format == .gzip, unsafe inflateReset(stream) == Z_OK else {
            throw .trailingBytes(format: format, offset: inputBytes)
        }
        memberOffset = inputBytes
        isAtEndMark = false
    }
}
