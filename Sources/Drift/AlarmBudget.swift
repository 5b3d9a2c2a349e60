/// How the false alarms that are allowed, one in A rows, are shared out.
///
/// Every channel has a wealth whose mean never exceeds the rows scored, and so has their weighted
/// mean. An alarm is raised when the weighted mean reaches A; a channel that is judged on its own
/// reaches that as soon as its wealth reaches A divided by its weight. However channels depend on
/// one another, the mean interval between false alarms of any kind is at least A.
package enum AlarmBudget {
    /// Bad data.
    package static let quality = 0.2
    /// What the model answers and what it makes of its inputs.
    package static let answers = 0.3
    /// What the model is asked.
    package static let inputs = 0.3
    /// Its performance as it is estimated without labels.
    package static let labelFree = 0.1
    /// Its performance as labels show it.
    package static let labelled = 0.1

    /// What the monitor's own streams have together.
    package static let streams = quality + answers + inputs

    /// The weight of each stream; a family that a profile has not leaves its part to the others.
    static func weights(_ profile: ReferenceProfile) -> [Double] {
        let families = profile.streams.map { DriftCause($0.kind) }
        var whole = 0.0
        for family in DriftCause.allCases where families.contains(family) { whole += family.share }
        return families.map { family in
            let members = families.reduce(0) { $0 + ($1 == family ? 1 : 0) }
            return streams * family.share / whole / Double(members)
        }
    }
}

/// What is behind an alarm: the family of streams whose evidence decides.
package enum DriftCause: String, Codable, Sendable, Equatable, CaseIterable {
    /// The data are bad: the model and the world may be as they were.
    case quality
    /// What the model answers, or what it makes of its inputs, has moved.
    case prediction
    /// The inputs have moved, and the answers have not.
    case input

    init(_ kind: ReferenceStream.Kind) {
        switch kind {
        case .quality: self = .quality
        case .prediction, .representation: self = .prediction
        case .input: self = .input
        }
    }

    var share: Double {
        switch self {
        case .quality: AlarmBudget.quality
        case .prediction: AlarmBudget.answers
        case .input: AlarmBudget.inputs
        }
    }
}
