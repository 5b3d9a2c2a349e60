internal import Drift
internal import FoundationEssentials
internal import NeuralNetwork
internal import Telemetry

/// Measures what the drift monitor costs a prediction, in time and in memory.
///
/// Rows are random, of the shapes that the project quotes; nothing is trained.
package struct DriftBench: Sendable {
    private let rows: Int
    private let rounds: Int

    /// Takes the rows that are scored for each shape, at least a thousand.
    package init(rows: Int, rounds: Int = 9) {
        (self.rows, self.rounds) = (max(1000, rows), max(1, rounds))
    }

    /// The figures, as `leeway bench drift --json` prints them.
    package struct Report: Codable, Sendable {
        /// One entry for each shape of rows.
        package var shapes: [Shape] = []

        /// The figures as one JSON object.
        package func json() throws -> String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }

        /// The figures for people.
        package var text: String {
            shapes.map { shape in
                let (count, fold) = (shape.countNanoseconds, shape.foldNanoseconds)
                let whole = shape.predictionNanoseconds
                return """
                    \(shape.name): \(shape.streams) streams, blocks of \(shape.blockRows)
                      a prediction \(fixed(whole.median, 0)) ns (\(fixed(whole.minimum, 0)) to \
                    \(fixed(whole.maximum, 0))): counting \(fixed(count.median, 0)) on the request \
                    path, folding \(fixed(fold.median, 0)) off it
                      \(shape.modelBytes) bytes a model, \(shape.loopBytes) an event loop; \
                    \(shape.grownBytes) more after \(shape.rows) rows
                    """
            }.joined(separator: "\n")
        }
    }

    /// What rows of one shape cost.
    package struct Shape: Codable, Sendable {
        /// The shape in words.
        package var name: String
        /// Streams that are watched.
        package var streams: Int
        /// Rows of a block that is folded.
        package var blockRows: Int
        /// Finding and counting the bins of one row, on the request path.
        package var countNanoseconds: EngineBench.Spread
        /// Folding, by row, off the request path.
        package var foldNanoseconds: EngineBench.Spread
        /// Both.
        package var predictionNanoseconds: EngineBench.Spread
        /// Memory of a model's monitor, with its reference.
        package var modelBytes: Int
        /// Memory of each event loop that serves the model.
        package var loopBytes: Int
        /// Rows scored in the end.
        package var rows: Int
        /// What the heap grew by while they were.
        package var grownBytes: Int

        private enum CodingKeys: String, CodingKey {
            case name, streams, rows
            case blockRows = "block_rows"
            case countNanoseconds = "count_nanoseconds"
            case foldNanoseconds = "fold_nanoseconds"
            case predictionNanoseconds = "prediction_nanoseconds"
            case modelBytes = "model_bytes"
            case loopBytes = "loop_bytes"
            case grownBytes = "grown_bytes"
        }
    }

    /// Measures every shape.
    ///
    /// - Throws: `DriftError`, should a reference be impossible.
    package func run() throws -> Report {
        var report = Report()
        for blockRows in [BlockCounts.rowsMax, 1] {
            report.shapes.append(try measure(.image, blockRows))
            report.shapes.append(try measure(.table, blockRows))
        }
        return report
    }
}

extension DriftBench {
    /// Blocks are of the most rows that a busy service folds at once, or of 1, as where rows are few.
    private func measure(_ kind: DriftBenchRows.Kind, _ blockRows: Int) throws -> Shape {
        let live = DriftBenchRows(kind, count: 64, seed: 2)
        let file = try JSONEncoder().encode(try Self.profile(kind))
        try Self.warmUp(file)
        let empty = HeapMemory.bytesInUse
        // As a service has it: read from a bundle, with all that is kept of a model.
        let profile = try JSONDecoder().decode(ReferenceProfile.self, from: file)
        let settings = try DriftSettings(falseAlarmInterval: 1e12)
        var monitor = DriftMonitor(profile: profile, settings: settings)
        let health = ModelHealth(
            profile.performance,
            errorTolerance: 0.02,
            falseAlarmInterval: 1e12
        )
        let pixels = PixelWindow(profile)
        let withMonitor = HeapMemory.bytesInUse
        var binner = StreamBinner(profile: profile)
        var block = BlockCounts(profile: profile)
        let withLoop = HeapMemory.bytesInUse
        var (counts, folds, sums): ([Double], [Double], [Double]) = ([], [], [])
        for round in 0..<rounds {
            let count = rows / rounds
            let counting = Self.time(count) {
                Self.count(live, count, blockRows, &binner, &block)
            }
            let both = Self.time(count) {
                Self.fold(live, count, blockRows, &binner, &block, &monitor)
            }
            // The first round is for the caches and the clock of the processor.
            guard round > 0 || rounds == 1 else { continue }
            counts.append(counting)
            sums.append(both)
            folds.append(max(0, both - counting))
        }
        let grown = HeapMemory.bytesInUse - withLoop
        // They were there all the time.
        _ = (health, pixels)
        return Shape(
            name: kind.name,
            streams: profile.streams.count,
            blockRows: blockRows,
            countNanoseconds: EngineBench.Spread(counts),
            foldNanoseconds: EngineBench.Spread(folds),
            predictionNanoseconds: EngineBench.Spread(sums),
            modelBytes: withMonitor - empty,
            loopBytes: withLoop - withMonitor,
            rows: Int(monitor.rows),
            grownBytes: grown
        )
    }

    /// What a process reads and makes but once is no memory of a model.
    private static func warmUp(_ file: Data) throws {
        let profile = try JSONDecoder().decode(ReferenceProfile.self, from: file)
        _ = DriftMonitor(profile: profile, settings: try DriftSettings())
    }

    private static func time(_ rows: Int, _ body: () -> Void) -> Double {
        let elapsed = ContinuousClock().measure(body)
        let (seconds, attoseconds) = elapsed.components
        return (Double(seconds) * 1e9 + Double(attoseconds) * 1e-9) / Double(max(1, rows))
    }

    private static func count(
        _ live: DriftBenchRows,
        _ count: Int,
        _ blockRows: Int,
        _ binner: inout StreamBinner,
        _ block: inout BlockCounts
    ) {
        let rows = live.rows
        for row in 0..<count {
            binner.count(rows[row: row % live.count], in: &block)
            if block.rowCount >= blockRows { block.reset() }
        }
        block.reset()
    }

    private static func fold(
        _ live: DriftBenchRows,
        _ count: Int,
        _ blockRows: Int,
        _ binner: inout StreamBinner,
        _ block: inout BlockCounts,
        _ monitor: inout DriftMonitor
    ) {
        let rows = live.rows
        for row in 0..<count {
            binner.count(rows[row: row % live.count], in: &block)
            guard block.rowCount >= blockRows else { continue }
            monitor.fold(block)
            block.reset()
        }
        block.reset()
    }

    private static func profile(_ kind: DriftBenchRows.Kind) throws -> ReferenceProfile {
        let training = DriftBenchRows(kind, count: 4000, seed: 1)
        var builder = try ReferenceBuilder(
            layout: kind.layout(),
            prediction: kind.shape,
            hiddenWidth: kind.hiddenWidth
        )
        try builder.addTraining(training.rows)
        try builder.addHoldout(training.rows)
        var profile = try builder.finish()
        profile.performance = training.performance(kind)
        if case .frame(let frame) = try kind.layout() {
            var pixels = PixelBuilder(frame)
            pixels?.add(raw: training.rows.raw)
            profile.pixels = pixels?.finish()
        }
        return profile
    }
}

/// Random rows and random answers to them.
struct DriftBenchRows {
    enum Kind {
        case image
        case table

        var name: String {
            switch self {
            case .image: "image 28x28, 64 hidden units, 10 classes"
            case .table: "table of 28 columns, 16 hidden units, 2 classes"
            }
        }
        var shape: PredictionShape { self == .image ? .classes(count: 10) : .binary }
        var rawWidth: Int { self == .image ? 784 : 28 }
        var outputWidth: Int { self == .image ? 10 : 1 }
        var hiddenWidth: Int { self == .image ? 64 : 16 }

        func layout() throws -> InputLayout {
            switch self {
            case .image: .frame(try FrameGeometry(shape: [28, 28], white: 255))
            case .table: .columns((0..<28).map { .init(name: "c\($0)") })
            }
        }
    }

    let count: Int
    private var raw: [Float] = []
    private var hidden: [Float] = []
    private var logits: [Float] = []
    private var probabilities: [Float] = []

    init(_ kind: Kind, count: Int, seed: UInt64) {
        self.count = count
        var random = RandomSource(seed: seed)
        for _ in 0..<count {
            for _ in 0..<kind.rawWidth {
                let value = Float(random.next() % 1024) / 4
                raw.append(kind == .image ? max(0, value - 128).rounded() * 2 : value)
            }
            var units = [Float](repeating: 0, count: kind.hiddenWidth)
            for unit in units.indices { units[unit] = Float(random.next() % 4096) / 1024 }
            hidden += units
            let sums = (0..<kind.outputWidth).map { output in
                stride(from: output, to: kind.hiddenWidth, by: kind.outputWidth).reduce(Float(-2)) {
                    $0 + (units[$1] - 2)
                }
            }
            logits += sums
            // Any positive numbers that sum to one do for probabilities.
            let powers = sums.map { 1 / (1 + max(0, 6 - $0)) }
            let whole = kind == .image ? powers.reduce(0, +) : 1.01
            probabilities += powers.map { $0 / whole }
        }
    }

    /// What random labels say of the answers.
    func performance(_ kind: Kind) -> PerformanceReference? {
        var builder = PerformanceBuilder(shape: kind.shape, rowCount: count)
        for row in 0..<count {
            let outputs = probabilities.span.extracting(
                row * kind.outputWidth..<(row + 1) * kind.outputWidth
            )
            builder.add(outputs: outputs, label: row % kind.shape.classCount)
        }
        return builder.finish()
    }

    var rows: ScoredRows {
        @_lifetime(borrow self)
        get {
            ScoredRows(
                raw: raw.span,
                logits: logits.span,
                probabilities: probabilities.span,
                hidden: hidden.span,
                rowCount: count
            )
        }
    }
}
