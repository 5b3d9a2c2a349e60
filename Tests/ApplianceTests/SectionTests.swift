import Appliance
import Retraining
import Testing
import Transfer

@Suite("Settings sections") struct SectionTests {
    private func parse(_ text: String, _ environment: [String: String] = [:]) throws -> Settings {
        try SettingsFile.parse(text, file: "test.yaml", environment: environment)
    }

    private func problems(_ text: String, _ environment: [String: String] = [:]) -> [String] {
        do {
            _ = try parse(text, environment)
            return []
        } catch {
            return "\(error)".split(separator: "\n").map(String.init)
        }
    }

    private func model(_ lines: String) -> String {
        SettingsTests.minimal + "\n    " + lines.replacing("\n", with: "\n    ") + "\n"
    }

    @Test("mirrors may be one URL, a list, or sections with digests, mixed and in capitals")
    func mirrors() throws {
        let digest = String(repeating: "AB", count: 32)
        let text = """
            models:
              - name: m
                data:
                  train:
                    features: file:///images
                    labels:
                      - file:///labels
                      - {url: "https://host/labels", sha256: \(digest)}
                      - url: https://other/labels
            """
        let train = try #require(try parse(text).models.first?.data.train)
        #expect(train.features.map(\.url) == ["file:///images"])
        #expect(
            train.labels.map(\.url) == [
                "file:///labels", "https://host/labels", "https://other/labels",
            ]
        )
        #expect(train.labels.map(\.sha256) == [nil, digest.lowercased(), nil])
    }

    @Test("a mirror may want a secret from a file, and pinned keys")
    func access() throws {
        let pin = "sha256//" + String(repeating: "A", count: 43) + "="
        let text = """
            models:
              - name: m
                data:
                  train:
                    features:
                      - {url: "https://h/a", token_file: /t, pinned_keys: ["\(pin)"]}
                      - {url: "https://h/b", password_file: /p}
                      - {url: "https://h/c", header: X-API-Key, header_file: /h}
                      - {url: "https://h/d", s3_region: eu-central-1, s3_credentials_file: /c}
                      - {url: "https://h/e"}
                    labels: file:///labels
            """
        let mirrors = try #require(try parse(text).models.first?.data.train.features)
        #expect(
            mirrors.map(\.access) == [
                SourceAccess(secret: .bearer(file: "/t"), pinnedKeys: [pin]),
                SourceAccess(secret: .basic(file: "/p")),
                SourceAccess(secret: .header(name: "X-API-Key", file: "/h")),
                SourceAccess(secret: .s3(region: "eu-central-1", file: "/c")),
                SourceAccess(),
            ]
        )
    }

    @Test(
        "what cannot be right of a secret is told",
        arguments: [
            ("token_file: /t, password_file: /p", "expected one secret, found several"),
            ("header_file: /h", "header_file needs header"),
            ("header: \"X Y\", header_file: /h", "header_file needs header"),
            ("header: X-Y", "header: needs header_file"),
            ("s3_credentials_file: /c", "s3_credentials_file needs s3_region"),
            ("s3_region: r", "s3_region: needs s3_credentials_file"),
            ("pinned_keys: [sha1//x]", "expected sha256// and 44 characters"),
        ]
    )
    func badAccess(keys: String, expected: String) {
        let text = "data: {train: {features: [{url: \"https://h/a\", \(keys)}], labels: file:///l}}"
        let found = problems("models:\n  - name: m\n    \(text)\n")
        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test("what is done with the data, and what is refused, is the plan's")
    func dataPolicy() throws {
        let text = """
            models:
              - name: m
                capture: {enabled: true}
                data:
                  mode: append
                  window_downloads: 7
                  window_days: 14
                  feedback: true
                  keep_sources: false
                  manifest: {urls: ["https://h/m.json"], keys: [/a.pem, /b.pem]}
                  checks: {rows_lost_max: 0.25, drift_max: 1, rows_min: 50}
                  train: {features: file:///f, labels: file:///l}
            """
        let policy = try #require(try parse(text).models.first?.data.policy)
        #expect(policy.mode == .append)
        #expect(policy.windowDownloads == 7 && policy.windowDays == 14)
        #expect(policy.usesFeedback && !policy.keepsSources)
        #expect(policy.signedList.map(\.url) == ["https://h/m.json"])
        #expect(policy.signedListKeys == ["/a.pem", "/b.pem"])
        var checks = DataChecks()
        (checks.rowsLostMax, checks.driftMax, checks.rowsMin) = (0.25, 1, 50)
        #expect(policy.checks == checks)
        for (change, expected) in [
            ("capture: {enabled: true}|capture: {enabled: false}", "data.feedback needs capture"),
            ("keys: [/a.pem, /b.pem]|keys: []", "needs both urls and keys"),
            ("keys: [/a.pem, /b.pem]|keys: [/a, /b, /c]", "two keys at most"),
            ("drift_max: 1|drift_max: 2", "expected a number in 0.0…1.0"),
            ("mode: append|mode: stream", "expected one of snapshot, append"),
        ] {
            let parts = change.split(separator: "|").map(String.init)
            let found = problems(text.replacing(parts[0], with: parts[1]))
            #expect(found.contains { $0.contains(expected) }, "\(found)")
        }
    }

    @Test("a table's column can tell the season; an image, an input and the target cannot")
    func seasons() throws {
        let text = """
            models:
              - name: m
                input: {kind: table, target: left, columns: [{name: age}]}
                data: {format: csv, train: ["file:///rows.csv"]}
                drift: {season_column: sold}
            """
        #expect(try parse(text).models.first?.drift.seasonColumn == "sold")
        #expect(try parse(model("drift: {}")).models.first?.drift.seasonColumn == nil)
        let empty = model("drift: {season_column: ''}")
        #expect(try parse(empty).models.first?.drift.seasonColumn == nil)
        for (column, expected) in [("left", "is the target"), ("age", "is an input")] {
            let found = problems(text.replacing("sold", with: column))
            #expect(found.count == 1)
            let place = "test.yaml:5:28: models[0].drift.season_column: \(column)"
            #expect(found.first?.hasPrefix(place) == true, "\(found)")
            #expect(found.first?.contains(expected) == true)
        }
        let image = problems(model("drift: {season_column: sold}"))
        #expect(image.count == 1)
        #expect(image.first?.contains("models[0].drift.season_column: images have no") == true)
    }

    @Test(
        "what is wrong with a mirror is told with its place",
        arguments: [
            (
                "[{sha256: \(String(repeating: "ab", count: 32))}]",
                "train.features[0].url: is required"
            ),
            ("[{url: \"https://h/a\", sha25: x}]", "unknown key: did you mean sha256?"),
            ("[{url: \"https://h/a\", sha256: \(String(repeating: "g", count: 64))}]", "64 hex"),
            ("[[a]]", "expected a single value"),
            ("[\"https://\"]", "expected a file:// or https://"),
            ("[]", "models[0].data.train: is required"),
        ]
    )
    func badMirrors(value: String, expected: String) {
        let text = """
            models:
              - name: m
                data: {train: {features: \(value), labels: ["file:///l"]}}
            """
        let found = problems(text)
        #expect(found.contains { $0.contains(expected) }, "\(found)")
        #expect(found.allSatisfy { $0.hasPrefix("test.yaml:3:") }, "\(found)")
    }

    @Test("lists of numbers and words; one value is a list of one")
    func lists() throws {
        let text = model("network: {hidden: [128, 64]}\nlabels: [a, b]\ninput: {shape: 784}")
        let settings = try #require(try parse(text).models.first)
        #expect(settings.network.hidden == [128, 64])
        #expect(settings.labels == ["a", "b"])
        #expect(settings.input.shape == [784])
        #expect(
            problems(model("network: {hidden: [64, none]}")).first?.contains("found none") == true
        )
        #expect(problems(model("network: {hidden: [0]}")).first?.contains("1…100000") == true)
        #expect(problems(model("labels: {a: 1}")).first?.contains("a list of values") == true)
    }

    @Test("null and nothing at all stand for the default, and quoted words for themselves")
    func nulls() throws {
        let settings = try parse(SettingsTests.minimal + "\nstate: null\nlog: ~\napi:\n")
        #expect(settings.state == ".leeway")
        #expect(settings.log.level == .info)
        #expect(try parse(SettingsTests.minimal + "\nstate: \"null\"\n").state == "null")
    }

    @Test("numbers may have underscores, and must stay in their range")
    func numbers() throws {
        let settings = try parse(SettingsTests.minimal + "\napi: {body_bytes_max: 1_048_576}\n")
        #expect(settings.api.limits.bodyBytesMax == 1 << 20)
        for value in ["0", "-1", "1e3", "99999999999999999999", "\"\"", "1.5", "true"] {
            let text = SettingsTests.minimal + "\napi: {rows_max: \(value)}\n"
            #expect(
                problems(text).first?.contains("api.rows_max: expected a whole") == true,
                "\(value)"
            )
        }
        for value in [".nan", ".inf", "2", "abc"] {
            let found = problems(model("retrain: {margin: \(value)}"))
            #expect(
                found.first?.contains("retrain.margin: expected a number in") == true,
                "\(value)"
            )
        }
    }

    @Test("the environment reaches nested keys and lists, and what it says is checked, too")
    func environment() throws {
        let settings = try parse(
            SettingsTests.minimal,
            [
                "LEEWAY_MODELS_0_NETWORK_HIDDEN": "32,16",
                "LEEWAY_MODELS_0_TRAINING_LOSS_BELOW": "0.1",
                "LEEWAY_MODELS_0_RETRAIN_ON_DRIFT": "true",
                "LEEWAY_MODELS_0_DATA_TRAIN_FEATURES": "https://host/a,https://host/b",
                "LEEWAY_OPERATIONS_LIMITS": "unknown", "LEEWAY_CONFIG": "other.yaml",
                "HOME": "/root",
            ].filter { $0.key != "LEEWAY_OPERATIONS_LIMITS" }
        )
        let model = try #require(settings.models.first)
        #expect(model.network.hidden == [32, 16])
        #expect(model.training.lossBelow == 0.1)
        #expect(model.retrain.onDrift)
        #expect(model.data.train.features.map(\.url) == ["https://host/a", "https://host/b"])
        let found = problems(SettingsTests.minimal, ["LEEWAY_API_ROWS_MAX": "many"])
        #expect(found.count == 1)
        #expect(found.first?.contains("api.rows_max: expected a whole number") == true)
        let unknown = problems(SettingsTests.minimal, ["LEEWAY_MODELS_1_NAME": "x"])
        #expect(unknown == ["environment: LEEWAY_MODELS_1_NAME: no setting has this name"])
    }

    // A schedule that cannot be read passed check-config and ended `leeway serve`.
    @Test("a schedule is read when the file is checked")
    func schedule() throws {
        for good in ["\"0 3 * * *\"", "6h", "\"@daily\""] {
            #expect(problems(model("retrain: {schedule: \(good)}")) == [])
        }
        #expect(try parse(model("retrain: {schedule: null}")).models.first?.retrain.schedule == nil)
        for bad in ["\"60 * * * *\"", "5s", "sometimes"] {
            let found = problems(model("retrain: {schedule: \(bad)}"))
            #expect(found.count == 1)
            #expect(found.first?.contains("retrain.schedule: ") == true, "\(found)")
            #expect(found.first?.hasPrefix("test.yaml:5:") == true, "\(found)")
        }
    }

    @Test(
        "what contradicts itself is told",
        arguments: [
            ("task: binary\nlabels: [a, b, c]", "a binary task has two labels"),
            ("task: regression\nlabels: [a]", "a regression has no labels"),
            ("labels: [a, b, a]", "a label stands twice"),
            ("input: {kind: table, target: t}", "tables come as csv files"),
            ("input: {shape: [2000, 2000]}", "whose product is in"),
            ("input: {shape: [1000000, 1000000, 1000000, 1000000]}", "whose product is in"),
            ("release: canary", "expected one of immediate"),
            ("default: maybe", "expected true or false"),
        ]
    )
    func contradictions(lines: String, expected: String) {
        let found = problems(model(lines))
        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test(
        "a model's name is fit for a folder, a URL and a label",
        arguments: [
            ("a-b_c.9", true), ("../up", false), (".hidden", false), ("a b", false), ("a/b", false),
            ("é", false), (String(repeating: "a", count: 65), false),
        ]
    )
    func names(name: String, isGood: Bool) {
        let text = SettingsTests.minimal.replacing("fashion", with: "\"\(name)\"")
        #expect(problems(text).isEmpty == isGood)
    }

    @Test("no model at all, or no section where one belongs, is told")
    func structure() {
        #expect(problems("") == ["test.yaml: models: at least one model is required"])
        #expect(problems("models: {name: m}").contains { $0.contains("expected a list") })
        #expect(problems("models: [m]").contains { $0.contains("models[0]") })
        #expect(!problems("- a\n- b\n").isEmpty)
        #expect(!problems("just words").isEmpty)
    }
}
