import Appliance
import ArgumentParser
import Tools

/// `leeway drift`: what has moved away from what a model was fitted to.
struct DriftCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift",
        abstract: "Compares data with what a model version was fitted to.",
        subcommands: [
            DriftShowCommand.self, DriftAckCommand.self, DriftCheckCommand.self,
            DriftCalibrateCommand.self,
        ]
    )

    /// Which version the data are compared with.
    struct Subject: ParsableArguments {
        @OptionGroup var configuration: ConfigurationOptions
        @Option(help: "The model; needed when the configuration has several.")
        var model: String?
        @Option(help: "The version; the current one if none is named.")
        var version: Int?
        @Flag(help: "Print JSON.")
        var json = false

        /// The version, and the model's settings.
        func load() throws -> (subject: DriftSubject, settings: ModelSettings) {
            let settings = try configuration.settings()
            let name = try settings.resolveModel(model)
            guard let chosen = settings.models.first(where: { $0.name == name }) else {
                throw JobError.unknownModel(name, known: settings.models.map(\.name))
            }
            let subject = try DriftSubject(
                state: settings.state,
                model: name,
                version: version,
                delimiter: chosen.data.delimiter
            )
            return (subject, chosen)
        }
    }

    /// Words on standard error and the exit code for what went wrong.
    static func failure(_ error: any Error) -> any Error {
        if let code = error as? ExitCode { return code }
        if let error = error as? JobError { return Exit.usage("\(error)") }
        return Exit.failure("\(error)", code: 1)
    }
}
