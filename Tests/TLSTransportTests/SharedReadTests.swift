import NIOCore
import NIOEmbedded
import TLSTransport
import Testing

@Suite("Memory that connections read into") struct SharedReadTests {
    @Test("a channel keeps a small buffer, and asks for large memory before each other read")
    func capacities() {
        let loop = EmbeddedEventLoop()
        var pool = NIOPooledRecvBufferAllocator(
            capacity: 1,
            recvAllocator: SharedReadAllocator(TLSScratch(), on: loop)
        )
        func read() -> Int {
            let (buffer, _) = pool.buffer(allocator: ByteBufferAllocator()) { $0.writeInteger(1) }
            pool.record(actualReadBytes: 8)
            return buffer.capacity
        }
        #expect(read() == 1024)
        #expect(read() == 65_536)
        #expect(read() == 65_536)
        #expect(pool.count == 1)
    }
}
