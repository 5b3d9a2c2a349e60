import NIOCore
import NIOPosix
import NIOTLS
import TLSTransport
import Testing

@Suite("TLS on sockets", .timeLimit(.minutes(10))) struct SocketTests {
    static let bytesInAll = 10_000_000

    /// Ten million bytes with a pattern that shows any loss or exchange.
    static let pattern: ByteBuffer = {
        var buffer = ByteBuffer()
        // Bounds: the loop stays within the number of bytes asked for.
        unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: bytesInAll) { room in
            var value: UInt32 = 1
            for index in 0..<bytesInAll {
                value = value &* 1_664_525 &+ 1_013_904_223
                unsafe room[index] = UInt8(truncatingIfNeeded: value >> 24)
            }
            return bytesInAll
        }
        return buffer
    }()

    /// Sends all in one write when the connection is secure, and collects what comes.
    final class Exchange: ChannelDuplexHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let sent: EventLoopPromise<Void>
        private let received: EventLoopPromise<ByteBuffer>
        private let reads: Bool
        private var bytes = ByteBuffer()

        init(
            _ sent: EventLoopPromise<Void>,
            _ received: EventLoopPromise<ByteBuffer>,
            reads: Bool
        ) {
            self.sent = sent
            self.received = received
            self.reads = reads
        }

        func channelActive(context: ChannelHandlerContext) {
            if reads { context.read() }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard event is TLSUserEvent else { return }
            context.writeAndFlush(wrapOutboundOut(SocketTests.pattern), promise: sent)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var part = unwrapInboundIn(data)
            bytes.writeBuffer(&part)
            if bytes.readableBytes == SocketTests.bytesInAll { received.succeed(bytes) }
            if reads { context.read() }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            received.fail(error)
        }

        func channelInactive(context: ChannelHandlerContext) {
            received.fail(ChannelError.eof)
        }
    }

    @Test("ten million bytes cross both ways at once", arguments: [true, false])
    func large(autoRead: Bool) async throws {
        let fixture = try Fixture.shared()
        let loop = NIOSingletons.posixEventLoopGroup.any()
        let sent = (0..<2).map { _ in loop.makePromise(of: Void.self) }
        let received = (0..<2).map { _ in loop.makePromise(of: ByteBuffer.self) }
        let server = try await SocketServer.start(
            fixture.server,
            options: [(.init(level: .socket, name: .so_sndbuf), 10_000)],
            autoRead: autoRead
        ) { Exchange(sent[0], received[0], reads: !autoRead) }
        let client = try await server.connect(fixture.client, autoRead: autoRead) {
            Exchange(sent[1], received[1], reads: !autoRead)
        }
        for promise in received {
            #expect(try await promise.futureResult.get() == Self.pattern)
        }
        for promise in sent { try await promise.futureResult.get() }
        try await client.close()
        try await server.stop()
    }

    /// Writes all, and tells when the socket takes no more.
    final class Flood: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let stuck: EventLoopPromise<Void>

        init(_ stuck: EventLoopPromise<Void>) { self.stuck = stuck }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            guard event is TLSUserEvent else { return }
            context.writeAndFlush(wrapOutboundOut(SocketTests.pattern), promise: nil)
            if !context.channel.isWritable { stuck.succeed() }
        }
    }

    /// Collects; begins to read only when told.
    final class Late: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let secure: EventLoopPromise<Void>
        private let received: EventLoopPromise<ByteBuffer>
        private var bytes = ByteBuffer()

        init(_ secure: EventLoopPromise<Void>, _ received: EventLoopPromise<ByteBuffer>) {
            self.secure = secure
            self.received = received
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event is TLSUserEvent { secure.succeed() }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var part = unwrapInboundIn(data)
            bytes.writeBuffer(&part)
            if bytes.readableBytes == SocketTests.bytesInAll { received.succeed(bytes) }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            secure.fail(error)
        }

        func channelInactive(context: ChannelHandlerContext) {
            received.fail(ChannelError.eof)
        }
    }

    @Test("a writer learns that the reader is slow; nothing is lost when it reads at last")
    func backpressure() async throws {
        let fixture = try Fixture.shared()
        let loop = NIOSingletons.posixEventLoopGroup.any()
        let stuck = loop.makePromise(of: Void.self)
        let secure = loop.makePromise(of: Void.self)
        let received = loop.makePromise(of: ByteBuffer.self)
        let server = try await SocketServer.start(fixture.server) { Flood(stuck) }
        // The handshake gets by without the application asking for bytes.
        let client = try await server.connect(fixture.client, autoRead: false) {
            Late(secure, received)
        }
        try await secure.futureResult.get()
        try await stuck.futureResult.get()
        try await client.setOption(.autoRead, value: true).get()
        client.read()
        #expect(try await received.futureResult.get() == Self.pattern)
        try await client.close()
        try await server.stop()
    }

    @Test("a hundred connections come and go at once")
    func many() async throws {
        let fixture = try Fixture.shared()
        let server = try await SocketServer.start(fixture.server) { LengthResponder() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<100 {
                group.addTask {
                    let loop = NIOSingletons.posixEventLoopGroup.any()
                    let secure = loop.makePromise(of: Void.self)
                    let client = try await server.connect(fixture.client) {
                        Late(secure, loop.makePromise(of: ByteBuffer.self))
                    }
                    try await secure.futureResult.get()
                    try await client.close()
                }
            }
            try await group.waitForAll()
        }
        try await server.stop()
    }
}
