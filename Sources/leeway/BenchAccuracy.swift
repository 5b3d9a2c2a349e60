import ArgumentParser
import Tools

/// `leeway bench accuracy`: estimates without labels, for comparison with those of others.
struct BenchAccuracy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accuracy",
        abstract: "Estimates accuracy without labels for scores in a file.",
        discussion: """
            Prints one JSON object: for each part of the live rows the estimates of the monitor, by \
            calibrated confidence (CBPE) and by a threshold of confidence (ATC), and the labels' \
            shares. All of them are blind to concept drift.
            """
    )

    @Option(help: "A CSV file with a header: probabilities, answered class, true class.")
    var reference: String
    @Option(help: "A CSV file with a header: probabilities, answered class.")
    var live: String
    @Option(help: "Live rows of each estimate.")
    var rows = 5000

    func validate() throws {
        guard rows > 0 else { throw ValidationError("--rows: expected 1 or more, found \(rows)") }
    }

    func run() async throws {
        do {
            let bench = AccuracyBench(reference: reference, live: live, rows: rows)
            print(try bench.run().json())
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}
