internal import NIOCore

/// The plaintext that waits to be encrypted, with the promises of those who wrote it.
struct PendingWrites {
    /// One write of the application.
    private struct Write {
        var bytes: ByteBuffer
        let promise: EventLoopPromise<Void>?
    }

    /// The writes; those before ``first`` are done, those before ``flushed`` are to be sent.
    private var queue: [Write] = []
    private var first = 0
    private var flushed = 0
    /// Small writes are gathered here into one record; kept only while a flush lasts.
    private var scratch = ByteBuffer()

    /// Whether there is a flushed write, be it an empty one.
    var hasFlushed: Bool { first < flushed }

    /// Whether there is no write, flushed or not.
    var isEmpty: Bool { queue.isEmpty }

    /// Adds a write; it waits for a flush.
    mutating func append(_ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        queue.append(Write(bytes: bytes, promise: promise))
    }

    /// Lets all writes so far go.
    mutating func flush() {
        flushed = queue.count
    }

    /// Encrypts flushed writes, until they are done or the output has ``outputBytesMax``.
    ///
    /// - Parameters:
    ///   - session: What encrypts.
    ///   - output: Where the records go.
    ///   - promises: Gets the promises of the writes whose last byte is in the output.
    /// - Returns: ``TLSOutcome/done``, or why it stopped with bytes left.
    mutating func encrypt(
        with session: TLSSession,
        into output: inout ByteBuffer,
        completing promises: inout [EventLoopPromise<Void>]
    ) -> TLSOutcome {
        defer { if !hasFlushed { scratch = ByteBuffer() } }
        while hasFlushed, output.readableBytes < Self.outputBytesMax {
            let outcome = encryptNext(with: session, into: &output)
            guard outcome == .done else { return outcome }
            popFinished(&promises)
        }
        return .done
    }

    /// Takes out all writes, flushed or not.
    ///
    /// - Returns: Their promises, to be failed by the caller when its own state is in order.
    mutating func removeAll() -> [EventLoopPromise<Void>] {
        let promises = queue[first...].compactMap(\.promise)
        queue = []
        (first, flushed) = (0, 0)
        return promises
    }

    /// Encrypts one large piece of the first write, or as many small writes as fill a record.
    private mutating func encryptNext(
        with session: TLSSession,
        into output: inout ByteBuffer
    ) -> TLSOutcome {
        let size = queue[first].bytes.readableBytes
        if size == 0 { return .done }
        if size >= Self.recordBytesMax || first + 1 == flushed {
            let count = min(size, Self.pieceBytesMax)
            // Bounds: count is at most the number of readable bytes.
            let outcome = unsafe queue[first].bytes.withUnsafeReadableBytes { bytes in
                unsafe session.encrypt(
                    UnsafeRawBufferPointer(rebasing: bytes[..<count]),
                    into: &output
                )
            }
            if outcome == .done { consume(count) }
            return outcome
        }
        gather()
        let outcome = unsafe scratch.withUnsafeReadableBytes { bytes in
            unsafe session.encrypt(bytes, into: &output)
        }
        if outcome == .done { consume(scratch.readableBytes) }
        return outcome
    }

    /// Copies flushed writes into the scratch until it holds a full record.
    private mutating func gather() {
        scratch.clear(minimumCapacity: Self.recordBytesMax)
        for index in first..<flushed {
            let bytes = queue[index].bytes
            let room = Self.recordBytesMax - scratch.readableBytes
            if let part = bytes.getSlice(
                at: bytes.readerIndex,
                length: min(room, bytes.readableBytes)
            ) {
                scratch.writeImmutableBuffer(part)
            }
            if scratch.readableBytes == Self.recordBytesMax { break }
        }
    }

    /// Drops encrypted bytes from the front, leaving finished writes empty.
    private mutating func consume(_ count: Int) {
        var left = count
        var index = first
        while left > 0, index < queue.count {
            let taken = min(left, queue[index].bytes.readableBytes)
            queue[index].bytes.moveReaderIndex(forwardBy: taken)
            left -= taken
            index += 1
        }
    }

    /// Removes the empty writes at the front, up to the last flushed one.
    private mutating func popFinished(_ promises: inout [EventLoopPromise<Void>]) {
        while first < flushed, queue[first].bytes.readableBytes == 0 {
            if let promise = queue[first].promise { promises.append(promise) }
            // What was written is let go at once, and not only when the queue is empty.
            queue[first].bytes = ByteBuffer()
            first += 1
        }
        let isLong = first >= 64 && first * 2 >= queue.count
        guard first == queue.count || isLong else { return }
        queue.removeFirst(first)
        flushed -= first
        first = 0
    }

    /// The largest plaintext of one record (RFC 8446 §5.1).
    static let recordBytesMax = 16_384
    /// The most that one call into libssl takes: 16 full records.
    static let pieceBytesMax = 16 * recordBytesMax
    /// After this much, the output is handed to the channel and a new one is begun, so that the
    /// memory of a large write is given back while it is sent.
    static let outputBytesMax = pieceBytesMax
}
