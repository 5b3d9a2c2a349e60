internal import NIOCore

/// The plaintext that waits to be encrypted, with the promises of those who wrote it.
struct PendingWrites {
    /// One write of the application.
    private struct Write {
        var bytes: ByteBuffer
        let promise: EventLoopPromise<Void>?
    }

    private var queue = MarkedCircularBuffer<Write>(initialCapacity: 4)
    /// Small writes are gathered here into one record; kept only while a flush lasts.
    private var scratch = ByteBuffer()

    /// Whether there is a flushed write, be it an empty one.
    var hasFlushed: Bool { queue.hasMark }

    /// Adds a write; it waits for a flush.
    mutating func append(_ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        queue.append(Write(bytes: bytes, promise: promise))
    }

    /// Lets all writes so far go.
    mutating func flush() {
        queue.mark()
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
        let promises = queue.compactMap(\.promise)
        queue = MarkedCircularBuffer(initialCapacity: 0)
        return promises
    }

    /// Encrypts one large piece of the first write, or as many small writes as fill a record.
    private mutating func encryptNext(
        with session: TLSSession,
        into output: inout ByteBuffer
    ) -> TLSOutcome {
        let first = queue[queue.startIndex].bytes
        if first.readableBytes == 0 { return .done }
        if first.readableBytes >= Self.recordBytesMax || !isNextFlushed {
            let count = min(first.readableBytes, Self.pieceBytesMax)
            // Bounds: count is at most the number of readable bytes.
            let outcome = unsafe first.withUnsafeReadableBytes { bytes in
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

    /// Whether the write after the first one is flushed, too.
    private var isNextFlushed: Bool {
        guard queue.count > 1, let mark = queue.markedElementIndex else { return false }
        return queue.distance(from: queue.startIndex, to: mark) >= 1
    }

    /// Copies flushed writes into the scratch until it holds a full record.
    private mutating func gather() {
        scratch.clear(minimumCapacity: Self.recordBytesMax)
        guard let mark = queue.markedElementIndex else { return }
        for index in queue.indices {
            let bytes = queue[index].bytes
            let room = Self.recordBytesMax - scratch.readableBytes
            if let part = bytes.getSlice(
                at: bytes.readerIndex,
                length: min(room, bytes.readableBytes)
            ) {
                scratch.writeImmutableBuffer(part)
            }
            if index == mark || scratch.readableBytes == Self.recordBytesMax { break }
        }
    }

    /// Drops encrypted bytes from the front, leaving finished writes empty.
    private mutating func consume(_ count: Int) {
        var left = count
        for index in queue.indices where left > 0 {
            let taken = min(left, queue[index].bytes.readableBytes)
            queue[index].bytes.moveReaderIndex(forwardBy: taken)
            left -= taken
        }
    }

    /// Removes the empty writes at the front, up to the mark.
    private mutating func popFinished(_ promises: inout [EventLoopPromise<Void>]) {
        while hasFlushed, queue[queue.startIndex].bytes.readableBytes == 0 {
            if let promise = queue.removeFirst().promise { promises.append(promise) }
        }
    }

    /// The largest plaintext of one record (RFC 8446 §5.1).
    static let recordBytesMax = 16_384
    /// The most that one call into libssl takes: 16 full records.
    static let pieceBytesMax = 16 * recordBytesMax
    /// After this much, the output is handed to the channel and a new one is begun, so that the
    /// memory of a large write is given back while it is sent.
    static let outputBytesMax = pieceBytesMax
}
