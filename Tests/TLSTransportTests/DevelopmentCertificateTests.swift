import Files
import Glibc
import TLSTransport
import TestSupport
import Testing

@Suite("Development certificates") struct DevelopmentCertificateTests {
    private func mode(_ path: String) throws -> mode_t {
        var facts = stat()
        try #require(unsafe stat(path, &facts) == 0)
        return facts.st_mode & 0o777
    }

    private func contents(_ made: DevelopmentCertificate) throws -> [[UInt8]] {
        try [made.authorityFile, made.certificateFile, made.keyFile].map {
            try WholeFile.read($0, bytesMax: 100_000)
        }
    }

    @Test("the first start makes them, the next keeps them")
    func makesOnce() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path("a/tls")
        let first = try DevelopmentCertificate.ensure(in: path, now: now())
        #expect(first.made == .missing)
        #expect(first.notAfter > now() + 364 * 86_400)
        #expect(first.notAfter < now() + 366 * 86_400)
        let before = try contents(first)
        let second = try DevelopmentCertificate.ensure(in: path, now: now())
        #expect(second.made == nil)
        #expect(second.notAfter == first.notAfter)
        #expect(try contents(second) == before)
        #expect(try mode(first.keyFile) == 0o600)
        #expect(try mode(path) == 0o700)
        #expect(try Folder.list(path) == ["ca.pem", "lock", "server.key", "server.pem"])
    }

    @Test("they are made anew thirty days before the end")
    func renews() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path("tls")
        let first = try DevelopmentCertificate.ensure(in: path, now: now())
        let kept = try DevelopmentCertificate.ensure(in: path, now: first.notAfter - 31 * 86_400)
        #expect(kept.made == nil)
        let late = try DevelopmentCertificate.ensure(in: path, now: first.notAfter - 29 * 86_400)
        #expect(late.made == .expiring)
        #expect(late.notAfter > first.notAfter)
        // A clock that went back: certificates of the future are of no use.
        let early = try DevelopmentCertificate.ensure(in: path, now: now())
        #expect(early.made == .unusable)
    }

    @Test("other names make new ones; order, case and repetition do not")
    func names() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path("tls")
        func ensure(_ names: [String]) throws -> DevelopmentCertificate.Reason? {
            try DevelopmentCertificate.ensure(in: path, names: names, now: now()).made
        }
        #expect(try ensure(["box.example"]) == .missing)
        #expect(try ensure(["BOX.example", "localhost", "box.example"]) == nil)
        #expect(try ensure(["box.example", "2001:DB8:0::1"]) == .namesChanged)
        #expect(try ensure(["2001:db8::1", "box.example"]) == nil)
        #expect(try ensure(["*.example"]) == .namesChanged)
        #expect(try ensure([]) == .namesChanged)
    }

    @Test(
        "a name that is none is refused",
        arguments: [
            "", "a b", "a,DNS:evil.example", "-a", "a-", "a..b", ".", "*", "a.*.b", "ü.example",
            "1.2.3.4/8", "a:b", "a\n", "[::1]", String(repeating: "a", count: 64),
        ]
    )
    func badNames(name: String) throws {
        let folder = try TemporaryDirectory()
        #expect {
            try DevelopmentCertificate.ensure(in: folder.path("tls"), names: [name], now: now())
        } throws: { ($0 as? TLSError)?.code == "tls_setting_refused" }
        #expect(!Folder.exists(folder.path("tls")))
    }

    @Test("files that are lost, cut, exchanged or of another pair are made anew")
    func heals() throws {
        let folder = try TemporaryDirectory()
        let path = folder.path("tls")
        let files = try DevelopmentCertificate.ensure(in: path, now: now())
        let other = try Certificates()
        let harms: [(String, () throws -> Void)] = [
            ("no key", { try Folder.remove(files.keyFile) }),
            ("no authority", { try Folder.remove(files.authorityFile) }),
            ("cut key", { try WholeFile.replace(files.keyFile, [45, 45]) }),
            ("empty certificate", { try WholeFile.replace(files.certificateFile, []) }),
            ("garbage authority", { try WholeFile.replace(files.authorityFile, [1, 2, 3]) }),
            (
                "another's key",
                {
                    let key = try WholeFile.read(other.made.keyFile, bytesMax: 10_000)
                    try WholeFile.replace(files.keyFile, key)
                }
            ),
            (
                "another's authority",
                {
                    let authority = try WholeFile.read(other.made.authorityFile, bytesMax: 10_000)
                    try WholeFile.replace(files.authorityFile, authority)
                }
            ),
        ]
        for (what, harm) in harms {
            try harm()
            let healed = try DevelopmentCertificate.ensure(in: path, now: now())
            #expect(healed.made == .unusable, "\(what)")
            _ = try TLSContext(server: healed.serverSettings)
            #expect(try DevelopmentCertificate.ensure(in: path, now: now()).made == nil, "\(what)")
        }
    }

    @Test("a folder that cannot be made is an error that names it")
    func badFolder() throws {
        let folder = try TemporaryDirectory()
        try WholeFile.create(folder.path("file"), [1])
        #expect {
            try DevelopmentCertificate.ensure(in: folder.path("file/tls"), now: now())
        } throws: { error in
            (error as? TLSError)?.code == "tls_folder_unusable" && "\(error)".contains("file/tls")
        }
    }

    @Test("several that start at once agree")
    func concurrently() async throws {
        let folder = try TemporaryDirectory()
        let path = folder.path("tls")
        let time = now()
        let reasons = try await withThrowingTaskGroup(of: DevelopmentCertificate.Reason?.self) {
            group in
            for _ in 0..<8 {
                group.addTask { try DevelopmentCertificate.ensure(in: path, now: time).made }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(reasons.filter { $0 == .missing }.count == 1)
        #expect(reasons.filter { $0 == nil }.count == 7)
    }

    @Test("openssl finds them in order")
    func verified() async throws {
        let files = try Certificates(names: ["box.example"])
        let ca = files.made.authorityFile
        let certificate = files.made.certificateFile
        try await run(
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            "sslserver",
            "-verify_hostname",
            "box.example",
            "-CAfile",
            ca,
            certificate
        )
        let text = try await run("openssl", "x509", "-in", certificate, "-noout", "-text").output
        for expected in [
            "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:box.example",
            "TLS Web Server Authentication", "CA:FALSE", "Digital Signature", "P-256",
            "ecdsa-with-SHA256",
        ] { #expect(text.contains(expected), "\(expected)") }
        let authority = try await run("openssl", "x509", "-in", ca, "-noout", "-text").output
        for expected in ["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign"] {
            #expect(authority.contains(expected), "\(expected)")
        }
        // The authority's key is nowhere, and the server's is the server's only.
        let key = try WholeFile.read(files.made.keyFile, bytesMax: 10_000)
        #expect(String(decoding: key, as: UTF8.self).hasPrefix("-----BEGIN PRIVATE KEY-----"))
    }
}
