import Appliance
import ArgumentParser
import Tools

/// `leeway drift check`: one exact test of a file, for pipelines and for people.
struct DriftCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Tests whether a file's rows differ from a version's hold-out.",
        discussion: """
            FILE is an IDX file of images or a delimited file with the model's columns (the target \
            is not needed), as it is or packed with gzip. Each stream is tested exactly, and the \
            chances are corrected by Holm for all streams: a file without drift is called drifted \
            with a chance of at most --level.

            With --tolerance a stream also has to have moved farther than that, in total \
            variation, with the confidence 1 - level.

            Exit code 0: no drift found. 1: failed, the file among it. 2: usage or configuration. \
            5: drift.
            """
    )

    @OptionGroup var options: DriftCommand.Subject
    @Argument(help: "The rows to test.") var file: String
    @Option(help: "The chance of calling a file drifted that is not.") var level = 0.05
    @Option(help: "How far a stream may move, in total variation, and be no drift.")
    var tolerance = 0.0
    @Option(help: "Write the report as an HTML page, too.") var html: String?

    func validate() throws {
        guard level >= 1e-6, level <= 0.5 else {
            throw ValidationError("--level: expected 0.000001…0.5, found \(level)")
        }
        guard tolerance >= 0, tolerance <= 0.9 else {
            throw ValidationError("--tolerance: expected 0…0.9, found \(tolerance)")
        }
    }

    func run() async throws {
        let isDrift: Bool
        do {
            let subject = try options.load().subject
            let check = try subject.check(file, level: level, tolerance: tolerance)
            if let html { try DriftCheckPage(check).write(to: html) }
            print(options.json ? try check.json() : check.text)
            isDrift = check.isDrift
        } catch {
            throw DriftCommand.failure(error)
        }
        try Exit.with(isDrift ? 5 : 0)
    }
}
