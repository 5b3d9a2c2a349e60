import Appliance
import Files
import Serving
import Telemetry
import TestSupport
import Testing

@Suite("Reloading who may ask") struct AccessReloadTests {
    /// An appliance's access control with what reloads it, in a folder of its own.
    private final class World: Sendable {
        let folder: TemporaryDirectory
        let registry = MetricRegistry(shards: 1)
        let control: AccessControl
        let reloading: Reloading
        let collected = Collected()

        init(_ access: String) throws {
            let folder = try TemporaryDirectory()
            let file = folder.path("leeway.yaml")
            try WholeFile.replace(folder.path("access"), Array(access.utf8))
            let text =
                SettingsTests.minimal + "\nstate: \(folder.path("state"))\n"
                + "access: {file: \(folder.path("access"))}\n"
            try WholeFile.replace(file, Array(text.utf8))
            let read = { @Sendable in try SettingsFile.read(file, environment: [:]) }
            let settings = try read()
            let control = AccessControl(try AccessMetrics(registry))
            control.use(try settings.prepareAccess(control))
            reloading = Reloading(
                settings,
                read: read,
                certificates: try Certificates(settings, registry: registry, now: 1_795_466_160),
                prepareAccess: { settings in
                    let prepared = try settings.prepareAccess(control)
                    return { control.use(prepared) }
                },
                metrics: try ReloadMetrics(registry, now: 1_795_466_160),
                logger: collected.logger,
                clock: { 1_795_466_160 }
            )
            self.control = control
            self.folder = folder
        }

        func write(_ access: String) throws {
            try WholeFile.replace(folder.path("access"), Array(access.utf8))
        }

        var wasSuccessful: Double {
            get throws {
                try registry.gauge(
                    "leeway_config_last_reload_successful",
                    help: "Whether the last reload of the configuration was taken up (1) or "
                        + "refused (0)."
                ).series().value
            }
        }
    }

    @Test("a new access file is used by both listeners, and a broken one changes nothing")
    func reload() async throws {
        let world = try World("shop predict san:shop.example.com\n")
        #expect(world.control.callers(of: .api) == ["shop"])
        try world.write("shop predict san:shop.example.com\ncart feedback san:cart\n")
        await world.reloading.reload()
        for listener in Listener.allCases {
            #expect(world.control.callers(of: listener) == ["shop", "cart"])
        }
        for broken in ["shop predict", "", "shop all san:x", "a predict sha256:abc"] {
            try world.write(broken)
            await world.reloading.reload()
            #expect(try world.wasSuccessful == 0)
            #expect(world.control.callers(of: .api) == ["shop", "cart"])
        }
        let text = world.collected.lines.joined(separator: "\n")
        #expect(text.contains("access:1") && text.contains("access.file"))
        try world.write("pager operate san:pager\n")
        await world.reloading.reload()
        #expect(try world.wasSuccessful == 1)
        #expect(world.control.callers(of: .operations) == ["pager"])
    }

    @Test("without the file, and with a short token, an appliance does not start")
    func start() throws {
        let folder = try TemporaryDirectory()
        let control = AccessControl(try AccessMetrics(MetricRegistry(shards: 1)))
        let missing = "\(SettingsTests.minimal)\naccess: {file: \(folder.path("none"))}\n"
        let settings = try SettingsFile.parse(missing, file: "test.yaml", environment: [:])
        #expect(throws: FileError.self) { try settings.prepareAccess(control) }
        try WholeFile.create(folder.path("token"), Array("too short".utf8))
        let short = "\(SettingsTests.minimal)\napi: {token_file: \(folder.path("token"))}\n"
        let other = try SettingsFile.parse(short, file: "test.yaml", environment: [:])
        #expect(throws: SettingsError.self) { try other.prepareAccess(control) }
    }

    @Test("a key that is made opens a line that can be read")
    func makingKeys() throws {
        let made = try KeysJob.make(name: "shop", scopes: "predict", rate: 2.5, burst: 10)
        #expect(try AccessFile(made.line).callers.first?.burst == 10)
        #expect(throws: AccessFileError.self) {
            try KeysJob.make(name: "shop", scopes: "everything", rate: nil, burst: nil)
        }
    }
}
