import Appliance
import ArgumentParser

/// `leeway check-config`: says whether a configuration is right, with the place of each problem.
struct CheckConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config",
        abstract: "Checks a configuration; code 2 and a line for each problem when it is wrong."
    )

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Print every key with its default and meaning instead.")
    var reference = false

    func run() async throws {
        if reference {
            print(SettingsReference.yaml(), terminator: "")
            return
        }
        let settings = try options.settings()
        print("\(settings.file): right: \(settings.models.map(\.name).joined(separator: ", "))")
    }
}
