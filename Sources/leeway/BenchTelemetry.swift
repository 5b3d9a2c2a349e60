import ArgumentParser
import Tools

/// `leeway bench telemetry`: what observing costs.
struct BenchTelemetry: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "telemetry",
        abstract: "Measures what a counter, a histogram and a scrape cost."
    )

    @Option(help: "Lines of samples in the scrapes that are measured.")
    var series = 2000
    @Flag(help: "Print the report as JSON.")
    var json = false

    func validate() throws {
        guard (1...1_000_000).contains(series) else {
            throw ValidationError("--series: expected 1…1000000, found \(series)")
        }
    }

    func run() throws {
        do {
            let report = try TelemetryBench(series: series).run()
            print(json ? report.json : report.text)
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}
