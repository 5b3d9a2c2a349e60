import NIOCore
import NIOPosix
import TLSTransport
import TestSupport

/// A TLS server on a port of its own on the loopback interface.
struct SocketServer {
    let channel: any Channel
    let port: Int

    /// Starts with an application for each connection.
    static func start(
        _ context: TLSContext,
        options: [(ChannelOptions.Types.SocketOption, SocketOptionValue)] = [],
        autoRead: Bool = true,
        application: @escaping @Sendable () -> any ChannelHandler
    ) async throws -> SocketServer {
        var bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.autoRead, value: autoRead)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = try TLSHandler(context: context, limits: .patient)
                    try channel.pipeline.syncOperations.addHandlers([handler, application()])
                }
            }
        for (option, value) in options {
            bootstrap = bootstrap.childChannelOption(option, value: value)
        }
        let channel = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
        return SocketServer(channel: channel, port: channel.localAddress?.port ?? 0)
    }

    /// Connects a client of our own.
    func connect(
        _ context: TLSContext,
        autoRead: Bool = true,
        application: @escaping @Sendable () -> any ChannelHandler
    ) async throws -> any Channel {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: autoRead)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = try TLSHandler(
                        context: context,
                        serverName: "localhost",
                        limits: .patient
                    )
                    try channel.pipeline.syncOperations.addHandlers([handler, application()])
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
    }

    func stop() async throws { try await channel.close() }
}

/// Answers each request with the length of its body and facts of the connection: enough HTTP for
/// curl and `openssl s_client`.
final class LengthResponder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var received = ByteBuffer()

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        let view = received.readableBytesView
        guard let end = view.firstRange(of: Array("\r\n\r\n".utf8)) else { return }
        let head = String(decoding: view[..<end.lowerBound], as: UTF8.self)
        let length =
            head.split(separator: "\r\n")
            .first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.dropFirst(15).drop { $0 == " " }) } ?? 0
        guard view.distance(from: end.upperBound, to: view.endIndex) >= length else { return }
        received.clear()
        let facts = try? context.pipeline.syncOperations.handler(type: TLSHandler.self).facts
        var body = "\(length) \(facts?.version.rawValue ?? "-")"
        if let standing = facts?.clientStanding, standing != .notAsked { body += " \(standing)" }
        body += " \(facts?.isResumed ?? false)\n"
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
        if head.contains("Connection: close") { context.close(promise: nil) }
    }
}

extension Collection where Element: Equatable {
    /// Where a sequence of elements is found first.
    func firstRange(of pattern: [Element]) -> Range<Index>? {
        var start = startIndex
        while start != endIndex {
            let rest = self[start...]
            if rest.starts(with: pattern) {
                return start..<index(start, offsetBy: pattern.count)
            }
            formIndex(after: &start)
        }
        return nil
    }
}
