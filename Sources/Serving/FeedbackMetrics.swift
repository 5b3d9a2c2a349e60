internal import NeuralNetwork
package import Telemetry

/// What Prometheus learns of labels that come after the predictions.
package struct FeedbackMetrics: Sendable {
    private let items: CounterFamily
    private let rows: CounterFamily
    private let window: GaugeFamily
    private let accuracy: GaugeFamily
    private let logLoss: GaugeFamily
    private let brier: GaugeFamily
    private let calibrationError: GaugeFamily
    private let absoluteError: GaugeFamily
    private let risk: RiskMetrics

    /// Declares the families.
    ///
    /// - Throws: `TelemetryError` when a name is taken.
    package init(_ registry: MetricRegistry) throws {
        items = try registry.counter(
            "leeway_feedback_items_total",
            help: "Labels that were sent, by what became of them; model is none where no row was "
                + "found.",
            labels: ["model", "result"]
        )
        rows = try registry.counter(
            "leeway_feedback_rows_total",
            help: "Rows whose label came, by whether the answer was right.",
            labels: ["model", "version", "outcome"]
        )
        func gauge(_ name: String, _ help: String) throws -> GaugeFamily {
            try registry.gauge(
                "leeway_feedback_\(name)",
                help: "\(help) of the last \(FeedbackWindow.rowsMax) labelled rows of a version.",
                labels: ["model", "version"]
            )
        }
        window = try gauge("window_rows", "Number")
        accuracy = try gauge("accuracy_ratio", "Share of right answers")
        logLoss = try gauge("log_loss_nats", "Mean negative logarithm of the true class's chance")
        brier = try gauge("brier_score", "Brier score (0 to 2)")
        calibrationError = try gauge("calibration_error_ratio", "Expected calibration error")
        absoluteError = try gauge("absolute_error", "Mean absolute error, in the target's unit,")
        risk = try RiskMetrics(registry)
        for result in ["unknown"] { _ = items.series(["none", result]) }
    }

    /// Makes a model's series, so that each exists before its first event.
    func prepare(model: String) {
        for result in ["joined", "repeated", "label_invalid"] {
            _ = items.series([model, result])
        }
    }

    func count(_ outcome: FeedbackOutcome) {
        items.series([outcome.model ?? "none", outcome.word]).add(1)
        guard case .joined(let row) = outcome, let isCorrect = row.isCorrect else { return }
        let version = String(row.prediction.version)
        rows.series([row.model, version, isCorrect ? "right" : "wrong"]).add(1)
    }

    func update(_ model: String, _ version: Int, _ window: FeedbackWindow) {
        let labels = [model, String(version)]
        self.window.series(labels).set(Double(window.count))
        if let error = window.absoluteError {
            absoluteError.series(labels).set(error)
            return
        }
        let tally = window.tally
        let figures = tally.figures
        accuracy.series(labels).set(Double(tally.correct) / Double(max(tally.count, 1)))
        logLoss.series(labels).set(figures.logLoss)
        brier.series(labels).set(figures.brier)
        calibrationError.series(labels).set(figures.expectedError)
    }

    func update(_ model: String, _ report: RiskReport) { risk.update(model, report) }

    func harmed(_ model: String, _ version: Int) { risk.harmed(model, version) }

    /// Takes away the series of a version of long ago.
    func forget(_ model: String, _ version: Int) {
        let labels = [model, String(version)]
        for family in [window, accuracy, logLoss, brier, calibrationError, absoluteError] {
            family.remove(labels)
        }
        for outcome in ["right", "wrong"] { rows.remove(labels + [outcome]) }
        risk.forget(model, version)
    }
}

/// The last labelled rows of one version.
struct FeedbackWindow: Sendable {
    /// Rows that are looked at.
    static let rowsMax = 1000

    private var scores: [CalibrationScore] = []
    private var errors: [Double] = []
    private var next = 0

    /// How many rows there are.
    var count: Int { max(scores.count, errors.count) }

    /// Adds a row.
    mutating func add(_ row: LabelledRow) {
        switch row.truth {
        case .class(let truth):
            let probabilities = row.prediction.probabilities
            guard truth < probabilities.count else { return }
            Self.put(CalibrationScore(probabilities.span, truth: truth), next, &scores)
        case .value(let value):
            let answer = Double(row.prediction.outputs.first ?? .nan)
            Self.put(abs(answer - value), next, &errors)
        }
        next = (next + 1) % Self.rowsMax
    }

    private static func put<Element>(_ element: Element, _ place: Int, _ list: inout [Element]) {
        if place < list.count { list[place] = element } else { list.append(element) }
    }

    /// The scores of a classifier's rows.
    var tally: CalibrationTally {
        var tally = CalibrationTally()
        for score in scores { tally.add(score) }
        return tally
    }

    /// The mean absolute error of a regression's rows; nil for a classifier.
    var absoluteError: Double? {
        errors.isEmpty ? nil : errors.reduce(0, +) / Double(errors.count)
    }
}

extension RememberedRow {
    /// One number a class; a single output is the probability of the second of two.
    var probabilities: [Double] {
        let values = outputs.map(Double.init)
        guard values.count == 1, let yes = values.first else { return values }
        return [1 - yes, yes]
    }
}
