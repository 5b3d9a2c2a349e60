import Appliance
import ArgumentParser

/// `leeway models`: what is in the store, and which version is current.
struct Models: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Shows and changes which version of a model is current; brings and takes weights.",
        subcommands: [
            List.self, Show.self, Verify.self, Promote.self, Rollback.self, Import.self,
            Export.self,
        ],
        defaultSubcommand: List.self
    )

    /// What every one of these commands takes.
    struct Options: ParsableArguments {
        @OptionGroup var configuration: ConfigurationOptions
        @Option(help: "The model; needed when the configuration has several.")
        var model: String?
        @Flag(help: "Print JSON.")
        var json = false

        func run(_ command: ModelsJob.Command) throws {
            let job = ModelsJob(settings: try configuration.settings(), model: model, json: json)
            do {
                let (report, code) = try job.run(command)
                print(report)
                try Exit.with(code)
            } catch let code as ExitCode {
                throw code
            } catch let error as JobError {
                throw Exit.usage("\(error)")
            } catch {
                throw Exit.failure("\(error)", code: 1)
            }
        }
    }

    /// All versions, newest last, with scores and which one is current.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lists the versions.")
        @OptionGroup var options: Options
        func run() async throws { try options.run(.list) }
    }

    /// One version's manifest.
    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows one version, the current one if none is named."
        )
        @OptionGroup var options: Options
        @Argument(help: "The version.") var version: Int?
        func run() async throws { try options.run(.show(version)) }
    }

    /// Reads every byte of the versions and runs their self-tests.
    struct Verify: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Checks digests, shapes and self-tests of one or all versions."
        )
        @OptionGroup var options: Options
        @Argument(help: "The version; all when none is named.") var version: Int?
        func run() async throws { try options.run(.verify(version)) }
    }

    /// Makes a version current; a running server takes it within 200 ms.
    struct Promote: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Makes a version current.")
        @OptionGroup var options: Options
        @Argument(help: "The version.") var version: Int
        @Option(help: "Why, for the journal.") var reason = "promoted by hand"
        func run() async throws { try options.run(.promote(version, reason: reason)) }
    }

    /// Makes the version before the current one current again.
    struct Rollback: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Makes the version before the current one current again."
        )
        @OptionGroup var options: Options
        @Option(help: "Why, for the journal.") var reason = "rolled back by hand"
        func run() async throws { try options.run(.rollback(reason: reason)) }
    }
}
