/// The parts of a family's exposition that are known when it is declared, made once.
struct FamilyText: Sendable {
    /// The `# HELP` and `# TYPE` lines of the text format 0.0.4.
    let header: [UInt8]
    /// The `# TYPE`, `# UNIT` and `# HELP` lines of OpenMetrics.
    let openHeader: [UInt8]
    let name: [UInt8]
    /// For each bucket of a histogram, `+Inf` last: `le="0.005"`.
    let bounds: [[UInt8]]

    init(_ declaration: MetricDeclaration) {
        name = Array(declaration.name.utf8)
        var header: [UInt8] = []
        let (kind, openName) = (declaration.kind, declaration.openName)
        Self.appendLine("HELP", declaration.name, declaration.help, quotes: false, to: &header)
        Self.appendLine("TYPE", declaration.name, kind.textWord, quotes: false, to: &header)
        self.header = header
        header.removeAll()
        Self.appendLine("TYPE", openName, kind.rawValue, quotes: false, to: &header)
        if kind != .info, kind != .stateSet,
            let unit = Self.units.first(where: { openName.hasSuffix("_" + $0) })
        {
            Self.appendLine("UNIT", openName, unit, quotes: false, to: &header)
        }
        Self.appendLine("HELP", openName, declaration.help, quotes: true, to: &header)
        openHeader = header
        bounds =
            declaration.kind == .histogram
            ? (declaration.bounds + [.infinity]).map { Array("le=\"\(Self.bound($0))\"".utf8) }
            : []
    }

    /// The units whose suffix OpenMetrics is told, too.
    private static let units = ["seconds", "bytes", "ratio"]

    private static func appendLine(
        _ word: StaticString,
        _ name: String,
        _ text: String,
        quotes: Bool,
        to header: inout [UInt8]
    ) {
        header.append("# ")
        header.append(word)
        header.append(" ")
        header.append(string: name)
        header.append(" ")
        appendEscaped(text, quotes: quotes, to: &header)
        header.append("\n")
    }

    /// The text of a series' labels: `a="x",b="y"`.
    static func labels(_ names: [String], _ values: [String]) -> [UInt8] {
        var text: [UInt8] = []
        for (name, value) in zip(names, values) {
            if !text.isEmpty { text.append(",") }
            text.append(string: name)
            text.append("=\"")
            appendEscaped(value, quotes: true, to: &text)
            text.append("\"")
        }
        return text
    }

    private static func appendEscaped(_ value: String, quotes: Bool, to text: inout [UInt8]) {
        for byte in value.utf8 {
            switch byte {
            case UInt8(ascii: "\\"): text.append("\\\\")
            case UInt8(ascii: "\n"): text.append("\\n")
            case UInt8(ascii: "\"") where quotes: text.append("\\\"")
            default: text.append(byte)
            }
        }
    }

    /// A bound in OpenMetrics' canonical form: `1.0`, `0.005`, `1e-05`, `1e+06`, `+Inf`.
    ///
    /// Both text formats use it, because Prometheus 2 keeps the text: a bound written in two ways
    /// would make two series. It is Go's `%g`, with `.0` after an integer.
    static func bound(_ value: Double) -> String {
        if value == .infinity { return "+Inf" }
        if value == 0 { return "0.0" }
        let (digits, exponent) = shortestDigits(value.magnitude)
        let sign = value < 0 ? "-" : ""
        if exponent < -4 || exponent >= 6 {
            let fraction = digits.dropFirst()
            let power = exponent.magnitude
            return sign + digits.prefix(1) + (fraction.isEmpty ? "" : "." + fraction)
                + (exponent < 0 ? "e-" : "e+") + (power < 10 ? "0" : "") + "\(power)"
        }
        if exponent < 0 {
            return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits
        }
        let whole = exponent + 1
        let padded = digits + String(repeating: "0", count: max(whole - digits.count, 0))
        let fraction = padded.dropFirst(whole)
        return sign + padded.prefix(whole) + "." + (fraction.isEmpty ? "0" : fraction)
    }

    /// The fewest decimal digits that stand for a positive number, and the power of the first one.
    private static func shortestDigits(_ value: Double) -> (digits: String, exponent: Int) {
        let parts = value.description.split(separator: "e")
        let written = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        let whole = mantissa[0]
        let fraction = mantissa.count > 1 ? mantissa[1] : ""
        let all = whole + fraction
        let leading = all.prefix { $0 == "0" }.count
        var digits = all.dropFirst(leading)
        while digits.count > 1, digits.last == "0" { digits.removeLast() }
        return (String(digits), written + whole.count - 1 - leading)
    }
}
