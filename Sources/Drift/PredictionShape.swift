/// What the model's outputs of one row mean.
package enum PredictionShape: Codable, Sendable, Equatable {
    /// One probability for each class.
    case classes(count: Int)
    /// The probability of the second of two classes.
    case binary
    /// A number (the first, where the network gives several).
    case value(width: Int)

    /// The number of outputs of a row.
    package var width: Int {
        switch self {
        case .classes(let count): count
        case .binary: 1
        case .value(let width): width
        }
    }
}
