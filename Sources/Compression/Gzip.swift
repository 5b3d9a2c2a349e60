internal import CZlib

/// Whole gzip or zlib texts in one call.
package enum Gzip {
    /// Decompresses all of the bytes.
    ///
    /// - Parameters:
    ///   - bytes: One gzip member or several, or one zlib stream, and nothing after.
    ///   - format: The container expected.
    ///   - outputBytesMax: The most bytes that may come out.
    /// - Returns: The content.
    /// - Throws: ``CompressionError``.
    package static func decompress(
        _ bytes: Span<UInt8>,
        format: CompressionFormat = .gzip,
        outputBytesMax: Int
    ) throws(CompressionError) -> [UInt8] {
        var inflater = try GzipInflater(format: format, outputBytesMax: outputBytesMax)
        var output: [UInt8] = []
        try inflater.inflate(bytes, appendingTo: &output)
        try inflater.finish()
        return output
    }

    /// Decompresses all of the bytes of an array.
    ///
    /// - Throws: ``CompressionError``.
    package static func decompress(
        _ bytes: [UInt8],
        format: CompressionFormat = .gzip,
        outputBytesMax: Int
    ) throws(CompressionError) -> [UInt8] {
        try decompress(bytes.span, format: format, outputBytesMax: outputBytesMax)
    }

    /// Compresses all of the bytes into one gzip member (without a name or a time) or zlib stream.
    ///
    /// The same bytes and level give the same result with the same zlib.
    ///
    /// - Parameters:
    ///   - bytes: At most 2 GiB - 1.
    ///   - format: The container made.
    ///   - level: 1 (fast) to 9 (small); others are cut to that range.
    /// - Returns: The compressed text.
    /// - Throws: ``CompressionError/outOfMemory``, also for more bytes than one call can take.
    package static func compress(
        _ bytes: Span<UInt8>,
        format: CompressionFormat = .gzip,
        level: Int = 6
    ) throws(CompressionError) -> [UInt8] {
        guard bytes.count <= Int(Int32.max) else { throw .outOfMemory }
        // On the heap, because zlib's state points back at the stream.
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        defer { unsafe stream.deallocate() }
        unsafe stream.initialize(to: z_stream())
        let level = Int32(min(max(level, 1), 9))
        guard unsafe leeway_deflateInit2(stream, level, format.windowBits) == Z_OK else {
            throw .outOfMemory
        }
        defer { unsafe deflateEnd(stream) }
        let capacity = unsafe Int(deflateBound(stream, UInt(bytes.count)))
        var result = Z_OK
        let output = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { target, count in
            unsafe bytes.withUnsafeBufferPointer { source in
                // Bounds: zlib reads source.count bytes and writes at most `capacity`, which
                // deflateBound says is enough.
                unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
                unsafe stream.pointee.avail_in = UInt32(source.count)
                unsafe stream.pointee.next_out = target.baseAddress
                unsafe stream.pointee.avail_out = UInt32(clamping: capacity)
                result = unsafe deflate(stream, Z_FINISH)
                count = unsafe Int(stream.pointee.total_out)
            }
        }
        guard result == Z_STREAM_END else { throw .outOfMemory }
        return output
    }

    /// Compresses all of the bytes of an array.
    ///
    /// - Throws: ``CompressionError/outOfMemory``.
    package static func compress(
        _ bytes: [UInt8],
        format: CompressionFormat = .gzip,
        level: Int = 6
    ) throws(CompressionError) -> [UInt8] {
        try compress(bytes.span, format: format, level: level)
    }

    /// Whether the bytes begin as gzip does: the two magic bytes, and deflate as the method.
    package static func isGzip(_ bytes: Span<UInt8>) -> Bool {
        bytes.count >= 3 && bytes[0] == 0x1f && bytes[1] == 0x8b && bytes[2] == 8
    }
}

extension GzipInflater {
    /// Decompresses a whole piece of input and appends what comes out.
    ///
    /// - Parameters:
    ///   - input: The next compressed bytes.
    ///   - output: Grows by at most ``outputBytesMax`` over all calls.
    /// - Throws: ``CompressionError``; `output` then holds what came out before the fault.
    package mutating func inflate(
        _ input: Span<UInt8>,
        appendingTo output: inout [UInt8]
    ) throws(CompressionError) {
        var offset = 0
        while true {
            let rest = input.extracting(droppingFirst: offset)
            // Twice the input is a fair first guess; growing with the output keeps the steps few.
            let room = min(max(512, 2 * rest.count, output.count / 2), 1 << 20)
            var progress = Progress(inputBytes: 0, outputBytes: 0)
            try output.append(addingCapacity: room) { (free) throws(CompressionError) in
                progress = try step(rest, into: &free)
            }
            offset += progress.inputBytes
            if offset == input.count && progress.outputBytes < room { return }
        }
    }
}
