/// The naming rules of Prometheus, checked when a metric is declared.
///
/// They are those of `promtool check metrics` (promlint), and three of our own: the name ends
/// with the unit in which it is exported, lengths are bounded, and a label never repeats.
enum MetricNameRules {
    static let nameBytesMax = 128
    static let labelsMax = 10

    private static let typeWords: Set<String> = ["counter", "gauge", "histogram", "summary"]
    private static let abbreviations: Set<String> = [
        "s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d",
    ]
    private static let baseUnits: Set<String> = [
        "amperes", "bytes", "celsius", "grams", "joules", "kelvin", "meters", "metres", "moles",
        "seconds", "volts",
    ]
    private static let prefixes = [
        "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega",
        "mebi", "giga", "gibi", "tera", "tebi", "peta", "pebi",
    ]
    private static let otherUnits: [String: String] = [
        "minutes": "seconds", "hours": "seconds", "days": "seconds", "weeks": "seconds",
        "bits": "bytes", "fahrenheit": "celsius", "percent": "ratio",
    ]

    /// What is wrong with a declaration and what to do; nil when all is well.
    static func problem(_ declaration: MetricDeclaration) -> String? {
        nameProblem(declaration.name)
            ?? helpProblem(declaration.help)
            ?? (declaration.isFromLibrary ? nil : wordProblem(declaration.name))
            ?? suffixProblem(declaration)
            ?? labelProblem(declaration.labels)
            ?? (declaration.seriesMax < 1 ? "seriesMax is below 1: allow at least one" : nil)
    }

    private static func nameProblem(_ name: String) -> String? {
        if name.utf8.count > nameBytesMax {
            return "the name is longer than \(nameBytesMax) bytes: shorten it"
        }
        guard isSnakeCase(name), name.utf8.first != UInt8(ascii: "_") else {
            return "the name is not snake case: use a-z, 0-9 and _, and begin with a letter"
        }
        return nil
    }

    private static func helpProblem(_ help: String) -> String? {
        help.utf8.allSatisfy { $0 == UInt8(ascii: " ") }
            ? "the help text is empty: say what the metric tells" : nil
    }

    private static func wordProblem(_ name: String) -> String? {
        for word in name.utf8.split(separator: UInt8(ascii: "_")) {
            let word = String(Substring(word))
            if typeWords.contains(word) {
                return "the name contains the type word \"\(word)\": leave it out"
            }
            if abbreviations.contains(word) {
                return "the name contains the abbreviated unit \"\(word)\": spell the base unit"
            }
            if let base = baseUnit(instead: word) {
                return "the unit \"\(word)\" is not a base unit: use \"\(base)\""
            }
        }
        return nil
    }

    /// The base unit that should stand for a word, if the word is another unit.
    private static func baseUnit(instead word: String) -> String? {
        if let base = otherUnits[word] { return base }
        for prefix in prefixes where word.hasPrefix(prefix) {
            let rest = String(word.dropFirst(prefix.count))
            if baseUnits.contains(rest) { return rest }
            if let base = otherUnits[rest] { return base }
        }
        return nil
    }

    private static func suffixProblem(_ declaration: MetricDeclaration) -> String? {
        let name = declaration.name
        let isCounter = declaration.kind == .counter
        if isCounter != name.hasSuffix("_total") {
            return isCounter
                ? "a counter's name must end with _total: add it"
                : "only a counter's name may end with _total: leave it out"
        }
        if (declaration.kind == .info) != name.hasSuffix("_info") {
            return "the ending _info is for facts alone, and they must have it"
        }
        for reserved in ["_bucket", "_count", "_sum", "_created"] where name.hasSuffix(reserved) {
            return "the ending \(reserved) is reserved for histograms: use another word"
        }
        guard let unit = declaration.unit.nameSuffix else { return nil }
        let ending = isCounter ? "_\(unit)_total" : "_\(unit)"
        return name.hasSuffix(ending) ? nil : "the name does not end with \(ending): add its unit"
    }

    private static func labelProblem(_ labels: [String]) -> String? {
        if labels.count > labelsMax { return "more than \(labelsMax) labels: leave some out" }
        if Set(labels).count != labels.count { return "a label is named twice: leave one out" }
        for label in labels {
            if label == "le" || label == "quantile" {
                return "the label \(label) is reserved: use another name"
            }
            guard isSnakeCase(label), !label.hasPrefix("__") else {
                return "the label \"\(label)\" is not snake case: use a-z, 0-9 and _"
            }
        }
        return nil
    }

    private static func isSnakeCase(_ name: String) -> Bool {
        guard let first = name.utf8.first, !isDigit(first) else { return false }
        return name.utf8.allSatisfy { byte in
            isDigit(byte) || byte == UInt8(ascii: "_")
                || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
