import Appliance
import ArgumentParser
import Tools

/// `leeway drift calibrate`: which tolerance would have kept past data silent.
struct DriftCalibrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "calibrate",
        abstract: "Finds the tolerance with which the monitor would have kept silent.",
        discussion: """
            FILES are past inputs that were harmless, in the order of time: IDX files of images or \
            delimited files with the model's columns. The monitor is run over their rows as if \
            they were traffic, with the configured false_alarm_interval and one tolerance after \
            another, the same for tails. Put the one found, or a little more, into the model's \
            drift.tolerance, and into drift.rare_tolerance where a tail is suspected.
            """
    )

    @OptionGroup var options: DriftCommand.Subject
    @Argument(help: "Past rows, the oldest file first.") var files: [String]

    func run() async throws {
        do {
            let (subject, settings) = try options.load()
            let report = try subject.calibrate(
                files,
                tolerance: settings.drift.tolerance,
                rareTolerance: settings.drift.rareTolerance,
                falseAlarmInterval: Double(settings.drift.falseAlarmInterval)
            )
            print(options.json ? try report.json() : report.text)
        } catch {
            throw DriftCommand.failure(error)
        }
    }
}
