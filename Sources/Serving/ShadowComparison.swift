internal import Drift
internal import Features
internal import ModelStore
internal import NIOCore
internal import NeuralNetwork

/// What another version, such as a candidate, makes of the rows that the stable version has answered,
/// computed off the request path.
///
/// Both versions compute each row, one after the other on the same thread, so that their times can
/// be compared; the stable one's answer is the one that the client got.
final class ShadowComparison {
    private let candidate: ModelBundle
    private let stable: ModelBundle
    private var scratch = InferenceScratch()
    private var stableScratch = InferenceScratch()
    private var inputs: [Float]
    private var stableInputs: [Float]
    private var monitor: InputMonitor?
    /// What the candidate answered since the last time; nil where nobody asks.
    private var answers: [ShadowAnswer]?

    /// Rows that both have computed.
    private(set) var rows = 0
    /// Those that got the same class.
    private(set) var agreeing = 0
    /// Rows whose answer by the candidate was no number.
    private(set) var notFinite = 0
    /// Rows that found no room, or no time.
    private(set) var dropped = 0
    private var confidence = 0.0
    private var stableConfidence = 0.0
    private var nanoseconds = 0.0
    private var stableNanoseconds = 0.0

    /// Nanoseconds that one look at the rows may take; what is left then is dropped.
    private let budget: UInt64

    /// The budget of a candidate in the shadow, which must not take for ever.
    static let shadowBudget: UInt64 = 50_000_000

    /// Prepares; nil where the other version cannot read the stable version's rows.
    ///
    /// - Parameters:
    ///   - candidate: The other version.
    ///   - stable: The version that answers.
    ///   - budget: Nanoseconds that one look at the rows may take.
    ///   - keepsAnswers: Whether the other version's answers are asked for, and not its monitor.
    init?(
        candidate: ModelBundle,
        stable: ModelBundle,
        budget: UInt64 = ShadowComparison.shadowBudget,
        keepsAnswers: Bool = false
    ) {
        guard candidate.manifest.schema.readsSameRows(as: stable.manifest.schema),
            candidate.manifest.task == stable.manifest.task,
            candidate.manifest.labels == stable.manifest.labels
        else { return nil }
        (self.candidate, self.stable) = (candidate, stable)
        inputs = [Float](repeating: 0, count: candidate.manifest.schema.encodedWidth)
        stableInputs = [Float](repeating: 0, count: stable.manifest.schema.encodedWidth)
        self.budget = budget
        monitor = keepsAnswers ? nil : InputMonitor(candidate.reference)
        answers = keepsAnswers ? [] : nil
    }

    private var isRegression: Bool { candidate.manifest.task == .regression }

    /// Share of rows of the same class; nil for a regression, or before the first row.
    var agreement: Double? {
        isRegression || rows == 0 ? nil : Double(agreeing) / Double(rows)
    }

    /// Mean confidence less that of the stable version; nil for a regression, or before the first
    /// row.
    var confidenceShift: Double? {
        isRegression || rows == 0 ? nil : (confidence - stableConfidence) / Double(rows)
    }

    /// Nanoseconds a row of the candidate and of the stable version; nil before the first.
    var times: (candidate: Double, stable: Double)? {
        rows == 0 ? nil : (nanoseconds / Double(rows), stableNanoseconds / Double(rows))
    }

    /// Computes rows.
    func compare(_ found: ShadowRows) {
        dropped += found.dropped
        let start = NIODeadline.now().uptimeNanoseconds
        let width = candidate.manifest.schema.rawWidth
        guard found.rawWidth == width else {
            dropped += found.count
            return
        }
        for row in 0..<found.count {
            guard row == 0 || NIODeadline.now().uptimeNanoseconds &- start < budget else {
                dropped += found.count - row
                return
            }
            compare(found.raw.span.extracting(row * width..<(row + 1) * width), found, row)
        }
    }

    private func compare(_ raw: Span<Float>, _ found: ShadowRows, _ row: Int) {
        let start = NIODeadline.now()
        Self.compute(candidate, raw, &inputs, &scratch)
        let middle = NIODeadline.now()
        Self.compute(stable, raw, &stableInputs, &stableScratch)
        stableNanoseconds += Double((NIODeadline.now() - middle).nanoseconds)
        nanoseconds += Double((middle - start).nanoseconds)
        rows += 1
        let isFinite = scratch.read { outputs in
            let values = outputs.probabilities
            return values.indices.allSatisfy { values[$0].isFinite }
        }
        guard isFinite else {
            notFinite += 1
            return
        }
        let (predicted, sure) = answer()
        agreeing += predicted == Int(found.predicted[row]) ? 1 : 0
        confidence += sure
        stableConfidence += Double(found.confidence[row])
        answers?.append(ShadowAnswer(name: found.names[row], predicted: predicted, value: sure))
        scratch.read { outputs in
            monitor?.observe(
                ScoredRows(
                    raw: raw,
                    logits: outputs.logits,
                    probabilities: outputs.probabilities,
                    hidden: outputs.lastHidden,
                    logitScale: candidate.network.temperature?.reciprocal ?? 1,
                    rowCount: 1
                )
            )
        }
    }

    /// The class, and how sure the candidate is.
    private func answer() -> (predicted: Int, confidence: Double) {
        scratch.read { outputs in
            let first = Double(outputs.probabilities[0])
            if isRegression { return (0, first) }
            let predicted = outputs.predictedClass(row: 0)
            if outputs.outputWidth == 1 { return (predicted, max(first, 1 - first)) }
            return (predicted, Double(outputs.probabilities[predicted]))
        }
    }

    /// Apart from `self`, so that the compiler sees that inputs and scratch do not overlap.
    private static func compute(
        _ bundle: ModelBundle,
        _ raw: Span<Float>,
        _ inputs: inout [Float],
        _ scratch: inout InferenceScratch
    ) {
        var target = inputs.mutableSpan
        bundle.manifest.schema.encode(raw: raw, into: &target)
        bundle.network.forward(rows: inputs.span, rowCount: 1, scratch: &scratch)
    }

    /// The rows counted for the candidate's drift monitor since the last time.
    func takeBlocks() -> [BlockCounts] { monitor?.take().blocks ?? [] }

    /// What the candidate answered since the last time, where that is kept.
    func takeAnswers() -> [ShadowAnswer] {
        guard let taken = answers else { return [] }
        answers = []
        return taken
    }

    /// Rows dropped since the last time.
    func takeDropped() -> Int {
        defer { dropped = 0 }
        return dropped
    }
}

/// What a version made of a row that another one has answered.
struct ShadowAnswer: Sendable {
    let name: RowName
    /// The class; 0 for a regression.
    let predicted: Int
    /// The value of a regression; of a class its probability.
    let value: Double
}
