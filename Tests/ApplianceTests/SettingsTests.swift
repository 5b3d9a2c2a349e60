import Appliance
import Testing

@Suite("Settings") struct SettingsTests {
    static let minimal = """
        models:
          - name: fashion
            data:
              train: {features: ["file:///data/images.gz"], labels: ["file:///data/labels.gz"]}
        """

    private func parse(_ text: String, environment: [String: String] = [:]) throws -> Settings {
        try SettingsFile.parse(text, file: "test.yaml", environment: environment)
    }

    private func problems(_ text: String, environment: [String: String] = [:]) -> [String] {
        do {
            _ = try parse(text, environment: environment)
            return []
        } catch {
            return "\(error)".split(separator: "\n").map(String.init)
        }
    }

    @Test("a minimal file takes every other value from the defaults")
    func minimal() throws {
        let settings = try parse(Self.minimal)
        #expect(settings.api.listen.description == "127.0.0.1:8443")
        #expect(settings.tls.files.isEmpty)
        #expect(settings.models.count == 1)
        #expect(settings.models.first?.network.hidden == [64])
        #expect(settings.models.first?.training.lossBelow == nil)
        #expect(settings.defaultModel == "fashion")
    }

    @Test("an unknown key is an error with file, line, column and the nearest known key")
    func unknownKey() {
        let text = Self.minimal + "\napi:\n  lisen: 127.0.0.1:1\n"
        #expect(
            problems(text) == ["test.yaml:6:3: api.lisen: unknown key: did you mean listen?"]
        )
    }

    @Test(
        "a wrong value names the key, what was expected and what was found",
        arguments: [
            ("api: {listen: here}", "api.listen: expected host:port"),
            ("api: {rows_max: many}", "api.rows_max: expected a whole number in 1…100000"),
            ("api: {plaintext: yes please}", "api.plaintext: expected true or false"),
            ("log: {level: loud}", "log.level: expected one of trace, debug"),
            ("api: [1, 2]", "api: expected a section of keys"),
            ("tls: {certificate: cert.pem}", "tls.key: is required"),
            ("tls: {certificate: [a, b], key: [c]}", "tls.key: is required for each"),
            ("tls: {certificate: [auto, b], key: [c, d]}", "tls.certificate: expected auto alone"),
            ("tls: {key: c}", "tls.key: needs a certificate"),
            ("tls: {client_names: [a]}", "tls.client_names: needs client_ca"),
            ("tls: {handshakes_max: 0}", "tls.handshakes_max: expected a whole number in 1…"),
            ("tls: {unknown_name: maybe}", "tls.unknown_name: expected one of serve, refuse"),
            ("state: {a: 1}", "state: expected a single value"),
            ("event_loops: -1", "event_loops: expected a whole number"),
        ]
    )
    func wrongValue(line: String, expected: String) {
        let found = problems(Self.minimal + "\n" + line)
        #expect(found.count == 1)
        #expect(found.first?.contains(expected) == true, "\(found)")
        #expect(found.first?.hasPrefix("test.yaml:5:") == true, "\(found)")
    }

    @Test("several certificates stand in one list, their keys in another")
    func certificates() throws {
        let settings = try parse(
            Self.minimal + "\ntls: {certificate: [a.pem, b.pem], key: [a.key, b.key]}\n"
        )
        #expect(settings.tls.files.map(\.certificate) == ["a.pem", "b.pem"])
        #expect(settings.tls.files.map(\.key) == ["a.key", "b.key"])
        let one = try parse(Self.minimal + "\ntls: {certificate: a.pem, key: a.key}\n")
        #expect(one.tls.files.count == 1)
        #expect(try parse(Self.minimal + "\ntls: {certificate: auto}\n").tls.files.isEmpty)
    }

    @Test("all problems of a file are told at once")
    func allProblems() {
        #expect(problems("api: {rows_max: x}\nlog: {format: y}\n").count == 3)
    }

    @Test("broken YAML is told with its place")
    func brokenYAML() {
        let found = problems("api: {listen: [}\n")
        #expect(found.first?.hasPrefix("test.yaml:1:") == true, "\(found)")
    }

    @Test("a key that stands twice is refused")
    func duplicateKey() {
        #expect(problems(Self.minimal + "\nstate: a\nstate: b\n").count == 1)
    }

    @Test("an operations listener that others can reach needs a token or client certificates")
    func exposedOperations() throws {
        let open = Self.minimal + "\noperations: {listen: 0.0.0.0:9443}\n"
        #expect(problems(open).first?.contains("operations.token_file") == true)
        _ = try parse(
            Self.minimal + "\noperations: {listen: 0.0.0.0:9443, token_file: /run/token}\n"
        )
        _ = try parse(open + "access: {file: /etc/leeway/access}\n")
    }

    @Test("rows are kept only where not everybody can label them")
    func exposedCapture() throws {
        let kept = Self.minimal + "\n    capture: {enabled: true}\n"
        _ = try parse(kept)
        let open = kept + "api: {listen: 0.0.0.0:8443}\n"
        #expect(problems(open).first?.contains("anybody could teach fashion") == true)
        _ = try parse(open + "access: {file: /etc/leeway/access}\n")
        _ = try parse(kept + "api: {listen: 0.0.0.0:8443, token_file: /run/token}\n")
        let deaf = Self.minimal + "\n    capture: {enabled: true}\n    feedback: {enabled: false}\n"
        #expect(problems(deaf).first?.contains("capture: needs feedback.enabled") == true)
    }

    @Test("the environment stands over the file, and an unknown variable is an error")
    func environment() throws {
        let settings = try parse(
            Self.minimal,
            environment: ["LEEWAY_API_LISTEN": "127.0.0.1:7", "LEEWAY_MODELS_0_NAME": "other"]
        )
        #expect(settings.api.listen.port == 7)
        #expect(settings.models.first?.name == "other")
        let found = problems(Self.minimal, environment: ["LEEWAY_API_LISTN": "x"])
        #expect(found == ["environment: LEEWAY_API_LISTN: no setting has this name"])
    }

    @Test(
        "sources are file or https URLs, and nothing else",
        arguments: [
            "http://host/a", "ftp://host/a", "/data/a", "file:relative",
        ]
    )
    func sources(url: String) {
        let text = """
            models:
              - name: m
                data: {train: {features: ["\(url)"], labels: ["file:///l"]}}
            """
        #expect(problems(text).first?.contains("expected a file:// or https:// URL") == true)
    }

    @Test("a schedule that names no moment is told with its place")
    func schedule() {
        let text = Self.minimal + "\n    retrain: {schedule: \"61 * * * *\"}\n"
        #expect(problems(text).first?.hasPrefix("test.yaml:5:") == true)
        #expect(problems(text).first?.contains("retrain.schedule: 61 is not within 0…59") == true)
    }

    @Test("a table needs its target and csv files")
    func table() throws {
        let text = """
            models:
              - name: churn
                input: {kind: table}
                data: {format: csv, train: ["https://host/customers.csv.gz"]}
            """
        #expect(problems(text).first?.contains("input.target: is required") == true)
        let settings = try parse(text.replacing("kind: table", with: "kind: table, target: left"))
        #expect(
            settings.models.first?.data.train.features.map(\.url) == [
                "https://host/customers.csv.gz"
            ]
        )
    }

    @Test("a mirror can carry the digest of its decompressed bytes")
    func mirrors() throws {
        let digest = String(repeating: "ab", count: 32)
        let text = Self.minimal.replacing(
            "[\"file:///data/labels.gz\"]",
            with: "[\"file:///l\", {url: \"https://host/l\", sha256: \(digest)}]"
        )
        let settings = try parse(text)
        #expect(settings.models.first?.data.train.labels.map(\.sha256) == [nil, digest])
        #expect(problems(text.replacing(digest, with: "abc")).first?.contains("64 hex") == true)
    }

    @Test("two models need one default, and two of one name are refused")
    func twoModels() throws {
        let second = Self.minimal.split(separator: "\n").dropFirst().joined(separator: "\n")
        #expect(problems(Self.minimal + "\n" + second).count == 1)
        let two = try parse(
            Self.minimal + "\n" + second.replacing("fashion", with: "b\n    default: true")
        )
        #expect(two.defaultModel == "b")
    }

    @Test(
        "listen addresses",
        arguments: [
            ("127.0.0.1:8443", true), ("[::1]:1", true), ("localhost:0", true),
            ("0.0.0.0:1", false),
            ("[::]:9", false), ("host.example:443", false),
        ]
    )
    func addresses(text: String, isLoopback: Bool) {
        #expect(ListenAddress(text)?.description == text)
        #expect(ListenAddress(text)?.isLoopback == isLoopback)
    }

    @Test(
        "what is no listen address",
        arguments: ["", ":1", "a", "a:", "a:65536", "::1:8", "[::1:8"]
    )
    func badAddresses(text: String) {
        #expect(ListenAddress(text) == nil)
    }

    @Test("the reference lists each key once, with a doc line, and reads back as the defaults")
    func reference() throws {
        let keys = SettingsReference.keys()
        #expect(keys.count > 60)
        #expect(Set(keys.map(\.path)).count == keys.count)
        #expect(keys.allSatisfy { !$0.doc.isEmpty })
    }
}
