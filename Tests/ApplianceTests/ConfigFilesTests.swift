import Appliance
import Files
import Testing
import Yams

@Suite("Configuration files") struct ConfigFilesTests {
    private static let folder =
        Folder.parent(of: Folder.parent(of: Folder.parent(of: #filePath))) + "/config"

    private static let files =
        ((try? Folder.list(folder)) ?? []).filter {
            $0.hasSuffix(".yaml")
        }

    private static func text(_ name: String) throws -> String {
        String(decoding: try WholeFile.read("\(folder)/\(name)", bytesMax: 1 << 20), as: UTF8.self)
    }

    @Test("the built-in quickstart is config/quickstart.yaml, word for word")
    func quickstart() throws {
        #expect(try Self.text("quickstart.yaml") == SettingsFile.quickstart)
    }

    @Test("every configuration that is shipped is right", arguments: files)
    func shipped(name: String) throws {
        let settings = try SettingsFile.read("\(Self.folder)/\(name)", environment: [:])
        #expect(!settings.models.isEmpty)
    }

    @Test("config/mnist.yaml has public mirrors with digests only")
    func mnist() throws {
        let settings = try SettingsFile.read("\(Self.folder)/mnist.yaml", environment: [:])
        let data = try #require(settings.models.first?.data)
        let test = try #require(data.test)
        for mirrors in [data.train.features, data.train.labels, test.features, test.labels] {
            #expect(mirrors.count >= 2)
            #expect(mirrors.allSatisfy { $0.url.hasPrefix("https://") && $0.sha256 != nil })
        }
    }

    /// The keys of a YAML text as the reference has them: path and value, nil for sections.
    private static func flat(_ node: Node, _ path: String) -> [(String, String?)] {
        if let mapping = node.mapping {
            return (path.isEmpty ? [] : [(path, nil)])
                + mapping.flatMap { key, value in
                    flat(value, (path.isEmpty ? "" : path + ".") + (key.scalar?.string ?? "?"))
                }
        }
        if let sequence = node.sequence {
            guard let first = sequence.first, first.mapping != nil else {
                let words = sequence.compactMap { $0.scalar?.string }
                return [(path, "[\(words.joined(separator: ", "))]")]
            }
            return [(path, nil)] + flat(first, path + "[0]").dropFirst()
        }
        let word = node.scalar?.string ?? ""
        return [(path, word == "null" ? "" : word)]
    }

    private static func flat(_ text: String) throws -> [String: String?] {
        let root = try #require(try Yams.compose(yaml: text))
        let pairs = flat(root, "")
        #expect(Set(pairs.map(\.0)).count == pairs.count)
        return Dictionary(pairs) { first, _ in first }
    }

    @Test("the reference as YAML has its keys and defaults, and no others")
    func reference() throws {
        let found = try Self.flat(SettingsReference.yaml())
        let keys = SettingsReference.keys()
        #expect(Set(found.keys) == Set(keys.map(\.path)))
        for key in keys {
            #expect(found[key.path] == .some(key.value), "\(key.path)")
        }
    }

    /// What has no default that could stand in a file that works.
    private static let examples: Set = [
        "models[0].name", "models[0].labels", "models[0].input.target",
        "models[0].input.columns[0].name", "models[0].data.train.features",
        "models[0].data.train.labels", "models[0].data.test.features",
        "models[0].data.test.labels",
    ]

    @Test(
        "config/production.yaml has every key with its default",
        .enabled(if: files.contains("production.yaml"))
    )
    func production() throws {
        let found = try Self.flat(Self.text("production.yaml"))
        let keys = SettingsReference.keys()
        let known = Set(keys.map(\.path))
        // The digests of mirrors belong to the examples.
        let own = found.keys.filter { key in !Self.examples.contains { key.hasPrefix($0 + "[") } }
        #expect(Set(own).subtracting(known) == [])
        #expect(known.subtracting(own) == [])
        for key in keys where !Self.examples.contains(key.path) {
            #expect(found[key.path] == .some(key.value), "\(key.path)")
        }
    }
}
