internal import Yams

/// What is shared while one configuration is read: problems, and the list of known keys.
final class SettingsReading {
    let file: String
    let environment: [String: String]
    private(set) var problems: [SettingsProblem] = []
    /// Every key asked for, with its default and its doc line, in the order of reading.
    private(set) var keys: [SettingsKey] = []
    /// The text in effect of every key asked for that is not a section.
    private(set) var values: [String: String] = [:]
    /// The environment variables that stood for a key.
    private(set) var usedVariables: Set<String> = []

    init(file: String, environment: [String: String]) {
        self.file = file
        self.environment = environment
    }

    func note(_ key: SettingsKey) { keys.append(key) }

    func note(_ value: String, of key: String) { values[key] = value }

    func report(_ message: String, key: String, at mark: Mark?) {
        problems.append(
            SettingsProblem(
                file: file,
                line: mark?.line ?? 0,
                column: mark?.column ?? 0,
                key: key,
                message: message
            )
        )
    }

    /// The environment's value for a key: `api.listen` is `LEEWAY_API_LISTEN`.
    func override(of key: String) -> String? {
        let name = Self.variable(of: key)
        guard let value = environment[name] else { return nil }
        usedVariables.insert(name)
        return value
    }

    static func variable(of key: String) -> String {
        let word = key.uppercased().map { $0.isLetter || $0.isNumber ? $0 : "_" }
        return "LEEWAY_" + String(word).replacing("__", with: "_")
    }

    /// Reports the `LEEWAY_…` variables that no key answers to.
    func checkVariables(except others: Set<String>) {
        for name in environment.keys.sorted()
        where name.hasPrefix("LEEWAY_") && !usedVariables.contains(name) && !others.contains(name) {
            problems.append(
                SettingsProblem(
                    file: "environment",
                    line: 0,
                    column: 0,
                    key: name,
                    message: "no setting has this name"
                )
            )
        }
    }
}

/// What `config/production.yaml` says of one key.
struct SettingsKey {
    let path: String
    /// The default as YAML text; nil for a section, empty for "not set".
    let value: String?
    let doc: String
}

/// One mapping of the file, whose keys are asked for by name.
///
/// Each question states the default, the range and a doc line, so that reading, checking and
/// the documentation of a key stand in one place. A key that nobody asked for is an error.
struct SettingsSection {
    let path: String
    let reading: SettingsReading
    private let node: Node?
    private var asked: Set<String> = []

    init(path: String, node: Node?, reading: SettingsReading) {
        self.path = path
        self.reading = reading
        self.node = node
    }

    /// Whether the file has the section.
    var isPresent: Bool { node != nil }

    /// Where the section starts.
    var mark: Mark? { node?.mark }

    func keyPath(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// Reports a problem with a key of this section.
    func report(_ message: String, key: String) {
        reading.report(message, key: keyPath(key), at: value(key)?.mark ?? mark)
    }

    /// The node of a key; an explicit null counts as absent.
    func value(_ key: String) -> Node? {
        guard let mapping = node?.mapping else { return nil }
        let found = mapping.first { $0.key.scalar?.string == key }?.value
        return found.flatMap { Self.isNull($0) ? nil : $0 }
    }

    /// Whether a key is present and is not a section itself.
    func isPlain(_ key: String) -> Bool {
        value(key).map { $0.mapping == nil } ?? false
    }

    /// Whether a key is a list with sections among its items.
    func hasSections(_ key: String) -> Bool {
        value(key)?.sequence?.contains { $0.mapping != nil } ?? false
    }

    /// The text of a list item that is not a section.
    var plainText: String? { node?.scalar?.string }

    mutating func ask(_ key: String, value: String?, doc: String) {
        asked.insert(key)
        reading.note(SettingsKey(path: keyPath(key), value: value, doc: doc))
        guard let value else { return }
        let written = self.value(key).flatMap { Self.text(of: $0) }
        let text = reading.override(of: keyPath(key)) ?? written ?? value
        // A list of one may be written without brackets, as the environment's lists always are.
        let bare =
            text.hasPrefix("[") && text.hasSuffix("]") ? text.dropFirst().dropLast() : text[...]
        reading.note(String(bare).replacing(", ", with: ","), of: keyPath(key))
    }

    /// A value or a list of values on one line, to be compared with another one.
    private static func text(of node: Node) -> String? {
        if let scalar = node.scalar { return scalar.string }
        guard let sequence = node.sequence else { return nil }
        return sequence.map { text(of: $0) ?? "…" }.joined(separator: ", ")
    }

    /// The text of a scalar: the environment's word first, then the file's.
    func text(_ key: String) -> String? {
        if let override = reading.override(of: keyPath(key)) { return override }
        guard let node = value(key) else { return nil }
        guard let scalar = node.scalar else {
            report("expected a single value", key: key)
            return nil
        }
        return scalar.string
    }

    /// A section below this one.
    mutating func section(_ key: String, doc: String) -> SettingsSection {
        ask(key, value: nil, doc: doc)
        return checked(SettingsSection(path: keyPath(key), node: value(key), reading: reading))
    }

    /// The section, or an empty one in place of a value that is none.
    private func checked(_ section: SettingsSection) -> SettingsSection {
        guard let node = section.node, node.mapping == nil else { return section }
        reading.report("expected a section of keys", key: section.path, at: node.mark)
        return SettingsSection(path: section.path, node: nil, reading: reading)
    }

    /// The sections of a list below this one; one empty section when the key is absent and
    /// `documenting` asks for its keys all the same.
    mutating func sections(_ key: String, doc: String, documenting: Bool = false)
        -> [SettingsSection]
    {
        ask(key, value: nil, doc: doc)
        let place = keyPath(key)
        guard let node = value(key) else {
            return documenting
                ? [SettingsSection(path: "\(place)[0]", node: nil, reading: reading)] : []
        }
        guard let sequence = node.sequence else {
            report("expected a list", key: key)
            return []
        }
        return sequence.enumerated().map { index, item in
            SettingsSection(path: "\(place)[\(index)]", node: item, reading: reading)
        }
    }

    /// The texts of a list of scalars; a single scalar counts as a list of one.
    mutating func texts(_ key: String, default value: [String] = [], doc: String) -> [String] {
        ask(key, value: "[\(value.joined(separator: ", "))]", doc: doc)
        if let override = reading.override(of: keyPath(key)) {
            return override.split(separator: ",").map(String.init)
        }
        guard let node = self.value(key) else { return value }
        if let scalar = node.scalar { return [scalar.string] }
        guard let sequence = node.sequence else {
            report("expected a list of values", key: key)
            return value
        }
        return sequence.compactMap { item in
            if item.scalar == nil {
                reading.report("expected a single value", key: keyPath(key), at: item.mark)
            }
            return item.scalar?.string
        }
    }

    /// Reports every key that nobody asked for, with the nearest known one.
    func finish() {
        guard let mapping = node?.mapping else { return }
        for (key, _) in mapping {
            let name = key.scalar?.string ?? "?"
            guard !asked.contains(name) else { continue }
            let near = asked.min { Self.distance($0, name) < Self.distance($1, name) }
            let hint =
                near.flatMap { Self.distance($0, name) <= 2 ? ": did you mean \($0)?" : nil }
                ?? "; known here: \(asked.sorted().joined(separator: ", "))"
            reading.report("unknown key\(hint)", key: keyPath(name), at: key.mark)
        }
    }

    private static func isNull(_ node: Node) -> Bool {
        guard let scalar = node.scalar, scalar.style == .plain || scalar.style == .any else {
            return false
        }
        return scalar.string == "" || scalar.string == "~" || scalar.string == "null"
    }

    /// The Levenshtein distance of two key names.
    private static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right)
        var row = Array(0...right.count)
        for (i, letter) in left.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, other) in right.enumerated() {
                let substituted = diagonal + (letter == other ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
            }
        }
        return row[right.count]
    }
}
