import Appliance
import ArgumentParser

/// `leeway models`: what is in the store, and which version is current.
struct Models: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Shows and changes which version of a model is current; brings and takes weights.",
        subcommands: [
            List.self, Show.self, Verify.self, Promote.self, Rollback.self, Pin.self, Unpin.self,
            Import.self, Export.self, Prune.self,
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
                throw Exit.failure("\(error)", code: ModelsJob.code(of: error))
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
            abstract: "Checks digests, shapes and self-tests of one or all versions.",
            discussion: """
                --repair puts the store in order: unfinished files are removed, the journal is \
                made whole, damaged versions are moved to the folder quarantine, and a pointer \
                that names none that is valid goes back to the newest one.

                Exit code 0: all valid, or put in order. 1: something is damaged, or nothing is \
                left to be served. 4: a retrain holds the lock (--repair).
                """
        )
        @OptionGroup var options: Options
        @Flag(help: "Put the store in order.") var repair = false
        @Argument(help: "The version; all when none is named.") var version: Int?

        func validate() throws {
            if repair && version != nil {
                throw ValidationError("--repair is of the whole store: name no version")
            }
        }

        func run() async throws { try options.run(repair ? .repair : .verify(version)) }
    }

    /// Removes versions that nothing needs.
    struct Prune: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Removes versions beyond a number or an age.",
            discussion: """
                The current version, the one that a rollback would go to, a pinned one and one \
                that is being released always stay. What is not said here is the \
                configuration's retrain.keep and retrain.keep_days.
                """
        )
        @OptionGroup var options: Options
        @Option(help: "Versions kept besides the current one.") var keep: Int?
        @Option(help: "Days after which a version is removed; 0 for never.") var days: Int?
        @Flag(help: "Tell what would be removed, and remove nothing.") var dryRun = false

        func validate() throws {
            guard (keep ?? 1) >= 1, (0...36_500).contains(days ?? 0) else {
                throw ValidationError("expected --keep of 1 or more and --days of 0 to 36500")
            }
        }

        func run() async throws {
            try options.run(.prune(keep: keep, days: days, dryRun: dryRun))
        }
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
            abstract: "Takes the candidate back, or makes the version before current again."
        )
        @OptionGroup var options: Options
        @Option(help: "Why, for the journal.") var reason = "rolled back by hand"
        func run() async throws { try options.run(.rollback(reason: reason)) }
    }
}
