/// How grave it is what the monitors have found.
package enum DriftSeverity: String, Codable, Sendable, Equatable, CaseIterable, Comparable {
    /// The inputs have left their leeway, and nothing else has.
    case info
    /// The answers have, or the inputs have moved for certain by more than is harmless, or the data
    /// are bad.
    case warning
    /// The model errs more often than it may: by its own confidence, or by labels.
    case critical

    /// Orders by gravity.
    package static func < (left: DriftSeverity, right: DriftSeverity) -> Bool {
        left.rank < right.rank
    }

    private var rank: Int {
        switch self {
        case .info: 0
        case .warning: 1
        case .critical: 2
        }
    }
}

/// What is behind a verdict; of several the one that explains most, in this order.
package enum DriftFinding: String, Codable, Sendable, Equatable, CaseIterable {
    /// Labels show that the model errs more often than it may: no other finding is as sure.
    case labelledError = "labelled_error"
    /// The data are bad: missing, broken, repeated, or of another scale.
    case quality
    /// The expected error has risen; blind to concept drift.
    case expectedError = "expected_error"
    /// What the model answers, or what it makes of its inputs, has moved.
    case prediction
    /// The inputs have moved.
    case input
}

/// What is known of a model at one moment, as far as it decides on what is to be done.
package struct DriftFacts: Sendable, Equatable {
    /// The family behind the standing alarm of the streams; nil without an alarm.
    package var alarm: DriftFinding?
    /// Whether a stream of the alarm has moved by more than the tolerance for certain.
    package var isCertain = false
    /// Whether the alarm on the expected error stands.
    package var expectsErrors = false
    /// Whether the alarm on labelled rows stands.
    package var hasErrors = false

    /// Nothing is known.
    package init() {}
}

/// What the findings amount to, and whether a retrain is asked for.
package struct DriftVerdict: Codable, Sendable, Equatable {
    /// How grave it is; nil when no alarm stands.
    package let level: DriftSeverity?
    /// What explains most; nil when no alarm stands.
    package let cause: DriftFinding?
    /// All that was found.
    package let findings: [DriftFinding]
    /// Whether a retrain is asked for.
    package let asksForRetrain: Bool
    /// Why, or why not, in words.
    package let reason: String

    /// No alarm stands.
    package static let calm = DriftVerdict(DriftFacts())

    private enum CodingKeys: String, CodingKey {
        case level, cause, findings, reason
        case asksForRetrain = "asks_for_retrain"
    }
}

/// The policy: labels outrank all; a retrain is asked for when the answers are concerned, and never
/// on bad data, from which nothing can be learned.
///
/// How often a retrain may be started is not decided here, but by whoever starts it.
extension DriftVerdict {
    /// Judges the facts.
    package init(_ facts: DriftFacts) {
        var found: [DriftFinding] = []
        if facts.hasErrors { found.append(.labelledError) }
        if facts.alarm == .quality { found.append(.quality) }
        if facts.expectsErrors { found.append(.expectedError) }
        if let alarm = facts.alarm, alarm != .quality { found.append(alarm) }
        findings = found
        cause = found.first
        level = found.map { Self.level(of: $0, isCertain: facts.isCertain) }.max()
        (asksForRetrain, reason) = Self.retrain(found)
    }

    private static func level(of finding: DriftFinding, isCertain: Bool) -> DriftSeverity {
        switch finding {
        case .labelledError, .expectedError: .critical
        case .quality, .prediction: .warning
        case .input: isCertain ? .warning : .info
        }
    }

    private static func retrain(_ found: [DriftFinding]) -> (Bool, String) {
        if found.isEmpty { return (false, "no alarm stands") }
        if found.contains(.quality) {
            return (
                false, "the data are bad: nothing can be learned from them; look at the senders"
            )
        }
        if found.contains(.labelledError) {
            return (true, "labels show more errors than the hold-out and the tolerance allow")
        }
        if found.contains(.expectedError) {
            return (true, "the model's calibrated confidence says that it errs more often")
        }
        if found.contains(.prediction) { return (true, "the answers have moved with the inputs") }
        return (false, "the inputs have moved and the answers have not")
    }
}

/// When a standing verdict asks for a retrain: at once, when the findings change, and again after a
/// while, since data that were not there then may be there now.
package struct RetrainAsking: Codable, Sendable, Equatable {
    /// Seconds after which it is asked again.
    package static let againSeconds = 3600.0

    private var finding: DriftFinding?
    private var seconds = 0.0

    /// Has not asked yet.
    package init() {}

    /// Whether to ask now.
    ///
    /// - Parameters:
    ///   - verdict: What was found.
    ///   - now: Unix seconds.
    /// - Returns: True for once, until it is due again.
    package mutating func isDue(_ verdict: DriftVerdict, now: Double) -> Bool {
        guard verdict.asksForRetrain, let cause = verdict.cause else {
            finding = nil
            return false
        }
        let isSame = finding == cause && abs(now - seconds) < Self.againSeconds
        guard !isSame else { return false }
        (finding, seconds) = (cause, now)
        return true
    }
}
