internal import Files
internal import Serving

/// What serving needs to know of the configuration.
extension Settings {
    /// Reads a listener's token and puts its limits together.
    ///
    /// - Throws: `FileError` when the token's file cannot be read, ``SettingsError`` when it is
    ///   empty.
    func servingSettings(_ listener: ListenerSettings) throws -> ServingSettings {
        ServingSettings(
            models: models.map(\.name),
            defaultModel: defaultModel,
            watchedModels: Set(models.filter(\.drift.enabled).map(\.name)),
            bodyBytesMax: listener.limits.bodyBytesMax,
            rowsMax: listener.limits.rowsMax,
            serverVersion: ApplianceVersion.text,
            token: try listener.tokenFile.map { try token($0) }
        )
    }

    private func token(_ path: String) throws -> [UInt8] {
        let bytes = try WholeFile.read(path, bytesMax: 4096)
        let token = bytes.split { $0 <= 0x20 }.first.map { Array($0) } ?? []
        guard token.count >= 16 else {
            throw SettingsError(problems: [
                SettingsProblem(
                    file: file,
                    line: 0,
                    column: 0,
                    key: "token_file",
                    message: "\(path): a token has at least 16 characters"
                )
            ])
        }
        return token
    }

    /// The configuration's file for a child process; nil for the built-in quickstart.
    var source: String? { file == SettingsFile.quickstartName ? nil : file }
}
