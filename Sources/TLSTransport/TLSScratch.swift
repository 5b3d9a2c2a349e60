internal import NIOCore

/// Memory that the connections of one event loop use one after the other, so that a request needs
/// none of its own for its plaintext and for the records of its answer.
///
/// A buffer that is still in use somewhere when its turn comes again is left to whoever uses it.
package final class TLSScratch {
    private var plaintext = ByteBuffer()
    private var output = ByteBuffer()

    /// Sets nothing aside yet.
    package init() {}

    /// An empty buffer for plaintext; to be given back.
    func takePlaintext(_ capacity: Int) -> ByteBuffer { Self.take(&plaintext, capacity) }

    /// An empty buffer for records; to be given back.
    func takeOutput() -> ByteBuffer { Self.take(&output, 0) }

    /// Takes the buffer of the last plaintext back.
    func givePlaintext(_ buffer: consuming ByteBuffer) { Self.give(buffer, &plaintext) }

    /// Takes the buffer of the last records back.
    func giveOutput(_ buffer: consuming ByteBuffer) { Self.give(buffer, &output) }

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
}

@available(*, unavailable)
extension TLSScratch: Sendable {}
