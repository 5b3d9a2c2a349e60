/// One thing wrong in a configuration: where, what, and what would be right.
package struct SettingsProblem: Error, Equatable, Sendable, CustomStringConvertible {
    /// The configuration file, or `environment`.
    package let file: String
    /// Line, from 1; 0 when the problem has no place in the file.
    package let line: Int
    /// Column, from 1; 0 when the problem has no place in the file.
    package let column: Int
    /// The dotted path of the key, such as `models[0].training.epochs`.
    package let key: String
    /// What is wrong and what would be right.
    package let message: String

    /// `file:line:column: key: message`, the form that editors jump to.
    package var description: String {
        let place = line > 0 ? "\(file):\(line):\(column)" : file
        return key.isEmpty ? "\(place): \(message)" : "\(place): \(key): \(message)"
    }
}

/// All that is wrong in a configuration, so that one look mends it.
package struct SettingsError: Error, Sendable, CustomStringConvertible {
    /// The problems in the order of the file.
    package let problems: [SettingsProblem]

    /// One problem a line.
    package var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}
