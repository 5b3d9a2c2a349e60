import Files
import TestSupport
import Testing
import Transfer

/// Which addresses a source may lead to.
@Suite("Addresses of sources") struct AddressKindTests {
    @Test(
        "every form of an address is of its kind",
        arguments: [
            ("93.184.216.34", IPAddress.Kind.public), ("2606:2800:220:1::1", .public),
            ("127.0.0.1", .loopback), ("127.255.255.254", .loopback), ("::1", .loopback),
            ("10.0.0.1", .private), ("172.16.0.1", .private), ("172.31.255.255", .private),
            ("172.32.0.1", .public), ("192.168.1.1", .private), ("100.64.0.1", .private),
            ("100.128.0.1", .public), ("fd12::1", .private), ("fec0::1", .private),
            ("169.254.169.254", .linkLocal), ("fe80::1", .linkLocal), ("fd00:ec2::254", .linkLocal),
            ("224.0.0.1", .multicast), ("ff02::1", .multicast),
            ("0.0.0.0", .unspecified), ("0.1.2.3", .unspecified), ("::", .unspecified),
            ("255.255.255.255", .unspecified),
            // What is of version 4 in the clothes of version 6.
            ("::ffff:127.0.0.1", .loopback), ("::ffff:169.254.169.254", .linkLocal),
            ("::10.0.0.1", .private), ("64:ff9b::192.168.0.1", .private),
            ("2002:a9fe:a9fe::1", .linkLocal), ("::ffff:93.184.216.34", .public),
        ]
    )
    func kinds(_ text: String, _ kind: IPAddress.Kind) throws {
        #expect(try #require(IPAddress(text)).kind == kind)
    }

    @Test("what is no address is none", arguments: ["", "localhost", "1.2.3", "::g", "1.2.3.4.5"])
    func none(_ text: String) { #expect(IPAddress(text) == nil) }
}

/// The same on the wire: a local server under public names.
@Suite("Guard of addresses", .enabled(if: DataServer.isPossible, "\(DataServer.wants)"))
struct AddressGuardTests {
    /// A server whose certificate is for these names, all of which lead to 127.0.0.1.
    private final class Bench: Sendable {
        let server: DataServer
        let folder: TemporaryDirectory
        let downloader: Downloader
        let attempts = Collected<DownloadAttempt>()
        let waits = Collected<Duration>()

        init(proxy: String = "", resolved address: String = "127.0.0.1") throws {
            server = try DataServer(
                names: "DNS:data.example.com,DNS:store,DNS:data.internal,IP:127.0.0.1,DNS:localhost"
            )
            folder = try TemporaryDirectory()
            let port = server.port
            let (attempts, waits) = (attempts, waits)
            downloader = try Downloader(
                settings: DownloadSettings(
                    caFile: server.caFile,
                    proxy: proxy,
                    resolve: ["data.example.com", "store", "data.internal", "other.example.com"]
                        .map { "\($0):\(port):\($0.hasPrefix("other") ? "127.0.0.2" : address)" },
                    limits: DownloadLimits(connectSecondsMax: 5, totalSecondsMax: 30)
                ),
                logger: silentLogger,
                onAttempt: { attempts.append($0) },
                sleep: { waits.append($0) }
            )
        }

        func get(
            _ url: String,
            allowsPrivate: Bool = false
        ) async throws(TransferError) -> DownloadOutcome {
            var request = DownloadRequest(mirrors: [url], target: folder.path("data.bin"))
            if allowsPrivate { request.access[url] = SourceAccess(allowsPrivate: true) }
            return try await downloader.download(request)
        }

        func failure(_ url: String, allowsPrivate: Bool = false) async -> TransferError? {
            do throws(TransferError) {
                _ = try await get(url, allowsPrivate: allowsPrivate)
                return nil
            } catch { return error }
        }
    }

    @Test("a public name that leads to this machine is refused before anything is sent, and once")
    func publicName() async throws {
        let bench = try Bench()
        let url = bench.server.url("bytes/10?t=public", host: "data.example.com")
        let error = await bench.failure(url)
        #expect(error?.code == "address_refused", "\(error.map(\.description) ?? "no error")")
        #expect(error?.description.contains("127.0.0.1, an address that is loopback") == true)
        #expect(error?.description.contains("allow_private") == true)
        #expect(error?.isTransient == false)
        #expect(bench.attempts.all.count == 1 && bench.waits.all.isEmpty)
        #expect(try bench.server.log("public").isEmpty)
    }

    @Test("what is meant goes on: addresses, this machine, own names, and where it is allowed")
    func meant() async throws {
        let bench = try Bench()
        for host in ["127.0.0.1", "localhost", "store", "data.internal"] {
            let url = bench.server.url("bytes/10", host: host)
            #expect(try await bench.get(url).file.bytes == 10, "\(host)")
        }
        let url = bench.server.url("bytes/11", host: "data.example.com")
        #expect(try await bench.get(url, allowsPrivate: true).file.bytes == 11)
        #expect(bench.attempts.all.last?.address == "127.0.0.1")
    }

    @Test("a connection that is open already is looked at, too")
    func reused() async throws {
        let bench = try Bench()
        let url = bench.server.url("bytes/10?t=reused", host: "data.example.com")
        #expect(try await bench.get(url, allowsPrivate: true).file.bytes == 10)
        #expect(await bench.failure(url)?.code == "address_refused")
        #expect(try bench.server.log("reused").count == 1)
    }

    @Test(
        "a redirect leads nowhere else, in whatever form the address is written",
        arguments: [
            "https://169.254.169.254/latest/meta-data", "https://2852039166/",
            "https://0xa9.0xfe.0xa9.0xfe/", "https://[::ffff:169.254.169.254]/",
            "https://[::ffff:7f00:2]/", "https://[fe80::1]/", "https://[fd00::1]/",
            "https://0.0.0.0/", "https://[::]/", "https://10.1.2.3/", "https://224.0.0.1/",
            "https://other.example.com:PORT/bytes/10",
        ]
    )
    func redirect(_ target: String) async throws {
        let bench = try Bench()
        let encoded = target.replacing("PORT", with: "\(bench.server.port)")
            .replacing("[", with: "%5B").replacing("]", with: "%5D")
        let url = bench.server.url("redirect/to?url=\(encoded)")
        let error = await bench.failure(url)
        #expect(error?.code == "address_refused", "\(error.map(\.description) ?? "no error")")
        #expect(bench.attempts.all.count == 1 && bench.waits.all.isEmpty)
    }

    @Test("link-local addresses are never meant by a name, not even where private ones are")
    func linkLocal() async throws {
        let bench = try Bench(resolved: "169.254.169.254")
        for host in ["data.example.com", "data.internal"] {
            let url = bench.server.url("bytes/10", host: host)
            let error = await bench.failure(url, allowsPrivate: true)
            #expect(error?.code == "address_refused")
            #expect(error?.description.contains("link-local") == true)
        }
    }

    @Test("whom a proxy asks is the proxy's business")
    func proxy() async throws {
        let proxy = try DataServer(usesTLS: false)
        let bench = try Bench(proxy: "http://127.0.0.1:\(proxy.port)")
        let url = bench.server.url("bytes/10", host: "data.example.com")
        #expect(try await bench.get(url).file.bytes == 10)
        #expect(try proxy.plainLog().map(\.path) == ["data.example.com:\(bench.server.port)"])
    }
}
