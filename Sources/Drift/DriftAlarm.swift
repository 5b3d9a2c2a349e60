/// How grave an alarm is.
package enum DriftLevel: String, Codable, Sendable, Equatable, CaseIterable {
    /// The inputs have left their leeway.
    case info
    /// The model's answers have, too, or the data are bad.
    case warning
}

/// What the monitor found when its evidence passed the threshold; it stands until acknowledged.
///
/// There is no clock in here: `row` counts the rows scored by this model version.
package struct DriftAlarm: Codable, Sendable, Equatable {
    /// The scored rows until the alarm.
    package let row: UInt64
    /// The evidence at the alarm, in nats.
    package let evidence: Double
    /// ln A, in nats.
    package let threshold: Double
    /// The grade; it can rise while the alarm stands.
    package internal(set) var level: DriftLevel
    /// What is behind it; evidence that comes later can change it while the alarm stands.
    package internal(set) var cause: DriftCause
    /// The evidence of each family of streams, as of the last change of the level or the cause.
    package internal(set) var families: [Family]
    /// The streams with most of the evidence, the strongest first, those of the cause's family
    /// before all others.
    package internal(set) var suspects: [Suspect]

    /// Most streams that an alarm names.
    package static let suspectsMax = 5

    /// The evidence of one family of streams.
    package struct Family: Codable, Sendable, Equatable {
        /// The family.
        package let cause: DriftCause
        /// Its evidence in nats, by itself.
        package let evidence: Double

        private enum CodingKeys: String, CodingKey {
            case cause
            case evidence = "evidence_nats"
        }
    }

    /// A stream that an alarm names.
    package struct Suspect: Codable, Sendable, Equatable {
        /// The stream's name.
        package let stream: String
        /// The stream's family.
        package let kind: ReferenceStream.Kind
        /// The stream's own evidence in nats.
        package let evidence: Double
        /// The part of all evidence that it holds, 0 to 1.
        package let share: Double
        /// The half-life, in rows, of the bets that found it.
        package let halfLife: Double
        /// The last row at which the stream had no evidence: it probably changed after it.
        package let changedAfterRow: UInt64
        /// The bins.
        package let labels: [String]
        /// The hold-out's shares of the bins.
        package let reference: [Double]
        /// The live shares of the bins, as the half-life remembers them.
        package let live: [Double]
        /// The rows that the half-life's memory amounts to.
        package let liveRows: Double
        /// The live rows of each bin in the window of panes.
        package let windowCounts: [UInt64]

        /// The bin whose share has grown most, in words.
        package var grown: String {
            let growth = zip(live, reference).map { $0 - $1 }
            let most = growth.indices.max { growth[$0] < growth[$1] } ?? 0
            return labels.indices.contains(most) ? labels[most] : ""
        }
    }

    private enum CodingKeys: String, CodingKey {
        case row
        case evidence = "evidence_nats"
        case threshold = "threshold_nats"
        case level
        case cause
        case families
        case suspects
    }
}
