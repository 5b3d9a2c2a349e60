import Appliance
import ArgumentParser
import Tools

/// `leeway bench engine`: predictions and training steps without anything around them.
struct BenchEngine: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "engine",
        abstract: "Measures predictions and training steps, and the machine's peak.",
        discussion: """
            Prints which instruction set is in use; LEEWAY_KERNELS=portable, avx2 or avx512 has \
            another one used. Times are medians with the least and the greatest beside them.
            """
    )

    /// What can be measured.
    enum Part: String, CaseIterable, ExpressibleByArgument {
        case inference, training
    }

    @Option(help: "Widths from input to classes, such as 784-64-10; may be given several times.")
    var network: [String] = []
    @Option(help: "Rows of a prediction; may be given several times.")
    var batch: [Int] = []
    @Option(help: "Threads; 1 for predictions and one a core for training when not given.")
    var threads: Int?
    @Option(help: "inference or training; both when not given.")
    var part: [Part] = []
    @Flag(help: "Print one JSON object instead of lines.")
    var json = false

    func run() async throws {
        if let threads, !(1...64 ~= threads) {
            throw Exit.usage("--threads \(threads): give 1 to 64")
        }
        var plan = EngineBench.Plan(networks: network, batches: batch, threads: threads)
        plan.inference = part.isEmpty || part.contains(.inference)
        plan.training = part.isEmpty || part.contains(.training)
        do {
            let report = try EngineBench(plan: plan, cores: ProcessorCount.usable).run { line in
                if !json { print(line) }
            }
            if json { print(try report.json()) }
        } catch {
            throw Exit.usage("\(error)")
        }
    }
}
