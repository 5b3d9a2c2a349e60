import Synchronization

/// What is fixed about a family when it is declared.
struct MetricDeclaration: Sendable, Equatable {
    /// The kinds of metrics, named as in OpenMetrics.
    enum Kind: String, Sendable {
        case counter, gauge, histogram, info
        case stateSet = "stateset"

        /// The word of the text format 0.0.4, which has no word for the last two.
        var textWord: String {
            switch self {
            case .counter, .gauge, .histogram: rawValue
            case .info, .stateSet: Kind.gauge.rawValue
            }
        }
    }

    let kind: Kind
    let name: String
    let help: String
    let labels: [String]
    let unit: HistogramUnit
    let bounds: [Double]
    let seriesMax: Int
    /// Whether a histogram keeps exponential buckets beside those of the bounds.
    var isNative = false
    /// Whether a library chose the name, so that it need not follow our rules for words.
    var isFromLibrary = false

    /// The family's name in OpenMetrics, which leaves the suffix of the samples out.
    var openName: String {
        switch kind {
        case .counter: String(name.dropLast("_total".count))
        case .info: String(name.dropLast("_info".count))
        case .gauge, .histogram, .stateSet: name
        }
    }

    /// Every name that the family or a sample of it has in any format; no other family may have it.
    var claimedNames: Set<String> {
        switch kind {
        case .counter: [openName, name, openName + "_created"]
        case .gauge, .stateSet: [name]
        case .info: [openName, name]
        case .histogram:
            [name, name + "_bucket", name + "_sum", name + "_count", name + "_created"]
        }
    }
}

/// Counts series that were asked for but folded into `other`.
final class FoldedSeries: Sendable {
    let overLimit = Atomic<UInt64>(0)
    let wrongLabels = Atomic<UInt64>(0)
    /// Metrics of libraries that could not be declared.
    let refusedNames = Atomic<UInt64>(0)
}

/// The series of one family, by their label values.
///
/// Locks, so it belongs off the request path: whoever needs a series on the hot path asks for it
/// once and keeps the handle.
final class MetricFamily<Handle: AnyObject & Sendable>: Sendable {
    /// One series, with its label text made once.
    struct Series: Sendable {
        let labelValues: [String]
        /// `a="x",b="y"`, escaped; empty without labels.
        let labelText: [UInt8]
        let handle: Handle
    }

    private struct State {
        var byLabels: [[String]: Handle] = [:]
        /// Sorted by label values, so that every scrape has the same order.
        var sorted: [Series] = []
    }

    let declaration: MetricDeclaration
    /// The family's lines that never change.
    let text: FamilyText
    private let folded: FoldedSeries
    private let make: @Sendable () -> Handle
    private let state = Mutex(State())

    init(
        _ declaration: MetricDeclaration,
        folded: FoldedSeries,
        make: @escaping @Sendable () -> Handle
    ) {
        self.declaration = declaration
        self.folded = folded
        self.make = make
        text = FamilyText(declaration)
    }

    /// The series of these label values; made when it is new, folded into `other` at the limit.
    func series(_ labelValues: [String]) -> Handle {
        let fits = labelValues.count == declaration.labels.count
        if !fits { folded.wrongLabels.wrappingAdd(1, ordering: .relaxed) }
        return state.withLock { state in
            if fits {
                if let known = state.byLabels[labelValues] { return known }
                if state.sorted.count < declaration.seriesMax {
                    return insert(labelValues, &state)
                }
                folded.overLimit.wrappingAdd(1, ordering: .relaxed)
            }
            let other = declaration.labels.map { _ in "other" }
            return state.byLabels[other] ?? insert(other, &state)
        }
    }

    /// Forgets a series; a handle that someone still holds goes on counting unseen.
    func remove(_ labelValues: [String]) {
        state.withLock { state in
            guard state.byLabels.removeValue(forKey: labelValues) != nil else { return }
            state.sorted.removeAll { $0.labelValues == labelValues }
        }
    }

    /// The series now, in the order of their label values.
    func all() -> [Series] { state.withLock { $0.sorted } }

    /// How many series there are.
    var count: Int { state.withLock { $0.sorted.count } }

    private func insert(_ labelValues: [String], _ state: inout State) -> Handle {
        let handle = make()
        let series = Series(
            labelValues: labelValues,
            labelText: FamilyText.labels(declaration.labels, labelValues),
            handle: handle
        )
        let index = state.sorted.firstIndex {
            labelValues.lexicographicallyPrecedes($0.labelValues)
        }
        state.sorted.insert(series, at: index ?? state.sorted.count)
        state.byLabels[labelValues] = handle
        return handle
    }
}

/// A declared counter; its series are told apart by label values.
package struct CounterFamily: Sendable {
    let family: MetricFamily<Counter>

    /// The counter of these label values, in the order in which the labels were declared.
    ///
    /// Asking again gives the same counter. At the family's limit, and with a wrong number of
    /// values, it is the series whose labels all say `other`. Locks: keep the handle.
    package func series(_ labelValues: [String] = []) -> Counter { family.series(labelValues) }

    /// Takes a series out of the exposition, such as that of a model version that is gone.
    package func remove(_ labelValues: [String]) { family.remove(labelValues) }
}

/// A declared gauge; its series are told apart by label values.
package struct GaugeFamily: Sendable {
    let family: MetricFamily<Gauge>

    /// The gauge of these label values, in the order in which the labels were declared.
    ///
    /// Asking again gives the same gauge. At the family's limit, and with a wrong number of
    /// values, it is the series whose labels all say `other`. Locks: keep the handle.
    package func series(_ labelValues: [String] = []) -> Gauge { family.series(labelValues) }

    /// Takes a series out of the exposition, such as that of a model version that is gone.
    package func remove(_ labelValues: [String]) { family.remove(labelValues) }
}

/// A declared histogram; its series are told apart by label values.
package struct HistogramFamily: Sendable {
    let family: MetricFamily<Histogram>

    /// The histogram of these label values, in the order in which the labels were declared.
    ///
    /// Asking again gives the same histogram. At the family's limit, and with a wrong number of
    /// values, it is the series whose labels all say `other`. Locks: keep the handle.
    package func series(_ labelValues: [String] = []) -> Histogram { family.series(labelValues) }

    /// Takes a series out of the exposition, such as that of a model version that is gone.
    package func remove(_ labelValues: [String]) { family.remove(labelValues) }
}

/// A declared family of facts; each series is there or not, and its value is always 1.
package struct InfoFamily: Sendable {
    let family: MetricFamily<Gauge>

    /// States these facts, in the order in which the labels were declared.
    ///
    /// At the family's limit, and with a wrong number of values, all labels say `other`.
    package func state(_ labelValues: [String]) { family.series(labelValues).set(1) }

    /// Takes facts back that no longer hold.
    package func remove(_ labelValues: [String]) { family.remove(labelValues) }
}

/// A declared set of states, each of which holds (1) or not (0).
package struct StateSetFamily: Sendable {
    let family: MetricFamily<Gauge>
    /// The names of the states, in their order.
    package let states: [String]

    /// The states of these label values, all there from now on, in the order of ``states``.
    ///
    /// Locks: keep the handles.
    package func series(_ labelValues: [String] = []) -> [Gauge] {
        states.map { family.series(labelValues + [$0]) }
    }
}
