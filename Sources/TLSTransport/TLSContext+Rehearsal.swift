internal import COpenSSL
internal import NIOCore

extension TLSContext {
    /// Makes one handshake in memory with each certificate, so that a server that could not make any
    /// is not let loose on clients.
    ///
    /// - Throws: ``TLSError/handshakeFailed(_:reason:)``, ``TLSError/libraryFailed(operation:reason:)``.
    package func rehearse() throws(TLSError) {
        let client = try TLSContext(trustingAnybody: ())
        for name in rehearsedNames { try rehearse(with: client, asking: name) }
    }

    private func rehearse(with client: TLSContext, asking name: String?) throws(TLSError) {
        let server = try TLSSession(context: self, serverName: nil)
        // Nobody but ourselves is at the other end.
        server.trustAnyPeer()
        let client = try TLSSession(context: client, serverName: nil)
        if let name { try client.ask(for: name) }
        var (toServer, toClient) = (ByteBuffer(), ByteBuffer())
        for _ in 0..<Self.roundsMax {
            let client = client.handshake(&toClient, sending: &toServer)
            let server = server.handshake(&toServer, sending: &toClient)
            switch (client, server) {
            case (.done, .done): return
            case (.failed(let error), _), (_, .failed(let error)):
                throw .handshakeFailed(HandshakeFailure(error), reason: "rehearsal: \(error.text)")
            default: continue
            }
        }
        throw .handshakeFailed(.protocolError, reason: "rehearsal: it does not end")
    }

    private static let roundsMax = 8
}

extension TLSSession {
    /// Goes on with the handshake, and moves what is to be sent to a buffer.
    fileprivate func handshake(
        _ input: inout ByteBuffer,
        sending output: inout ByteBuffer
    ) -> TLSOutcome {
        let outcome = handshake(&input)
        takeOutput(&output)
        return outcome
    }
}
