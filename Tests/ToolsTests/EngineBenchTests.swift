import NeuralNetwork
import Testing
import Tools

@Suite("Measuring the engine") struct EngineBenchTests {
    @Test("each network and batch that was asked for is measured, and nothing else")
    func report() throws {
        let plan = EngineBench.Plan(networks: ["9-7-3", "5-2"], batches: [1, 4], threads: 1)
        var lines: [String] = []
        let report = try EngineBench(plan: plan, cores: 2).run { lines.append($0) }
        #expect(report.instructionSet == InstructionSet.current.rawValue && report.cores == 2)
        #expect(report.fmaPeakGflops > 0)
        #expect(report.inference.map(\.network) == ["9-7-3", "9-7-3", "5-2", "5-2"])
        #expect(report.inference.map(\.batch) == [1, 4, 1, 4])
        #expect(report.training.map(\.network) == ["9-7-3", "5-2"])
        for figures in report.inference {
            let spread = figures.microsecondsPerBatch
            #expect(0 < spread.minimum && spread.minimum <= spread.median)
            #expect(spread.median <= spread.maximum && figures.gflops > 0)
            #expect(figures.microsecondsPerRow == spread.median / Double(figures.batch))
        }
        #expect(report.training.allSatisfy { $0.rowsPerSecond > 0 && $0.batch == 32 })
        #expect(lines.count == 7)
        let json = try report.json()
        for key in ["fma_peak_gflops", "microseconds_per_batch", "microseconds_per_step"] {
            #expect(json.contains(key))
        }
    }

    @Test("one part alone")
    func parts() throws {
        var plan = EngineBench.Plan(networks: ["4-2"], batches: [1], threads: 2)
        plan.inference = false
        let report = try EngineBench(plan: plan, cores: 1).run { _ in }
        #expect(report.inference.isEmpty && report.training.map(\.threads) == [2])
    }

    @Test(
        "what is no network is refused with what one is",
        arguments: ["", "784", "784-", "784--10", "784-0-10", "784-x-10", "784-70000-10", "5-1"]
    )
    func refused(text: String) {
        let plan = EngineBench.Plan(networks: [text], batches: [1])
        let error = #expect(throws: BenchError.network(text)) {
            _ = try EngineBench(plan: plan, cores: 1).run { _ in }
        }
        #expect("\(error as Any)".contains("784-64-10"))
    }

    @Test("a batch out of range is refused", arguments: [0, -1, 65_537])
    func batch(batch: Int) {
        let plan = EngineBench.Plan(networks: ["4-2"], batches: [batch])
        #expect(throws: BenchError.batch(batch)) {
            _ = try EngineBench(plan: plan, cores: 1).run { _ in }
        }
    }
}
