internal import NeuralNetwork

/// The environment's word on the engine's instruction set, for tests and measurements.
package enum KernelChoice {
    /// The variable: `portable`, `avx2` or `avx512`.
    package static let variable = "LEEWAY_KERNELS"

    /// Has the engine use what the variable names; nothing when it is not set.
    ///
    /// It must come before the first prediction.
    ///
    /// - Parameter environment: The process' variables.
    /// - Throws: ``Refusal`` for a word that is none, or one that the machine has not.
    package static func apply(
        _ environment: [String: String] = ProcessEnvironment.variables()
    ) throws(Refusal) {
        guard let word = environment[variable] else { return }
        guard let set = InstructionSet(rawValue: word) else { throw Refusal(word, nil) }
        guard set.force() else { throw Refusal(word, InstructionSet.best) }
    }

    /// Why the variable's value cannot be had.
    package struct Refusal: Error, Equatable, CustomStringConvertible {
        private let word: String
        private let best: InstructionSet?

        init(_ word: String, _ best: InstructionSet?) {
            self.word = word
            self.best = best
        }

        /// What was asked for, and what there is.
        package var description: String {
            guard let best else {
                let known = InstructionSet.allCases.map(\.rawValue).joined(separator: ", ")
                return "\(variable)=\(word): unknown: give one of \(known)"
            }
            return "\(variable)=\(word): this machine has \(best.rawValue) at the most"
        }
    }
}
