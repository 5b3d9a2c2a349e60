import NIOCore
import NIOEmbedded
import TLSTransport

/// A client and a server connected in memory.
struct Pair {
    let client: Endpoint
    let server: Endpoint

    init(_ fixture: Fixture, limits: TLSLimits = TLSLimits()) throws {
        try self.init(client: fixture.client, server: fixture.server, limits: limits)
    }

    init(
        client: TLSContext,
        server: TLSContext,
        serverName: String = "localhost",
        limits: TLSLimits = TLSLimits()
    ) throws {
        self.client = try Endpoint(client, serverName: serverName, limits: limits)
        self.server = try Endpoint(server, limits: limits)
    }

    init(client: Endpoint, server: Endpoint) {
        self.client = client
        self.server = server
    }

    /// A pair whose handshake is done.
    static func connected(_ fixture: Fixture, limits: TLSLimits = TLSLimits()) throws -> Pair {
        let pair = try Pair(fixture, limits: limits)
        try pair.connect()
        return pair
    }

    func connect() throws {
        try server.connect()
        try client.connect()
        interact()
    }

    /// Ends both channels, so that nothing waits any more.
    func end() {
        for side in [client, server] where side.isOpen { side.edge.end() }
    }

    /// Carries bytes and ends to and fro until nothing moves.
    func interact(chunkBytes: Int = .max) {
        while carry(client, server, chunkBytes) || carry(server, client, chunkBytes) {}
    }

    /// Whether anything was carried.
    private func carry(_ source: Endpoint, _ target: Endpoint, _ chunkBytes: Int) -> Bool {
        var bytes = source.edge.sent
        source.edge.sent = ByteBuffer()
        if bytes.readableBytes > 0 {
            while let part = bytes.readSlice(length: min(chunkBytes, bytes.readableBytes)),
                part.readableBytes > 0
            { if target.isOpen { target.receive(part) } }
            return true
        }
        guard source.edge.isOutputClosed || !source.isOpen, target.isOpen else { return false }
        target.edge.end()
        return true
    }
}

/// The content types and lengths of the TLS records in a buffer.
func records(in bytes: ByteBuffer) -> [(type: UInt8, length: Int)] {
    var rest = bytes
    var found: [(type: UInt8, length: Int)] = []
    while let type = rest.readInteger(as: UInt8.self), rest.readInteger(as: UInt16.self) != nil,
        let length = rest.readInteger(as: UInt16.self)
    {
        found.append((type, Int(length)))
        rest.moveReaderIndex(forwardBy: min(Int(length), rest.readableBytes))
    }
    return found
}
