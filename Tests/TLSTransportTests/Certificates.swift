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

    func path(_ name: String) -> String { folder.path(name) }
}

extension TLSError {
    /// The reason of a failed handshake.
    var failure: HandshakeFailure? {
        if case .handshakeFailed(let failure, _) = self { failure } else { nil }
    }
}
