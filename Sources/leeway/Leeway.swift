import Appliance
import ArgumentParser

/// The command line: parses, starts the program, and maps the outcome to an exit code.
@main
struct Leeway: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leeway",
        abstract: "Serves a multilayer perceptron over TLS, watches its inputs, and retrains it.",
        version: ApplianceVersion.text,
        subcommands: [
            Serve.self, Retrain.self, Models.self, DriftCommand.self, Replay.self, Status.self,
            CheckConfig.self, Keys.self, Bench.self,
        ]
    )

    /// Runs a command; what it throws becomes words on standard error and an exit code.
    static func main() async {
        ProcessStart.prepareLibraries()
        do {
            do {
                try KernelChoice.apply()
            } catch {
                throw Exit.usage("\(error)")
            }
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            // Usage is 2 here, as for most commands, not the 64 of sysexits.h.
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            StandardError.write(fullMessage(for: error) + "\n")
            exit(withError: ExitCode(2))
        }
    }
}

/// What every command takes.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .long,
        help: "The configuration; LEEWAY_CONFIG or the built-in quickstart when it is not given."
    )
    var config: String?

    /// Reads and checks the configuration; its errors end the program with code 2.
    func settings() throws -> Settings {
        do {
            return try SettingsFile.readOrQuickstart(config)
        } catch {
            throw Exit.usage("\(error)")
        }
    }
}

/// The exit codes, each with one meaning.
enum Exit {
    /// 2: usage or configuration.
    static func usage(_ message: String) -> any Error { failure(message, code: 2) }

    /// An error's line on standard error, and its code.
    static func failure(_ message: String, code: Int32) -> any Error {
        StandardError.write("leeway: \(message)\n")
        return ExitCode(code)
    }

    /// Ends the program as an outcome demands.
    static func with(_ code: Int32) throws {
        if code != 0 { throw ExitCode(code) }
    }
}
