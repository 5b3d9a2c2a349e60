internal import FoundationEssentials
internal import NeuralNetwork

/// Measures the engine on this machine: predictions and training steps, and the machine's peak.
package struct EngineBench: Sendable {
    /// What is measured.
    package struct Plan: Sendable {
        /// Widths from input to output, such as `784-64-10`.
        package var networks: [String]
        /// Rows of a prediction; 1...65,536.
        package var batches: [Int]
        /// Threads; nil is 1 for predictions and one a core for training.
        package var threads: Int?
        /// Whether predictions are measured.
        package var inference = true
        /// Whether training is measured.
        package var training = true

        /// The networks and batches that the project quotes.
        package init(networks: [String] = [], batches: [Int] = [], threads: Int? = nil) {
            self.networks =
                networks.isEmpty ? ["784-64-10", "784-512-512-10", "784-4096-4096-10"] : networks
            self.batches = batches.isEmpty ? [1, 8, 32, 256, 1024] : batches
            self.threads = threads
        }
    }

    /// The figures, as `leeway bench engine --json` prints them.
    package struct Report: Codable, Sendable {
        /// The instruction set in use.
        package var instructionSet: String
        /// Processors that this process may use.
        package var cores: Int
        /// 10⁹ floating-point operations a second that one core does at most.
        package var fmaPeakGflops: Double
        /// Predictions.
        package var inference: [Inference] = []
        /// Training steps.
        package var training: [Training] = []

        /// The figures as one JSON object.
        package func json() throws -> String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }

        private enum CodingKeys: String, CodingKey {
            case cores, inference, training
            case instructionSet = "instruction_set"
            case fmaPeakGflops = "fma_peak_gflops"
        }
    }

    /// Predictions of one network and batch: shares are of the peak of all threads.
    package struct Inference: Codable, Sendable {
        /// The widths.
        package var network: String
        /// Rows together.
        package var batch: Int
        /// Threads that shared the work.
        package var threads: Int
        /// Time of one prediction.
        package var microsecondsPerBatch: Spread
        /// The median, by row.
        package var microsecondsPerRow: Double
        /// 10⁹ operations a second, at the median.
        package var gflops: Double
        /// Their share of what the threads' cores do at most.
        package var peakShare: Double

        private enum CodingKeys: String, CodingKey {
            case network, batch, threads, gflops
            case microsecondsPerBatch = "microseconds_per_batch"
            case microsecondsPerRow = "microseconds_per_row"
            case peakShare = "peak_share"
        }
    }

    /// Training steps of one network with Adam.
    package struct Training: Codable, Sendable {
        /// The widths.
        package var network: String
        /// Rows together.
        package var batch: Int
        /// Threads that shared the work.
        package var threads: Int
        /// Time of one step.
        package var microsecondsPerStep: Spread
        /// Rows fitted a second, at the median.
        package var rowsPerSecond: Double
        /// 10⁹ operations a second, at the median.
        package var gflops: Double
        /// Their share of what the threads' cores do at most.
        package var peakShare: Double

        private enum CodingKeys: String, CodingKey {
            case network, batch, threads, gflops
            case microsecondsPerStep = "microseconds_per_step"
            case rowsPerSecond = "rows_per_second"
            case peakShare = "peak_share"
        }
    }

    /// The least, the middle and the greatest of some measurements.
    package struct Spread: Codable, Sendable {
        /// The least.
        package let minimum: Double
        /// The middle one.
        package let median: Double
        /// The greatest.
        package let maximum: Double

        init(_ values: [Double]) {
            let sorted = values.sorted()
            minimum = sorted.first ?? .nan
            median = sorted.isEmpty ? .nan : sorted[sorted.count / 2]
            maximum = sorted.last ?? .nan
        }
    }

    private let plan: Plan
    private let cores: Int
    /// The batch of the training steps.
    private static let trainingBatch = 32

    /// Takes a plan.
    ///
    /// - Parameters:
    ///   - plan: What to measure.
    ///   - cores: Processors that this process may use.
    package init(plan: Plan, cores: Int) {
        self.plan = plan
        self.cores = max(cores, 1)
    }

    /// Measures.
    ///
    /// - Parameter line: Called with the words on each measurement when it is done.
    /// - Returns: The figures.
    /// - Throws: ``BenchError`` for a network that is none; ``NetworkError``; ``TrainingError``.
    package func run(_ line: (String) -> Void) throws -> Report {
        let shapes = try plan.networks.map { try NetworkShape($0) }
        if let batch = plan.batches.first(where: { !(1...65_536 ~= $0) }) {
            throw BenchError.batch(batch)
        }
        var report = Report(
            instructionSet: InstructionSet.current.rawValue,
            cores: cores,
            fmaPeakGflops: peak()
        )
        line(
            "instruction set \(report.instructionSet), peak of one core "
                + "\(fixed(report.fmaPeakGflops, 1)) GFLOP/s"
        )
        for shape in shapes where plan.inference {
            let network = try shape.network()
            for batch in plan.batches {
                let figures = inference(network, shape, batch, report.fmaPeakGflops)
                report.inference.append(figures)
                line(figures.words)
            }
        }
        for shape in shapes where plan.training {
            let figures = try training(shape, report.fmaPeakGflops)
            report.training.append(figures)
            line(figures.words)
        }
        return report
    }

    // MARK: - Measurements

    private func peak() -> Double {
        let samples = (0..<9).map { _ in
            var operations = 0.0
            let seconds = Self.seconds {
                operations = InstructionSet.multiplyAndAdd(rounds: 2_000_000)
            }
            return operations / seconds * 1e-9
        }
        return samples.max() ?? .nan
    }

    private func inference(
        _ network: MultilayerPerceptron,
        _ shape: NetworkShape,
        _ batch: Int,
        _ peak: Double
    ) -> Inference {
        let threads = plan.threads ?? 1
        let rows = Self.noise(batch * network.inputWidth)
        var scratch = InferenceScratch(for: network, rowsMax: batch, threads: threads)
        let operations = Double(batch) * shape.operationsPerRow
        func sample(_ repeats: Int) -> Double {
            Self.seconds {
                for _ in 0..<repeats {
                    network.forward(rows: rows.span, rowCount: batch, scratch: &scratch)
                }
            } / Double(repeats)
        }
        // A sample takes some milliseconds, so that the clock does not matter.
        _ = sample(3)
        let repeats = max(1, min(1_000_000, Int(4e-3 / max(sample(3), 1e-9))))
        let spread = Spread((0..<15).map { _ in sample(repeats) * 1e6 })
        let gflops = operations / spread.median * 1e-3
        return Inference(
            network: shape.name,
            batch: batch,
            threads: threads,
            microsecondsPerBatch: spread,
            microsecondsPerRow: spread.median / Double(batch),
            gflops: gflops,
            peakShare: gflops / (peak * Double(threads))
        )
    }

    private func training(_ shape: NetworkShape, _ peak: Double) throws -> Training {
        let threads = plan.threads ?? cores
        let batch = Self.trainingBatch
        let operations = Double(batch) * shape.trainingOperationsPerRow
        let steps = max(20, min(2000, Int(2e10 / operations)))
        let network = try shape.network()
        let rows = Matrix(
            rows: batch * steps,
            columns: network.inputWidth,
            values: Self.noise(batch * steps * network.inputWidth)
        )
        let classes = (0..<rows.rows).map { Int32($0 % network.outputWidth) }
        let session = try TrainingSession(
            network,
            settings: TrainingSettings(epochs: 2, batch: batch, learningRate: 1e-4),
            rows: rows,
            targets: .classes(classes),
            threads: threads
        )
        // Ten steps a sample; the first ones warm up.
        var samples: [Double] = []
        var last = ContinuousClock.now
        _ = try session.runEpoch { progress in
            if progress.step % 10 == 0 {
                let now = ContinuousClock.now
                if progress.step > 10 { samples.append((now - last) / .microseconds(10)) }
                last = now
            }
            return .continue
        }
        let spread = Spread(samples)
        let gflops = operations / spread.median * 1e-3
        return Training(
            network: shape.name,
            batch: batch,
            threads: threads,
            microsecondsPerStep: spread,
            rowsPerSecond: Double(batch) / spread.median * 1e6,
            gflops: gflops,
            peakShare: gflops / (peak * Double(threads))
        )
    }

    private static func seconds(_ work: () -> Void) -> Double {
        ContinuousClock().measure(work) / .seconds(1)
    }

    private static func noise(_ count: Int) -> [Float] {
        var random = RandomSource(seed: 1, stream: 7)
        return (0..<count).map { _ in random.nextUnit() }
    }
}

/// Why a measurement cannot be made.
package enum BenchError: Error, Equatable, CustomStringConvertible {
    /// The text does not name a network.
    case network(String)
    /// A batch is out of range.
    case batch(Int)

    /// What was asked for, and what can be.
    package var description: String {
        switch self {
        case .network(let text):
            "network \(text): give at least two widths from 1 to \(MultilayerPerceptron.widthMax), "
                + "such as 784-64-10"
        case .batch(let batch): "batch \(batch): give 1 to 65536"
        }
    }
}

/// The widths of a network, from its input to its classes.
struct NetworkShape {
    let name: String
    let widths: [Int]

    init(_ text: String) throws(BenchError) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        let widths = parts.compactMap { Int($0) }
        guard widths.count == parts.count, widths.count >= 2,
            widths.allSatisfy({ 1...MultilayerPerceptron.widthMax ~= $0 }), (widths.last ?? 0) >= 2
        else { throw .network(text) }
        name = text
        self.widths = widths
    }

    func network() throws(NetworkError) -> MultilayerPerceptron {
        try MultilayerPerceptron(
            inputWidth: widths[0],
            hidden: Array(widths[1..<widths.count - 1]),
            outputWidth: widths[widths.count - 1],
            activation: .relu,
            head: .softmax,
            seed: 1
        )
    }

    /// Multiplications and additions of one row through all layers.
    var operationsPerRow: Double {
        zip(widths, widths.dropFirst()).reduce(0) { $0 + 2 * Double($1.0) * Double($1.1) }
    }

    /// Forward, the slopes by the weights, and those by the inputs of all layers but the first.
    var trainingOperationsPerRow: Double {
        3 * operationsPerRow - 2 * Double(widths[0]) * Double(widths[1])
    }
}

extension EngineBench.Inference {
    /// The figures in one line.
    var words: String {
        "inference  \(padded(network, 17)) batch \(padded("\(batch)", 5)) "
            + "\(padded("\(threads) thread\(threads == 1 ? "" : "s")", 10))"
            + "\(fixed(microsecondsPerBatch.median, 2)) us (\(fixed(microsecondsPerBatch.minimum, 2))"
            + " to \(fixed(microsecondsPerBatch.maximum, 2))), \(fixed(microsecondsPerRow, 3)) us/row, "
            + "\(fixed(gflops, 1)) GFLOP/s, \(fixed(100 * peakShare, 0)) % of the peak"
    }
}

extension EngineBench.Training {
    /// The figures in one line.
    var words: String {
        "training   \(padded(network, 17)) batch \(padded("\(batch)", 5)) "
            + "\(padded("\(threads) thread\(threads == 1 ? "" : "s")", 10))"
            + "\(fixed(microsecondsPerStep.median, 1)) us a step "
            + "(\(fixed(microsecondsPerStep.minimum, 1)) to "
            + "\(fixed(microsecondsPerStep.maximum, 1))), \(fixed(rowsPerSecond, 0)) rows/s, "
            + "\(fixed(gflops, 1)) GFLOP/s, \(fixed(100 * peakShare, 0)) % of the peak"
    }
}

private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
}
