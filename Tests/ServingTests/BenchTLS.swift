import HTTPTransport
import TLSTransport
import TestSupport

/// A development certificate for one test, and how a listener uses it.
final class BenchTLS {
    let listener: ListenerTLS
    /// The authority to trust, in PEM.
    let authority: String
    private let folder: TemporaryDirectory

    init() throws {
        folder = try TemporaryDirectory()
        let certificate = try DevelopmentCertificate.ensure(
            in: folder.path,
            names: [],
            now: WallClock.now
        )
        let context = try TLSContext(
            server: TLSServerSettings(
                certificateFile: certificate.certificateFile,
                keyFile: certificate.keyFile
            )
        )
        listener = ListenerTLS(source: context, limits: .patient)
        authority = certificate.authorityFile
    }
}
