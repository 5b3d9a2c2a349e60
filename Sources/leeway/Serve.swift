import Appliance
import ArgumentParser

/// `leeway serve`: both listeners, the monitor, and the scheduler that retrains.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serves until SIGTERM; trains the first version when there is none."
    )

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        let settings = try options.settings()
        do {
            try await ApplianceServer(settings: settings).run()
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}
