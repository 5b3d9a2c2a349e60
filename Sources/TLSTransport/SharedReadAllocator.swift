package import NIOCore

/// Has the encrypted connections of an event loop read into the same memory, one after the other.
///
/// What is read is decrypted before the next connection's turn. So the memory is in the caches,
/// however many connections there are, and none of them keeps a buffer of its own but a small one.
/// To be used with one read a turn (`maxMessagesPerRead`): a channel keeps as many buffers as that.
package struct SharedReadAllocator: RecvByteBufferAllocator {
    private let scratch: NIOLoopBound<TLSScratch>
    /// The channel keeps its first buffer for good.
    private var isFirst = true

    private static let firstBytes = 1024

    /// Reads into the memory of a loop; to be called on it.
    package init(_ scratch: TLSScratch, on eventLoop: any EventLoop) {
        self.scratch = NIOLoopBound(scratch, eventLoop: eventLoop)
    }

    /// The memory for one read.
    package func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
        isFirst ? allocator.buffer(capacity: Self.firstBytes) : scratch.value.takeInput()
    }

    /// Has the channel ask for memory before each read.
    ///
    /// - Parameter actualReadBytes: not of interest here.
    /// - Returns: that the next buffer is another one.
    package mutating func record(actualReadBytes: Int) -> Bool {
        isFirst = false
        return true
    }
}
