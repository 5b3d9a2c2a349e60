import TLSTransport
import TestSupport

/// Development certificates in a folder that lives as long as this object.
final class Certificates: Sendable {
    let made: DevelopmentCertificate
    private let folder: TemporaryDirectory

    init(names: [String] = [], now time: Int64 = now()) throws {
        folder = try TemporaryDirectory()
        made = try DevelopmentCertificate.ensure(in: folder.path("tls"), names: names, now: time)
    }

    /// A server's context with these files, which are there for as long as the call lasts.
    func server(_ change: (inout TLSServerSettings) -> Void = { _ in }) throws -> TLSContext {
        var settings = made.serverSettings
        change(&settings)
        return try TLSContext(server: settings)
    }

    /// The context of a client that trusts these files.
    func client(_ change: (inout TLSClientSettings) -> Void = { _ in }) throws -> TLSContext {
        var settings = TLSClientSettings(authoritiesFile: made.authorityFile)
        change(&settings)
        return try TLSContext(client: settings)
    }

    func path(_ name: String) -> String { folder.path(name) }
}

extension TLSError {
    /// The reason of a failed handshake.
    var failure: HandshakeFailure? {
        if case .handshakeFailed(let failure, _) = self { failure } else { nil }
    }
}
