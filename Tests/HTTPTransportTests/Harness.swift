import HTTPTransport
import NIOCore
import NIOEmbedded
import Telemetry
import Testing

/// A responder for tests: notes what it is given and answers by the path.
final class NotingResponder: HTTPResponder {
    private(set) var admitted: [String] = []
    private(set) var bodies: [String] = []
    private(set) var requests: [HTTPRequest] = []
    var bodyBytesMax = 1000
    var promise: EventLoopPromise<HTTPResponse>?
    private(set) var abandoned = 0
    let eventLoop: any EventLoop

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    static let routes = ["/echo", "/later", "/large"]

    func admit(_ request: HTTPRequest) -> Admission {
        admitted.append(request.head.methodText + " " + request.head.path)
        if request.head.pathIs("/refused") {
            return .reject(
                HTTPResponse(
                    status: .notFound,
                    contentType: .text,
                    body: ByteBuffer(string: "no\n")
                )
            )
        }
        let table = try? RouteTable(Self.routes)
        return .accept(
            bodyBytesMax: bodyBytesMax,
            route: table?.route(request.head.path) ?? .other,
            isVital: request.head.pathIs("/vital")
        )
    }

    func respond(to request: HTTPRequest) -> Reply {
        requests.append(request)
        bodies.append(String(buffer: request.body))
        if request.head.pathIs("/later") {
            let promise = eventLoop.makePromise(of: HTTPResponse.self)
            self.promise = promise
            return .later(promise.futureResult) {
                self.abandoned += 1
                promise.fail(ChannelError.eof)
            }
        }
        return .now(response(to: request))
    }

    private func response(to request: HTTPRequest) -> HTTPResponse {
        if request.head.pathIs("/none") { return HTTPResponse(status: .noContent) }
        if request.head.pathIs("/unchanged") { return HTTPResponse(status: .notModified) }
        if request.head.pathIs("/large") {
            return HTTPResponse(status: .ok, body: ByteBuffer(repeating: 0x61, count: 200_000))
        }
        var response = HTTPResponse(
            status: .ok,
            contentType: .text,
            body: ByteBuffer(string: "[" + String(buffer: request.body) + "]"),
            route: request.route
        )
        response.closesConnection = request.head.pathIs("/last")
        return response
    }
}

/// One answer as a client reads it.
struct Answer: Equatable, CustomStringConvertible {
    var status: Int
    var fields: [String: String]
    var body: String

    var description: String { "\(status) \(fields) \(body)" }
    var closes: Bool { fields["connection"] == "close" }

    struct CutShort: Error { let text: String }

    /// Reads all the answers that stand one after the other.
    ///
    /// - Parameters:
    ///   - text: what was received.
    ///   - heads: which of them, by number, answer a HEAD request.
    /// - Returns: the answers in order.
    /// - Throws: ``CutShort`` when the last one is not whole.
    static func read(_ text: String, heads: Set<Int> = []) throws -> [Answer] {
        var answers: [Answer] = []
        var rest = Array(text.utf8)
        while !rest.isEmpty {
            guard let end = rest.firstRange(of: Array("\r\n\r\n".utf8)) else {
                throw CutShort(text: text)
            }
            let head = String(decoding: rest[..<end.lowerBound], as: UTF8.self)
            rest.removeSubrange(..<end.upperBound)
            let lines = head.split(separator: "\r\n").map(String.init)
            let status = try #require(Int(lines[0].split(separator: " ")[1]))
            var fields: [String: String] = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1).map(String.init)
                let value = String(parts[1].drop { $0 == " " })
                #expect(fields.updateValue(value, forKey: parts[0].lowercased()) == nil)
            }
            var body = ""
            let length = Int(fields["content-length"] ?? "0") ?? 0
            if !heads.contains(answers.count) {
                guard length <= rest.count else { throw CutShort(text: text) }
                body = String(decoding: rest[..<length], as: UTF8.self)
                rest.removeFirst(length)
            }
            answers.append(Answer(status: status, fields: fields, body: body))
        }
        return answers
    }
}

/// One connection in memory, with a clock that stands still until it is moved.
struct Connection {
    let channel = EmbeddedChannel()
    let responder: NotingResponder
    let services: LoopServices
    let registry = MetricRegistry(shards: 1)
    let metrics: HTTPMetrics
    let addresses = AddressCounts()

    init(
        limits: TransportLimits = TransportLimits(),
        bodyBytesMax: Int = 1000,
        accessLog: AccessLog? = nil,
        traces: TraceCollector? = nil,
        overload: OverloadState = OverloadState()
    ) throws {
        let loop = channel.embeddedEventLoop
        responder = NotingResponder(eventLoop: loop)
        responder.bodyBytesMax = bodyBytesMax
        metrics = try HTTPMetrics(registry: registry, listener: "api")
        services = LoopServices(
            eventLoop: loop,
            shard: 0,
            settings: ListenerSettings(
                name: "api",
                limits: limits,
                routes: try RouteTable(NotingResponder.routes)
            ),
            metrics: metrics,
            accessLog: accessLog,
            traces: traces,
            identifiers: RequestIdentifierSource(seed: 1),
            clock: { WallTime(nanosecondsSinceEpoch: 784_111_777_000_000_000) },
            responder: responder,
            addresses: addresses,
            overload: overload
        )
        try open(channel)
    }

    /// Adds a handler to a channel and connects it.
    func open(_ channel: EmbeddedChannel, from address: String = "192.0.2.7") throws {
        try channel.pipeline.syncOperations.addHandler(HalfCloser())
        try channel.pipeline.syncOperations.addHandler(HTTPConnectionHandler(services: services))
        try channel.connect(to: SocketAddress(ipAddress: address, port: 4000)).wait()
    }

    /// Gives the bytes to the connection as one read.
    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        try channel.writeInbound(ByteBuffer(bytes: bytes))
    }

    /// All that the connection has sent since the last call, and in how many writes.
    func received() throws -> (text: String, writes: Int) {
        channel.embeddedEventLoop.run()
        var text = ""
        var writes = 0
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) {
            text += String(buffer: buffer)
            writes += 1
        }
        return (text, writes)
    }

    func answers(heads: Set<Int> = []) throws -> [Answer] {
        try Answer.read(received().text, heads: heads)
    }

    /// What Prometheus would see now.
    func metricsText() -> String {
        var text: [UInt8] = []
        registry.write(.text, into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    func advance(seconds: Double) {
        channel.embeddedEventLoop.advanceTime(by: .nanoseconds(Int64(seconds * 1e9)))
    }
}

func get(_ path: String, _ fields: String = "") -> String {
    "GET \(path) HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"
}

func post(_ path: String, _ body: String, _ fields: String = "") -> String {
    "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}

func chunked(_ body: String) -> String {
    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)"
}

/// Lets only one direction be closed, as a socket does and a channel in memory does not.
final class HalfCloser: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all else {
            promise?.succeed()
            return
        }
        context.close(mode: mode, promise: promise)
    }
}

/// Counts the reads that reach the channel.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    var reads = 0

    func read(context: ChannelHandlerContext) {
        reads += 1
        context.read()
    }
}
