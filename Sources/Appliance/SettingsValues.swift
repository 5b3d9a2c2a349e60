/// The kinds of single values that a key can have, each checked where it is read.
extension SettingsSection {
    /// A text; `required` makes its absence an error.
    mutating func string(
        _ key: String,
        default value: String = "",
        required: Bool = false,
        doc: String
    ) -> String {
        ask(key, value: value, doc: doc)
        guard let text = text(key) else {
            if required { report("is required", key: key) }
            return value
        }
        return text
    }

    /// A text that may be absent.
    mutating func optionalString(_ key: String, doc: String) -> String? {
        ask(key, value: "", doc: doc)
        return text(key)
    }

    /// A whole number within a range.
    mutating func integer(
        _ key: String,
        default value: Int,
        in range: ClosedRange<Int>,
        doc: String
    ) -> Int {
        ask(key, value: "\(value)", doc: doc)
        guard let text = text(key) else { return value }
        guard let number = Int(text.filter { $0 != "_" }), range.contains(number) else {
            let limits = "\(range.lowerBound)…\(range.upperBound)"
            report("expected a whole number in \(limits), found \(text)", key: key)
            return value
        }
        return number
    }

    /// A list of whole numbers, each within a range.
    mutating func integers(
        _ key: String,
        default value: [Int],
        in range: ClosedRange<Int>,
        doc: String
    ) -> [Int] {
        texts(key, default: value.map(String.init), doc: doc).compactMap { text in
            let number = Int(text).flatMap { range.contains($0) ? $0 : nil }
            if number == nil {
                let limits = "\(range.lowerBound)…\(range.upperBound)"
                report("expected whole numbers in \(limits), found \(text)", key: key)
            }
            return number
        }
    }

    /// A number within a range.
    mutating func number(
        _ key: String,
        default value: Double,
        in range: ClosedRange<Double>,
        doc: String
    ) -> Double {
        ask(key, value: "\(value)", doc: doc)
        return checkedNumber(key, in: range) ?? value
    }

    /// A number within a range that may be absent.
    mutating func optionalNumber(_ key: String, in range: ClosedRange<Double>, doc: String)
        -> Double?
    {
        ask(key, value: "", doc: doc)
        return checkedNumber(key, in: range)
    }

    private func checkedNumber(_ key: String, in range: ClosedRange<Double>) -> Double? {
        guard let text = text(key) else { return nil }
        guard let number = Double(text), range.contains(number) else {
            let limits = "\(range.lowerBound)…\(range.upperBound)"
            report("expected a number in \(limits), found \(text)", key: key)
            return nil
        }
        return number
    }

    /// A list of numbers, each within a range.
    mutating func numbers(_ key: String, in range: ClosedRange<Double>, doc: String) -> [Double] {
        texts(key, default: [], doc: doc).compactMap { text in
            let number = Double(text).flatMap { range.contains($0) ? $0 : nil }
            if number == nil {
                let limits = "\(range.lowerBound)…\(range.upperBound)"
                report("expected numbers in \(limits), found \(text)", key: key)
            }
            return number
        }
    }

    /// `true` or `false`.
    mutating func flag(_ key: String, default value: Bool, doc: String) -> Bool {
        ask(key, value: "\(value)", doc: doc)
        guard let text = text(key) else { return value }
        guard let flag = Bool(text) else {
            report("expected true or false, found \(text)", key: key)
            return value
        }
        return flag
    }

    /// One word of a closed set.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String,
        default value: Choice,
        doc: String
    ) -> Choice where Choice.RawValue == String {
        ask(key, value: value.rawValue, doc: doc)
        guard let text = text(key) else { return value }
        guard let choice = Choice(rawValue: text) else {
            let words = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            report("expected one of \(words), found \(text)", key: key)
            return value
        }
        return choice
    }

    /// An address to listen on: `host:port`, with an IPv6 host in brackets.
    mutating func address(_ key: String, default value: ListenAddress, doc: String)
        -> ListenAddress
    {
        ask(key, value: value.description, doc: doc)
        guard let text = text(key) else { return value }
        guard let address = ListenAddress(text) else {
            report(
                "expected host:port, such as 127.0.0.1:8443 or [::1]:8443, found \(text)",
                key: key
            )
            return value
        }
        return address
    }
}
