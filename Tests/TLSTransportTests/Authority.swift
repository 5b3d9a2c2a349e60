import Files
import TLSTransport
import TestSupport

/// A certificate authority made by `openssl`, in a folder that lives as long as this object.
final class Authority: Sendable {
    let certificate: String
    private let folder: TemporaryDirectory

    init(_ name: String = "authority") async throws {
        folder = try TemporaryDirectory()
        certificate = folder.path("ca.pem")
        try await run(
            "openssl",
            ["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=\(name)"] + Self.newKey
                + ["-keyout", folder.path("ca.key"), "-out", certificate]
        )
    }

    func path(_ name: String) -> String { folder.path(name) }

    /// Issues a certificate; the chain file holds the authority's, too.
    func issue(
        _ name: String,
        names: String,
        key: [String] = newKey,
        serial: String = "0x1234",
        days: Int = 20
    ) async throws -> TLSIdentity {
        let (request, extensions) = (path("\(name).csr"), path("\(name).ext"))
        let files = TLSIdentity(
            certificateFile: path("\(name).pem"),
            keyFile: path("\(name).key")
        )
        try await run(
            "openssl",
            ["req", "-new", "-nodes", "-subj", "/CN=\(name)", "-out", request] + key
                + ["-keyout", files.keyFile]
        )
        try WholeFile.replace(extensions, Array("subjectAltName=\(names)\n".utf8))
        try await run(
            "openssl",
            ["x509", "-req", "-in", request, "-CA", certificate, "-CAkey", path("ca.key")]
                + ["-set_serial", serial, "-days", "\(days)", "-extfile", extensions]
                + ["-out", files.certificateFile]
        )
        let own = try WholeFile.read(files.certificateFile, bytesMax: 10_000)
        let authority = try WholeFile.read(certificate, bytesMax: 10_000)
        try WholeFile.replace(files.certificateFile, own + authority)
        return files
    }

    /// Makes an OCSP response about a certificate; `state` is V (good) or R (revoked).
    func respond(
        about identity: TLSIdentity,
        state: String = "V",
        serial: String = "1234",
        validity: [String] = ["-ndays", "1"],
        to name: String = "response.der"
    ) async throws -> String {
        let revoked = state == "R" ? "250101000000Z" : ""
        let line = "\(state)\t400101000000Z\t\(revoked)\t\(serial)\tunknown\t/CN=x\n"
        try WholeFile.replace(path("index.txt"), Array(line.utf8))
        let authority = ["-CA", certificate, "-rsigner", certificate, "-rkey", path("ca.key")]
        try await run(
            "openssl",
            ["ocsp", "-index", path("index.txt"), "-issuer", certificate] + authority
                + ["-cert", identity.certificateFile, "-respout", path(name)] + validity
        )
        return path(name)
    }

    /// A client that trusts the authority.
    func client(_ identity: TLSIdentity? = nil) throws -> TLSContext {
        var settings = TLSClientSettings(authoritiesFile: certificate)
        settings.certificate = identity.map { ($0.certificateFile, $0.keyFile) }
        return try TLSContext(client: settings)
    }

    static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    static let newRSAKey = ["-newkey", "rsa:2048"]
}

extension TLSServerSettings {
    /// A server with a certificate of an authority.
    init(_ identity: TLSIdentity) {
        self.init(certificateFile: identity.certificateFile, keyFile: identity.keyFile)
    }
}

/// Runs a tool to its end, with its arguments as a list.
func run(_ tool: String, _ arguments: [String]) async throws {
    let printed = try await attempt(tool, arguments)
    guard printed.isSuccess else {
        throw ToolFailed(description: "\(tool) \(arguments): \(printed.output)\(printed.errors)")
    }
}

/// One connection by `openssl s_client`, with a request that asks to close.
func talk(_ server: SocketServer, _ options: [String]) async throws -> Printed {
    try await attempt(
        "openssl",
        ["s_client", "-ign_eof", "-connect", "127.0.0.1:\(server.port)"] + options,
        input: "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
}
