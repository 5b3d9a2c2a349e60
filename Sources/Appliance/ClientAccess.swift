internal import Files
package import Retraining
internal import Telemetry
internal import Transfer

/// How our own tools reach a running appliance, from the same configuration.
package struct ClientAccess: Sendable {
    /// `https://host:port` of the listener.
    package let url: String
    /// The authorities to trust in PEM; nil for the system's.
    package let authorities: String?
    /// Whether the listener speaks plain HTTP.
    package let isPlaintext: Bool
    /// The bearer token; nil for none.
    package let token: String?

    init(_ listener: ListenerSettings, _ settings: Settings) throws {
        let scheme = listener.plaintext ? "http" : "https"
        // A listener on all addresses is reached on this machine by its loopback address.
        let host = ["0.0.0.0", "::"].contains(listener.listen.host) ? "127.0.0.1" : nil
        let address = host.map { "\($0):\(listener.listen.port)" } ?? "\(listener.listen)"
        url = "\(scheme)://\(address)"
        authorities = listener.plaintext ? nil : settings.clientTrust
        isPlaintext = listener.plaintext
        token = try listener.tokenFile.map { path in
            let bytes = try WholeFile.read(path, bytesMax: 4096)
            let word = bytes.split { $0 <= 0x20 }.first ?? []
            return String(decoding: word, as: UTF8.self)
        }
    }
}

extension Settings {
    /// How predictions are asked for.
    ///
    /// - Throws: `FileError` when the token cannot be read.
    package func predictionAccess() throws -> ClientAccess { try ClientAccess(api, self) }

    /// How the appliance is asked about itself.
    ///
    /// - Throws: `FileError` when the token cannot be read.
    package func operationsAccess() throws -> ClientAccess { try ClientAccess(operations, self) }

    /// The rows of a model's sources, fetched and checked as a retrain does it.
    ///
    /// - Parameters:
    ///   - model: The model's name; nil takes the only one.
    ///   - part: `train` or `holdout`.
    /// - Returns: The rows.
    /// - Throws: ``JobError``, `RetrainingError`.
    package func labelledRows(model: String?, part: String) async throws -> LabelledRows {
        let name = try resolveModel(model)
        guard let chosen = models.first(where: { $0.name == name }) else {
            throw JobError.unknownModel(name, known: models.map(\.name))
        }
        guard let part = LabelledRows.Part(rawValue: part) else {
            throw JobError.unknownPart(part)
        }
        try TransferLibrary.initialise()
        var log = log
        // A mirror that has nothing is no news here, as long as another one has.
        (log.level, log.format) = (.error, .text)
        let logging = try ApplianceLogging(log)
        defer { logging.sink.shutdown() }
        return try await LabelledRows.load(
            chosen.plan(self),
            part: part,
            downloader: Downloader(
                settings: downloads.transferSettings(),
                logger: logging.logger("replay")
            ),
            folder: "\(state)/downloads",
            unixSeconds: ProcessEnvironment.nowWithFraction()
        )
    }
}
