import Files
import FoundationEssentials
import Transfer

/// The local data server (`Server/data_server.py`, which lists its paths) and its certificate.
package final class DataServer: Sendable {
    /// Why the tests that need it are skipped, if they are.
    package static let wants = "needs python3 and openssl for the local data server"
    /// Whether it can run here.
    package static let isPossible =
        ChildProcess.isThere("python3") && ChildProcess.isThere("openssl")

    /// The port at 127.0.0.1.
    package let port: Int
    /// The certificate, which is its own authority.
    package let caFile: String
    private let folder: TemporaryDirectory
    private let process: ChildProcess

    /// Starts a server on a free port, with a certificate made now.
    ///
    /// - Parameters:
    ///   - names: What the certificate is for, in OpenSSL's words.
    ///   - usesTLS: Whether it serves HTTPS.
    ///   - isOld: Whether it knows no TLS after 1.1.
    ///   - isExpired: Whether its certificate ended yesterday.
    /// - Throws: ``ChildProcess/Failure`` and what files throw.
    package init(
        names: String = "DNS:localhost,IP:127.0.0.1",
        usesTLS: Bool = true,
        isOld: Bool = false,
        isExpired: Bool = false
    ) throws {
        folder = try TemporaryDirectory()
        caFile = folder.path("certificate.pem")
        let key = folder.path("key.pem")
        try Folder.make(folder.path("root"))
        var command = ["python3", Self.script, "--root", folder.path("root")]
        // A shared server lives as long as this process, which removes nothing when it exits.
        command += ["--remove", folder.path]
        if usesTLS {
            try Self.makeCertificate(caFile, key, names, isExpired: isExpired)
            command += ["--certificate", caFile, "--key", key]
        }
        if isOld { command.append("--tls-1.1") }
        process = try ChildProcess(command)
        let line = try process.readLine()
        guard line.hasPrefix("port "), let port = Int(line.dropFirst(5)) else {
            throw ChildProcess.Failure(description: "the data server said: \(line)")
        }
        self.port = port
    }

    /// The server that most tests share; they keep apart by their files' names and tokens.
    package static func shared() throws -> DataServer { try common.get() }

    /// A URL at this server.
    package func url(_ path: String, host: String = "127.0.0.1") -> String {
        "https://\(host):\(port)/\(path)"
    }

    /// Puts a file into the served folder, in place of the one that may be there.
    package func put(_ name: String, _ bytes: [UInt8]) throws {
        try WholeFile.replace(folder.path("root/\(name)"), bytes)
    }

    /// The digest of the server's public key, as curl pins it.
    package func pin() throws -> String {
        let command =
            "openssl x509 -in '\(caFile)' -pubkey -noout | openssl pkey -pubin -outform der"
            + " | openssl dgst -sha256 -binary | openssl base64"
        return "sha256//" + (try ChildProcess(["sh", "-c", command]).readLine())
    }

    /// One request that the server got.
    package struct LoggedRequest: Decodable {
        /// The method.
        package let method: String
        /// The target, with its query.
        package let path: String
        /// The fields by name.
        package let headers: [String: String]
    }

    /// The requests so far whose query had this `t`.
    package func log(_ token: String) throws -> [LoggedRequest] {
        var session = try HTTPSession(HTTPSessionSettings(caFile: caFile))
        let reply = try session.get(url("log?t=\(token)"))
        return try JSONDecoder().decode([LoggedRequest].self, from: Data(reply.body))
    }

    /// The requests without a `t` so far, of a server without TLS.
    package func plainLog() throws -> [LoggedRequest] {
        var session = try HTTPSession(HTTPSessionSettings(allowsPlaintext: true))
        let reply = try session.get("http://127.0.0.1:\(port)/log")
        return try JSONDecoder().decode([LoggedRequest].self, from: Data(reply.body))
    }

    private static let common = Result { try DataServer() }

    private static var script: String {
        Folder.parent(of: #filePath) + "/Server/data_server.py"
    }

    private static func makeCertificate(
        _ path: String,
        _ key: String,
        _ names: String,
        isExpired: Bool
    ) throws {
        let request = "\(path).request"
        try ChildProcess.run(
            [
                "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
                "-subj", "/CN=data server", "-addext", "subjectAltName=\(names)",
            ]
        )
        // Unlike `req -x509`, this takes a number of days below zero.
        try ChildProcess.run(
            [
                "openssl", "x509", "-req", "-in", request, "-signkey", key, "-copy_extensions",
                "copy", "-days", isExpired ? "-1" : "2", "-out", path,
            ]
        )
    }
}
