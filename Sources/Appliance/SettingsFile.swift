internal import Files
internal import Yams

/// Reads a configuration file: YAML, checked as a whole, every problem with line and column.
package enum SettingsFile {
    /// Reads and checks a file.
    ///
    /// - Parameters:
    ///   - path: The file.
    ///   - environment: `LEEWAY_…` variables stand over the file's keys.
    /// - Returns: The settings.
    /// - Throws: ``SettingsError`` with all problems; `FileError` when it cannot be read.
    package static func read(_ path: String, environment: [String: String]) throws -> Settings {
        let bytes = try WholeFile.read(path, bytesMax: bytesMax)
        return try parse(
            String(decoding: bytes, as: UTF8.self),
            file: path,
            environment: environment
        )
    }

    /// Checks a configuration that is already in memory.
    ///
    /// - Parameters:
    ///   - text: YAML.
    ///   - file: The name for messages.
    ///   - environment: `LEEWAY_…` variables stand over the text's keys.
    /// - Returns: The settings.
    /// - Throws: ``SettingsError`` with all problems.
    package static func parse(
        _ text: String,
        file: String,
        environment: [String: String]
    ) throws -> Settings {
        let reading = SettingsReading(file: file, environment: environment)
        let root: Node?
        do {
            // An empty file is one without keys, and not the reference of all defaults.
            root = try Yams.compose(yaml: text) ?? Node.mapping(Node.Mapping([]))
        } catch {
            throw SettingsError(problems: [problem(of: error, file: file)])
        }
        let settings = Settings(root: root, reading: reading)
        reading.checkVariables(except: ["LEEWAY_CONFIG", KernelChoice.variable])
        guard reading.problems.isEmpty else { throw SettingsError(problems: reading.problems) }
        return settings
    }

    /// A file larger than this is no configuration of ours.
    private static let bytesMax = 1 << 20

    private static func problem(of error: any Error, file: String) -> SettingsProblem {
        var place = (line: 0, column: 0)
        var message = "\(error)"
        switch error as? YamlError {
        case .scanner(_, let words, let mark, _), .parser(_, let words, let mark, _),
            .composer(_, let words, let mark, _):
            place = (mark.line, mark.column)
            message = words
        case .duplicatedKeysInMapping(let keys, let context):
            place = (context.mark.line, context.mark.column)
            message = "a key stands twice: \(keys.joined(separator: ", "))"
        default:
            break
        }
        return SettingsProblem(
            file: file,
            line: place.line,
            column: place.column,
            key: "",
            message: message
        )
    }
}

extension Settings {
    /// Reads all sections; what is wrong is reported to the reading, not thrown.
    init(root: Node?, reading: SettingsReading) {
        var top = SettingsSection(path: "", node: root, reading: reading)
        file = reading.file
        var part = top.section("api", doc: "the listener for predictions")
        api = ListenerSettings(&part, listen: "127.0.0.1:8443")
        part = top.section(
            "operations",
            doc: "the listener for metrics, status and all that changes state"
        )
        operations = ListenerSettings(&part, listen: "127.0.0.1:9443")
        part = top.section("access", doc: "who may ask the listeners for what")
        accessFile = part.readAccess()
        part = top.section("tls", doc: "certificates of both listeners")
        tls = CertificateSettings(&part)
        state = top.string("state", default: ".leeway", doc: "state directory")
        diskFreeBytesMin = Self.diskBound(&top)
        eventLoops = top.integer(
            "event_loops",
            default: 0,
            in: 0...256,
            doc: "event loops that serve requests; 0 is one a core"
        )
        computeThreads = top.integer(
            "compute_threads",
            default: 0,
            in: 0...64,
            doc: "threads that share what is too much for an event loop; 0 is one a core"
        )
        serverTiming = top.flag(
            "server_timing",
            default: true,
            doc: "tell clients in the field Server-Timing how long the parts of a prediction took"
        )
        (shutdownDelaySeconds, memoryBytesMax, shutdownSecondsMax) = Self.bounds(&top)
        part = top.section("log", doc: "what is logged, and how")
        log = LogSettings(&part)
        part = top.section("traces", doc: "which requests are traced, and where traces go")
        traces = TraceExportSettings(&part)
        part = top.section("downloads", doc: "limits of every transfer")
        downloads = DownloadSettings(&part)
        models = top.sections("models", doc: "the models, at least one", documenting: root == nil)
            .map { section in
                var section = section
                return ModelSettings(&section)
            }
        values = reading.values
        check(top)
        top.finish()
    }

    private static func diskBound(_ top: inout SettingsSection) -> Int {
        top.integer(
            "disk_free_bytes_min",
            default: 256 << 20,
            in: 0...(1 << 50),
            doc: "free bytes on the disk of the state directory below which no retrain starts"
        )
    }

    /// What bounds the process and its end.
    private static func bounds(_ top: inout SettingsSection) -> (
        delaySeconds: Int, memoryBytes: Int, shutdownSeconds: Int
    ) {
        (
            top.integer(
                "shutdown_delay_seconds",
                default: 0,
                in: 0...3600,
                doc: "seconds that a shutdown serves on with /readyz at 503, for a load balancer "
                    + "to see it"
            ),
            top.integer(
                "memory_bytes_max",
                default: 0,
                in: 0...(1 << 50),
                doc: "memory at which predictions are refused, in bytes; 0 is the container's limit"
            ),
            top.integer(
                "shutdown_seconds_max",
                default: 30,
                in: 0...3600,
                doc: "seconds that a shutdown waits for requests in flight"
            )
        )
    }

    private func check(_ top: SettingsSection) {
        if models.isEmpty { top.report("at least one model is required", key: "models") }
        if Set(models.map(\.name)).count != models.count {
            top.report("two models have the same name", key: "models")
        }
        if models.filter(\.isDefault).count > 1 {
            top.report("two models are the default", key: "models")
        }
        if isOpenToOthers(operations) {
            top.report(
                "a listener that others can reach changes state: set operations.token_file, "
                    + "access.file, or tls.client_ca with TLS, or listen on a loopback address",
                key: "operations"
            )
        }
        if isOpenToOthers(api), let model = models.first(where: \.capture.enabled) {
            top.report(
                "anybody could teach \(model.name) by sending labels: set access.file, "
                    + "api.token_file, or tls.client_ca with TLS, or no capture.enabled",
                key: "api"
            )
        }
    }

    /// Whether somebody on another machine can ask a listener without any credential.
    private func isOpenToOthers(_ listener: ListenerSettings) -> Bool {
        !listener.listen.isLoopback && listener.tokenFile == nil && accessFile == nil
            && (tls.clientAuthorities == nil || listener.plaintext)
    }
}
