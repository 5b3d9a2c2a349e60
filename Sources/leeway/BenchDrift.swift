import ArgumentParser
import Tools

/// `leeway bench drift`: what the drift monitor costs a prediction.
struct BenchDrift: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift",
        abstract: "Measures what the drift monitor costs a prediction, in time and in memory."
    )

    @Option(help: "Rows that are scored for each shape.")
    var rows = 300_000
    @Flag(help: "Print the report as JSON.")
    var json = false

    func validate() throws {
        guard (1000...1_000_000_000).contains(rows) else {
            throw ValidationError("--rows: expected 1000…1000000000, found \(rows)")
        }
    }

    func run() throws {
        do {
            let report = try DriftBench(rows: rows).run()
            print(json ? try report.json() : report.text)
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}
