internal import NIOCore

/// Memory that the connections of one event loop use one after the other, so that a request needs
/// none of its own for its plaintext and for the records of its answer.
///
/// A buffer that is still in use somewhere when its turn comes again is left to whoever uses it.
package final class TLSScratch {
    let gathered = GatheredSends()
    private var input = ByteBuffer()
    private var plaintext = ByteBuffer()
    /// As many as can be on their way at the end of a turn, used in turn.
    private var outputs = [ByteBuffer](repeating: ByteBuffer(), count: GatheredSends.heldMax)
    private var next = 0

    /// Sets nothing aside yet.
    package init() {}

    /// An empty buffer to read from a socket into; to be given back.
    func takeInput() -> ByteBuffer { Self.take(&input, Self.inputBytes) }

    /// Takes the buffer of the last read back; one of another kind is not kept.
    func giveInput(_ buffer: consuming ByteBuffer) {
        if buffer.capacity >= Self.inputBytes { Self.give(buffer, &input) }
    }

    /// An empty buffer for plaintext; to be given back.
    func takePlaintext(_ capacity: Int) -> ByteBuffer { Self.take(&plaintext, capacity) }

    /// An empty buffer for records; to be given back.
    func takeOutput() -> ByteBuffer { Self.take(&outputs[next], 0) }

    /// Takes the buffer of the last plaintext back.
    func givePlaintext(_ buffer: consuming ByteBuffer) { Self.give(buffer, &plaintext) }

    /// Takes the buffer of the last records back.
    ///
    /// - Parameters:
    ///   - buffer: The buffer.
    ///   - isHeld: Whether they leave later, so that the next records need other memory.
    func giveOutput(_ buffer: consuming ByteBuffer, isHeld: Bool = false) {
        Self.give(buffer, &outputs[next])
        if isHeld { next = (next + 1) % outputs.count }
    }

    private static func take(_ spare: inout ByteBuffer, _ capacity: Int) -> ByteBuffer {
        var buffer = ByteBuffer()
        swap(&buffer, &spare)
        buffer.clear(minimumCapacity: capacity)
        return buffer
    }

    private static func give(_ buffer: consuming ByteBuffer, _ spare: inout ByteBuffer) {
        // The memory of one large answer is not kept for ever.
        if buffer.capacity <= bytesMax { spare = buffer }
    }

    private static let bytesMax = 128 * 1024
    /// Four whole records, and what one read from a socket brings at most.
    private static let inputBytes = 65_536
}

@available(*, unavailable)
extension TLSScratch: Sendable {}
