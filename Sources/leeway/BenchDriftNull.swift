import ArgumentParser
import Tools

/// `leeway bench drift-null`: how often the drift monitor is wrong.
struct BenchDriftNull: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift-null",
        abstract: "Counts false alarms over traffic that has not moved; JSON, a line a shape."
    )

    @Option(help: "Runs of each shape of rows.")
    var runs = 200
    @Option(help: "Rows of a run, at most; it ends with its first alarm.")
    var rows = 1_000_000
    @Option(help: "Rows between two false alarms, in the mean, at least.")
    var interval = 100_000.0
    @Option(help: "The total-variation distance that is harmless.")
    var tolerance = 0.05
    @Option(help: "Rows of a block, 1…16.")
    var block = 16
    @Option(help: "Where chance begins.")
    var seed: UInt64 = 1

    func validate() throws {
        guard (1...100_000).contains(runs), (1...1_000_000_000).contains(rows),
            (1...16).contains(block)
        else {
            throw ValidationError("--runs: 1…100000, --rows: 1…1000000000, --block: 1…16")
        }
    }

    func run() throws {
        do {
            var plan = DriftNullBench.Plan()
            (plan.runs, plan.rows, plan.interval) = (runs, rows, interval)
            (plan.tolerance, plan.block, plan.seed) = (tolerance, block, seed)
            try DriftNullBench(plan).run { print(try $0.json()) }
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}
