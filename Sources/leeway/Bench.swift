import ArgumentParser

/// `leeway bench`: what this machine and this build can do.
struct Bench: AsyncParsableCommand {
    private static let servers = CommandConfiguration(
        abstract: "Measures parts of the appliance on this machine.",
        subcommands: [BenchEngine.self, BenchTransport.self, BenchTelemetry.self]
    )

    /// What is measured without a server comes first.
    static var configuration: CommandConfiguration {
        var all = servers
        all.subcommands.insert(BenchDecode.self, at: 0)
        return all
    }
}
