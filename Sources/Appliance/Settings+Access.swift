internal import Files
package import Serving

extension Settings {
    /// Reads the access file and the listeners' tokens, and puts the rules together.
    ///
    /// - Returns: Rules that are not in use yet.
    /// - Throws: ``SettingsError`` with the file and the line, `FileError` when one cannot be read.
    package func prepareAccess(_ control: AccessControl) throws -> AccessControl.Prepared {
        var tokens: [Listener: [UInt8]] = [:]
        tokens[.api] = try api.tokenFile.map { try token($0, "api.token_file") }
        tokens[.operations] = try operations.tokenFile.map {
            try token($0, "operations.token_file")
        }
        return try control.prepare(accessFile.map { try callers($0) }, tokens: tokens)
    }

    private func callers(_ path: String) throws -> AccessFile {
        let bytes = try WholeFile.read(path, bytesMax: 1 << 20)
        do {
            return try AccessFile(String(decoding: bytes, as: UTF8.self))
        } catch {
            throw SettingsError(problems: [
                SettingsProblem(
                    file: path,
                    line: error.line ?? 0,
                    column: 0,
                    key: "access.file",
                    message: error.problem
                )
            ])
        }
    }

    private func token(_ path: String, _ key: String) throws -> [UInt8] {
        let bytes = try WholeFile.read(path, bytesMax: 4096)
        let token = bytes.split { $0 <= 0x20 }.first.map { Array($0) } ?? []
        guard token.count >= 16 else {
            throw SettingsError(problems: [
                SettingsProblem(
                    file: file,
                    line: 0,
                    column: 0,
                    key: key,
                    message: "\(path): a token has at least 16 characters"
                )
            ])
        }
        return token
    }
}

extension SettingsSection {
    /// Reads the section `access`: the file of callers; nil for none.
    mutating func readAccess() -> String? {
        let path = optionalString(
            "file",
            doc: "file of callers: name, scopes, sha256 of a key or san of a certificate, limits"
        )
        finish()
        return path
    }
}

/// What makes keys for the access file.
package enum KeysJob {
    /// Makes a key.
    ///
    /// - Parameters:
    ///   - name: The caller's name.
    ///   - scopes: What it may ask for: `predict`, `feedback`, `operate`, parted by commas.
    ///   - rate: Requests a second in the long run; nil for any number.
    ///   - burst: Requests at once; nil for as many as `rate`.
    /// - Returns: The key, and its line for the file.
    /// - Throws: `AccessFileError`.
    package static func make(
        name: String,
        scopes: String,
        rate: Double?,
        burst: Double?
    ) throws -> (key: String, line: String) {
        var random = SystemRandomNumberGenerator()
        let limits = [rate.map { "rate=\($0)" }, burst.map { "burst=\($0)" }].compactMap { $0 }
        let made = try AccessKey.make(name: name, scopes: scopes, limits: limits, using: &random)
        return (made.key, made.line)
    }
}
