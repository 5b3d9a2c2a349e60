import Appliance
import Files
import Synchronization
import TLSTransport
import Telemetry
import TestSupport
import Testing

/// A clock that goes on when it is told to.
private final class HandClock: Sendable {
    private let time: Atomic<Int64>

    init(_ start: Int64) { time = Atomic(start) }

    var now: Int64 { time.load(ordering: .relaxed) }

    func wait(seconds: Int64) { time.add(seconds, ordering: .relaxed) }
}

@Suite("Reloading") struct ReloadingTests {
    /// An appliance's certificates with all that reloads them, in a folder of its own.
    final class World: Sendable {
        let folder: TemporaryDirectory
        let registry = MetricRegistry(shards: 1)
        let certificates: Certificates
        let reloading: Reloading
        let collected = Collected()
        private let file: String

        init(
            _ text: (borrowing TemporaryDirectory) throws -> String = { _ in "" },
            clock: @escaping @Sendable () -> Int64 = now
        ) throws {
            folder = try TemporaryDirectory()
            file = folder.path("leeway.yaml")
            let text = try text(folder)
            try World.write(text, to: file, folder)
            let file = file
            let read = { @Sendable in try SettingsFile.read(file, environment: [:]) }
            let settings = try read()
            let start = clock()
            certificates = try Certificates(settings, registry: registry, now: start)
            reloading = Reloading(
                settings,
                read: read,
                certificates: certificates,
                metrics: try ReloadMetrics(registry, now: start),
                logger: collected.logger,
                clock: clock
            )
        }

        /// Replaces the configuration.
        func configure(_ text: String) throws { try World.write(text, to: file, folder) }

        private static func write(
            _ text: String,
            to file: String,
            _ folder: borrowing TemporaryDirectory
        ) throws {
            let state = "state: \(folder.path("state"))\n"
            try WholeFile.replace(file, Array("\(SettingsTests.minimal)\n\(state)\(text)\n".utf8))
        }

        func reloads(_ result: String) throws -> UInt64 {
            try registry.counter(
                "leeway_tls_certificate_reloads_total",
                help: "Times that certificates were read again while serving, by result.",
                labels: ["result"]
            ).series([result]).value
        }

        func wasSuccessful() throws -> Double {
            try registry.gauge(
                "leeway_config_last_reload_successful",
                help:
                    "Whether the last reload of the configuration was taken up (1) or refused (0)."
            ).series().value
        }

        func notAfter() throws -> Double {
            try registry.gauge(
                "leeway_tls_certificate_not_after_timestamp_seconds",
                help: "The time at which the first certificate in use ends, in Unix seconds."
            ).series().value
        }

        /// A certificate with its key under fixed names, for one more host name.
        static func make(
            _ name: String,
            in folder: borrowing TemporaryDirectory,
            at time: Int64 = now()
        ) throws {
            let made = try DevelopmentCertificate.ensure(
                in: folder.path("made-\(name)-\(time)"),
                names: [name],
                now: time
            )
            for (source, target) in [
                (made.certificateFile, "cert.pem"), (made.keyFile, "key.pem"),
                (made.authorityFile, "ca.pem"),
            ] {
                let bytes = try WholeFile.read(source, bytesMax: 1 << 20)
                try WholeFile.replace(folder.path(target), bytes)
            }
        }

        /// A world whose certificate is in files.
        static func withFiles(_ more: String = "") throws -> World {
            try World { folder in
                try make("first.example", in: folder)
                return World.tls(folder, more)
            }
        }

        static func tls(_ folder: borrowing TemporaryDirectory, _ more: String = "") -> String {
            "tls: {certificate: \(folder.path("cert.pem")), key: \(folder.path("key.pem"))\(more)}"
        }

        var names: [String] { certificates.current?.subjectAlternativeNames ?? [] }
    }

    @Test("the development certificate is made anew by itself before it ends")
    func renewal() async throws {
        let clock = HandClock(Self.now())
        let world = try World(clock: { clock.now })
        let first = try #require(world.certificates.current)
        await world.reloading.look()
        #expect(world.certificates.current === first)
        clock.wait(seconds: 340 * 86_400)
        await world.reloading.look()
        let second = try #require(world.certificates.current)
        #expect(second !== first)
        #expect(world.collected.lines.first?.contains("tls.trigger=expiring") == true)
        for _ in 0..<3 { await world.reloading.look() }
        #expect(try world.reloads("reloaded") == 1)
    }

    /// Unix time in seconds.
    static func now() -> Int64 { WallTime.now().nanosecondsSinceEpoch / 1_000_000_000 }

    @Test("files that have changed and settled are taken up, once; the gauge and the log follow")
    func files() async throws {
        let world = try World.withFiles()
        let first = try #require(world.certificates.current)
        await world.reloading.look()
        #expect(world.certificates.current === first)
        try World.make("second.example", in: world.folder, at: Self.now() - 86_400)
        // The first look only notes it: somebody may be in the middle of writing.
        await world.reloading.look()
        #expect(world.certificates.current === first)
        await world.reloading.look()
        let second = try #require(world.certificates.current)
        #expect(second !== first)
        #expect(world.names.last == "second.example")
        #expect(second.ticketKeys === first.ticketKeys)
        #expect(try world.notAfter() == Double(second.certificateNotAfter ?? 0))
        #expect(second.certificateNotAfter != first.certificateNotAfter)
        await world.reloading.look()
        await world.reloading.look()
        #expect(world.certificates.current === second)
        #expect(try world.reloads("reloaded") == 1)
        #expect(try world.reloads("refused") == 0)
        #expect(world.collected.lines.count == 1)
        #expect(world.collected.lines.first?.contains("tls.trigger=file_changed") == true)
        #expect(world.collected.lines.first?.contains("second.example") == true)
    }

    @Test("a certificate without its key is refused once, and taken up when the key has come")
    func halfWritten() async throws {
        let world = try World.withFiles()
        let first = try #require(world.certificates.current)
        let key = try WholeFile.read(world.folder.path("key.pem"), bytesMax: 10_000)
        try World.make("second.example", in: world.folder)
        let newKey = try WholeFile.read(world.folder.path("key.pem"), bytesMax: 10_000)
        try WholeFile.replace(world.folder.path("key.pem"), key)
        for _ in 0..<5 { await world.reloading.look() }
        #expect(world.certificates.current === first)
        #expect(try world.reloads("refused") == 1)
        #expect(world.collected.lines.first?.contains("certificates refused") == true)
        #expect(world.collected.lines.first?.contains("not the certificate's") == true)
        try WholeFile.replace(world.folder.path("key.pem"), newKey)
        for _ in 0..<3 { await world.reloading.look() }
        #expect(world.names.last == "second.example")
        #expect(try world.reloads("reloaded") == 1)
    }

    @Test("what cannot be used leaves the old certificate in use")
    func refused() async throws {
        let world = try World.withFiles()
        let first = try #require(world.certificates.current)
        let path = world.folder.path("cert.pem")
        for (step, bytes) in [[], Array("garbage".utf8)].enumerated() {
            try WholeFile.replace(path, bytes)
            await world.reloading.reload()
            #expect(try world.reloads("refused") == UInt64(step + 1))
        }
        try Folder.remove(path)
        await world.reloading.reload()
        #expect(try world.reloads("refused") == 3)
        // One that has ended already.
        try World.make("old.example", in: world.folder, at: Self.now() - 400 * 86_400)
        await world.reloading.reload()
        #expect(try world.reloads("refused") == 4)
        #expect(world.collected.lines.contains { $0.contains("it has ended already") })
        #expect(world.certificates.current === first)
        #expect(try world.wasSuccessful() == 0)
        try World.make("new.example", in: world.folder)
        await world.reloading.reload()
        #expect(world.names.last == "new.example")
        #expect(try world.wasSuccessful() == 1)
    }

    @Test("a changed configuration of TLS is taken up as a whole")
    func configuration() async throws {
        let world = try World.withFiles()
        let first = try #require(world.certificates.current)
        let authority = ", client_ca: \(world.folder.path("ca.pem")), client_names: [a.example]"
        try world.configure(World.tls(world.folder, authority + ", profile: modern"))
        await world.reloading.reload()
        let second = try #require(world.certificates.current)
        #expect(second !== first)
        // Sessions that were not verified like this cannot be resumed.
        #expect(second.ticketKeys !== first.ticketKeys)
        #expect(
            world.collected.lines.last
                == "configuration reloaded config.changed=tls.client_ca, tls.client_names, tls.profile"
        )
        await world.reloading.reload()
        #expect(world.certificates.current?.ticketKeys === second.ticketKeys)
        // Another authority in the same file: verified by it or not at all.
        try World.make("third.example", in: world.folder)
        await world.reloading.reload()
        #expect(world.certificates.current?.ticketKeys !== second.ticketKeys)
    }

    @Test("a change that needs a restart is refused with its key, and nothing is changed")
    func needsRestart() async throws {
        let world = try World.withFiles()
        let first = try #require(world.certificates.current)
        try world.configure(
            World.tls(world.folder, ", profile: modern")
                + "\napi: {listen: 127.0.0.1:7}\nlog: {level: debug, fields: ecs}"
        )
        await world.reloading.reload()
        #expect(world.certificates.current === first)
        #expect(try world.reloads("reloaded") == 0)
        #expect(try world.wasSuccessful() == 0)
        #expect(
            world.collected.lines == [
                "configuration refused reason=api.listen, log.fields: "
                    + "a change needs a restart: nothing was changed"
            ]
        )
    }

    @Test("a wrong configuration is refused with its place")
    func wrong() async throws {
        let world = try World.withFiles()
        try world.configure(World.tls(world.folder, ", profil: modern"))
        await world.reloading.reload()
        #expect(world.collected.lines.first?.contains("unknown key: did you mean profile?") == true)
        try world.configure("tls: {certificate: auto, key: k}")
        await world.reloading.reload()
        #expect(world.collected.lines.count == 2)
        #expect(try world.wasSuccessful() == 0)
    }

    @Test("a default that is written out is no change")
    func defaults() throws {
        let plain = try SettingsFile.parse(SettingsTests.minimal, file: "a", environment: [:])
        let written = try SettingsFile.parse(
            SettingsTests.minimal + "\napi: {listen: 127.0.0.1:8443}\ntls: {certificate: auto}\n",
            file: "a",
            environment: [:]
        )
        #expect(SettingsChange(from: plain, to: written).all == [])
        let other = try SettingsFile.parse(
            SettingsTests.minimal,
            file: "a",
            environment: ["LEEWAY_TLS_NAMES": "a,b", "LEEWAY_MODELS_0_NETWORK_HIDDEN": "1,2"]
        )
        let change = SettingsChange(from: plain, to: other)
        #expect(change.all == ["models[0].network.hidden", "tls.names"])
        #expect(change.needingRestart == ["models[0].network.hidden"])
    }

    @Test("every key that can change while serving is a key")
    func changeable() {
        let known = Set(SettingsReference.keys().map(\.path))
        #expect(SettingsChange.changeable.subtracting(known) == [])
    }

    @Test("without TLS there is nothing to reload, and that is no failure")
    func plaintext() async throws {
        let world = try World { _ in "api: {plaintext: true}\noperations: {plaintext: true}" }
        #expect(world.certificates.current == nil)
        await world.reloading.reload()
        await world.reloading.look()
        #expect(try world.reloads("refused") == 0)
        #expect(try world.wasSuccessful() == 1)
    }

    @Test("the development certificate is made anew for other names at a reload")
    func development() async throws {
        let world = try World()
        let first = try #require(world.certificates.current)
        try world.configure("tls: {names: [box.example]}")
        await world.reloading.reload()
        #expect(world.names.last == "box.example")
        #expect(world.certificates.current !== first)
        // Its own files, written by the reload, are no news at the next looks.
        for _ in 0..<3 { await world.reloading.look() }
        #expect(try world.reloads("reloaded") == 1)
    }
}
