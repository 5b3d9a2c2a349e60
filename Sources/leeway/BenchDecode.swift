import ArgumentParser
import Tools

/// `leeway bench decode`: from the bytes of a body to checked rows, without anything around it.
struct BenchDecode: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "decode",
        abstract: "Measures the decoder of requests.",
        discussion: """
            Each kind of body has 32 variants that are read in turn. Times are medians with the \
            least and the greatest beside them.
            """
    )

    @Option(help: "A kind of body; may be given several times; all when not given.")
    var body: [DecodeBodies.Kind] = []
    @Option(help: "Measurements of each kind.")
    var samples = 15
    @Option(help: "Milliseconds of a measurement, about.")
    var milliseconds = 4.0
    @Option(help: "Write the bodies into this folder and measure nothing.")
    var export: String?
    @Flag(help: "Print one JSON object instead of lines.")
    var json = false

    func validate() throws {
        guard 1...10_000 ~= samples else {
            throw ValidationError("--samples: expected 1…10000, found \(samples)")
        }
        guard 0.01...10_000 ~= milliseconds else {
            throw ValidationError("--milliseconds: expected 0.01…10000, found \(milliseconds)")
        }
    }

    func run() async throws {
        let bench = DecodeBench(
            kinds: body,
            samples: samples,
            sampleSeconds: milliseconds * 1e-3
        )
        do {
            if let export { return try bench.export(to: export) }
            let report = try bench.run { if !json { print($0) } }
            if json { print(try report.json()) }
        } catch {
            throw Exit.failure("\(error)", code: 1)
        }
    }
}

extension DecodeBodies.Kind: ExpressibleByArgument {}
