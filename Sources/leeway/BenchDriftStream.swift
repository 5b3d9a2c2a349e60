import Appliance
import ArgumentParser
import Tools

/// `leeway bench drift-stream`: the monitor over prepared streams, for comparisons with others.
struct BenchDriftStream: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drift-stream",
        abstract: "Runs the drift monitor over prepared streams of rows.",
        discussion: """
            Prints one JSON object a stream: where the evidence rose to a new maximum after \
            --change, as [rows since the change, nats]. Tests/Comparisons/drift uses it.
            """,
        shouldDisplay: false
    )

    @OptionGroup var options: DriftCommand.Subject
    @Option(help: "A file of rows; may be given several times, row numbers go on.")
    var pool: [String]
    @Option(help: "An IDX file of 32-bit integers: a line of row numbers for each stream.")
    var streams: String
    @Option(help: "The rows of a stream after which maxima count.") var change: Int
    @Option(help: "The rows of a block, 1 to 16.") var block = 4
    @Option(help: "The tolerance.") var tolerance = 0.0
    @Option(help: "The half-lives, such as 4,16,64,512; the monitor's own if not given.")
    var halfLives: String?
    @Option(help: "The pseudo-count; the monitor's own if not given.") var pseudoCount: Double?
    @Option(help: "End a stream at so many nats.") var stop: Double?

    func validate() throws {
        guard (1...16).contains(block) else {
            throw ValidationError("--block: expected 1…16, found \(block)")
        }
        guard change >= 0 else { throw ValidationError("--change: expected at least 0") }
    }

    func run() async throws {
        var plan = DriftStreamBench.Plan(pools: pool, streams: streams, change: change)
        plan.block = block
        plan.tolerance = tolerance
        plan.halfLives = (halfLives ?? "").split(separator: ",").compactMap { Double($0) }
        plan.pseudoCount = pseudoCount
        plan.stop = stop
        do {
            try DriftStreamBench(options.load().subject, plan: plan).run { print($0) }
        } catch {
            throw DriftCommand.failure(error)
        }
    }
}
