/// Every key with its default and its doc line, as `config/production.yaml` shows it.
package enum SettingsReference {
    /// The keys in the order of the file: path, default as YAML text (nil for a section), doc.
    ///
    /// List items stand once, as `models[0]`.
    package static func keys() -> [(path: String, value: String?, doc: String)] {
        let reading = SettingsReading(file: "defaults", environment: [:])
        _ = Settings(root: nil, reading: reading)
        return reading.keys.map { ($0.path, $0.value, $0.doc) }
    }

    /// The keys as a commented YAML file.
    package static func yaml() -> String {
        var text = ""
        for (path, value, doc) in keys() {
            let parts = path.split(separator: ".")
            guard let last = parts.last else { continue }
            let inList = parts.dropLast().filter { $0.hasSuffix("[0]") }.count
            var indent = String(repeating: "  ", count: parts.count - 1 + inList)
            // The first key of a list's item carries the dash.
            if last == "name", inList > 0 { indent = indent.dropLast(2) + "- " }
            let shown = value.map { $0.isEmpty ? " " + "null" : " \(quoted($0))" } ?? ""
            let head = "\(indent)\(last):\(shown)"
            let gap = String(repeating: " ", count: max(1, 44 - head.count))
            text += "\(head)\(gap)# \(doc)\n"
        }
        return text
    }

    private static func quoted(_ value: String) -> String {
        value == "," || value.hasPrefix("0 ") ? "\"\(value)\"" : value
    }
}
