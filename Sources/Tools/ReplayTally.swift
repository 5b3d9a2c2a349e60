internal import Synchronization

/// What a replay has measured so far; all connections add to it.
package final class ReplayTally: Sendable {
    private let state = Mutex(State())

    private struct State {
        var answered = 0
        var failed = 0
        var rows = 0
        var correct = 0
        var judged = 0
        var values = 0
        var absoluteError = 0.0
        var versions: [String: Int] = [:]
        var microseconds: [Int] = []
        var lastFailure: String?
    }

    /// The figures of a replay, or of a part of it.
    package struct Report: Sendable, Codable, Equatable {
        /// Requests answered with 200.
        package var answered: Int
        /// Requests that were not.
        package var failed: Int
        /// Rows answered.
        package var rows: Int
        /// Share of rows whose class was right; nil when none was judged.
        package var accuracy: Double?
        /// Mean distance to the target; nil but for a regression.
        package var meanAbsoluteError: Double?
        /// The median time of a request, in milliseconds.
        package var medianMilliseconds: Double
        /// The time that 99 of 100 requests stayed below, in milliseconds.
        package var p99Milliseconds: Double
        /// Answers by the version that gave them.
        package var versions: [String: Int]
        /// The last failure in words.
        package var lastFailure: String?

        enum CodingKeys: String, CodingKey {
            case answered, failed, rows, accuracy, versions
            case meanAbsoluteError = "mean_absolute_error"
            case medianMilliseconds = "median_ms"
            case p99Milliseconds = "p99_ms"
            case lastFailure = "last_failure"
        }
    }

    /// Nothing yet.
    package init() {}

    /// Adds an answer, with what each of its rows should have given.
    package func answered(_ answer: ReplayAnswer, truths: [ReplayTruth], microseconds: Int) {
        state.withLock { state in
            state.answered += 1
            state.rows += answer.rows.count
            state.microseconds.append(microseconds)
            state.versions[answer.version, default: 0] += 1
            for (row, truth) in zip(answer.rows, truths) {
                switch (row, truth) {
                case (.predictedClass(let found), .class(let expected)):
                    state.judged += 1
                    if found == expected { state.correct += 1 }
                case (.value(let found), .value(let expected)):
                    state.values += 1
                    state.absoluteError += abs(found - expected)
                default:
                    break
                }
            }
        }
    }

    /// Adds a request that was not answered with a prediction.
    package func failed(_ words: String) {
        state.withLock { state in
            state.failed += 1
            state.lastFailure = words
        }
    }

    /// The figures since the last call, and a new beginning.
    package func take() -> Report {
        state.withLock { state in
            let report = Self.report(state)
            state = State()
            return report
        }
    }

    /// Adds the figures of a part to the whole.
    private static func report(_ state: State) -> Report {
        let sorted = state.microseconds.sorted()
        func quantile(_ share: Double) -> Double {
            guard !sorted.isEmpty else { return 0 }
            let index = min(sorted.count - 1, Int(share * Double(sorted.count)))
            return Double(sorted[index]) / 1000
        }
        return Report(
            answered: state.answered,
            failed: state.failed,
            rows: state.rows,
            accuracy: state.judged > 0 ? Double(state.correct) / Double(state.judged) : nil,
            meanAbsoluteError: state.values > 0
                ? state.absoluteError / Double(state.values) : nil,
            medianMilliseconds: quantile(0.5),
            p99Milliseconds: quantile(0.99),
            versions: state.versions,
            lastFailure: state.lastFailure
        )
    }
}

/// What a row should give.
package enum ReplayTruth: Sendable, Equatable {
    /// The index of the class.
    case `class`(Int)
    /// The number, of a regression.
    case value(Double)
}
