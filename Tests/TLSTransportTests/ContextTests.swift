import Files
import TLSTransport
import Testing

@Suite("TLS contexts") struct ContextTests {
    @Test("a context knows what its certificate is for and when it ends")
    func facts() throws {
        let files = try Certificates(names: ["box.example", "10.1.2.3"])
        let context = try files.server()
        #expect(context.isServer)
        #expect(context.certificateNotAfter == files.made.notAfter)
        #expect(
            context.subjectAlternativeNames
                == ["localhost", "127.0.0.1", "::1", "box.example", "10.1.2.3"]
        )
        let counted = try Counted()
        counted.metrics.certificate(of: context)
        #expect(try counted.certificateNotAfter() == Double(files.made.notAfter))
        let client = try TLSContext(client: TLSClientSettings())
        #expect(!client.isServer)
        #expect(client.certificateNotAfter == nil)
        #expect(client.subjectAlternativeNames.isEmpty)
    }

    /// The code of the error for files with the given contents.
    private func refusal(
        certificate: String? = nil,
        key: String? = nil,
        authorities: String? = nil
    ) throws -> TLSError? {
        let files = try Certificates()
        for (name, text) in [("c", certificate), ("k", key), ("a", authorities)] {
            if let text { try WholeFile.create(files.path(name), Array(text.utf8)) }
        }
        do {
            _ = try files.server { settings in
                if certificate != nil { settings.identity.certificateFile = files.path("c") }
                if key != nil { settings.identity.keyFile = files.path("k") }
                if authorities != nil {
                    settings.clientCertificates = .asked(authorities: files.path("a"))
                }
            }
            return nil
        } catch let error as TLSError {
            return error
        }
    }

    @Test(
        "a file that is empty, garbage or cut is refused by name",
        arguments: [
            "", "garbage", "-----BEGIN CERTIFICATE-----\n", "\0\0\0",
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
        ]
    )
    func badFiles(text: String) throws {
        for error in [
            try refusal(certificate: text), try refusal(key: text), try refusal(authorities: text),
        ] {
            #expect(error?.code == "tls_file_unusable")
        }
    }

    @Test("a missing file is refused with its path and the system's reason")
    func missingFile() throws {
        #expect {
            try TLSContext(
                server: TLSServerSettings(certificateFile: "/none/c.pem", keyFile: "/none/k.pem")
            )
        } throws: { error in
            "\(error)".contains("/none/c.pem") && "\(error)".contains("No such file")
        }
        let files = try Certificates()
        #expect(throws: TLSError.self) {
            try files.server { $0.clientCertificates = .asked(authorities: "/none/ca.pem") }
        }
        #expect(throws: TLSError.self) {
            try TLSContext(client: TLSClientSettings(authoritiesFile: "/none/ca.pem"))
        }
    }

    @Test("another certificate's key is refused")
    func mismatch() throws {
        let one = try Certificates()
        let other = try Certificates()
        #expect(
            throws: TLSError.keyMismatch(
                certificate: one.made.certificateFile,
                key: other.made.keyFile
            )
        ) {
            try one.server { $0.identity.keyFile = other.made.keyFile }
        }
    }

    @Test("a key with a passphrase is refused and nobody is asked for it")
    func passphrase() async throws {
        let files = try Certificates()
        try await run(
            "openssl",
            "pkey",
            "-in",
            files.made.keyFile,
            "-aes256",
            "-passout",
            "pass:secret",
            "-out",
            files.path("locked.key")
        )
        #expect(throws: TLSError.self) {
            try files.server { $0.identity.keyFile = files.path("locked.key") }
        }
    }

    @Test("application protocols that cannot be sent are refused")
    func badProtocols() throws {
        let files = try Certificates()
        for protocols in [[""], ["http/1.1", ""], [String(repeating: "x", count: 255)]] {
            #expect(throws: TLSError.self) {
                try files.server { $0.applicationProtocols = protocols }
            }
            #expect(throws: TLSError.self) {
                try files.client { $0.applicationProtocols = protocols }
            }
        }
    }

    @Test("a chain ends when its first certificate ends")
    func chainEnd() async throws {
        let files = try Certificates()
        let chain = try WholeFile.read(files.made.certificateFile, bytesMax: 10_000)
        let short = try Certificates(now: now() - 100 * 86_400)
        let authority = try WholeFile.read(short.made.authorityFile, bytesMax: 10_000)
        try WholeFile.create(files.path("chain.pem"), chain + authority)
        let context = try files.server { $0.identity.certificateFile = files.path("chain.pem") }
        #expect(context.certificateNotAfter == short.made.notAfter)
    }

    @Test("every error has its own code and says what to do")
    func errors() {
        let errors: [TLSError] = [
            .fileUnusable(path: "/p", what: "certificate", reason: "r"),
            .keyMismatch(certificate: "/c", key: "/k"),
            .settingRefused(name: "n", reason: "r"),
            .folderUnusable(path: "/f", reason: "r"),
            .libraryFailed(operation: "o", reason: "r"),
            .handshakeFailed(.probe, reason: "r"),
            .connectionFailed(reason: "r"),
        ]
        #expect(Set(errors.map(\.code)).count == errors.count)
        #expect(errors.allSatisfy { $0.code.hasPrefix("tls_") })
        #expect(errors.allSatisfy { $0.description.split(separator: ": ").count >= 3 })
        #expect(TLSLibrary.version.hasPrefix("OpenSSL 3."))
    }
}
