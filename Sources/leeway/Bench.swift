import ArgumentParser

/// `leeway bench`: what this machine and this build can do.
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures parts of the appliance on this machine.",
        subcommands: [
            BenchAccuracy.self, BenchDecode.self, BenchDrift.self, BenchDriftStream.self,
            BenchDriftNull.self, BenchEngine.self, BenchTelemetry.self,
            BenchTransport.self,
        ]
    )
}
