import Synchronization

/// Holds every metric of the appliance, each declared once.
///
/// Not global: whoever counts something is given the registry when it is made, and keeps handles.
package final class MetricRegistry: Sendable {
    /// One family of any kind.
    enum Family: Sendable {
        case counter(MetricFamily<Counter>)
        case gauge(MetricFamily<Gauge>)
        case histogram(MetricFamily<Histogram>)

        var declaration: MetricDeclaration {
            switch self {
            case .counter(let family): family.declaration
            case .gauge(let family): family.declaration
            case .histogram(let family): family.declaration
            }
        }
    }

    /// Single-writer cells of each metric: as many as there are event loops.
    package let shards: Int
    private let folded = FoldedSeries()
    private let families = Mutex<[String: Family]>([:])
    private let collectors = Mutex<[@Sendable () -> Void]>([])

    /// Makes an empty registry.
    ///
    /// - Parameter shards: The number of event loops; each uses its own index in `0..<shards`.
    package init(shards: Int) {
        self.shards = max(shards, 0)
    }

    /// Declares a counter.
    ///
    /// - Parameters:
    ///   - name: Snake case, with the base unit and then `_total` at the end.
    ///   - help: A sentence for the reader of a dashboard.
    ///   - unit: What a raw 1 means; the name must carry the exported unit.
    ///   - labels: Label names in the order in which values are given later.
    ///   - seriesMax: The most series; what comes after is folded into `other`.
    /// - Returns: The family; the same one when it is declared again in the same way.
    /// - Throws: ``TelemetryError`` for a bad name or one that is taken.
    package func counter(
        _ name: String,
        help: String,
        unit: HistogramUnit = .count,
        labels: [String] = [],
        seriesMax: Int = 200
    ) throws(TelemetryError) -> CounterFamily {
        let declaration = MetricDeclaration(
            kind: .counter,
            name: name,
            help: help,
            labels: labels,
            unit: unit,
            bounds: [],
            seriesMax: seriesMax
        )
        let shards = shards
        let family = try declare(declaration) {
            .counter(MetricFamily(declaration, folded: folded) { Counter(shards: shards) })
        }
        guard case .counter(let family) = family else { throw conflict(declaration, family) }
        return CounterFamily(family: family)
    }

    /// Declares a gauge.
    ///
    /// - Parameters:
    ///   - name: Snake case, with the base unit at the end, and without `_total`.
    ///   - help: A sentence for the reader of a dashboard.
    ///   - labels: Label names in the order in which values are given later.
    ///   - seriesMax: The most series; what comes after is folded into `other`.
    /// - Returns: The family; the same one when it is declared again in the same way.
    /// - Throws: ``TelemetryError`` for a bad name or one that is taken.
    package func gauge(
        _ name: String,
        help: String,
        labels: [String] = [],
        seriesMax: Int = 200
    ) throws(TelemetryError) -> GaugeFamily {
        let declaration = MetricDeclaration(
            kind: .gauge,
            name: name,
            help: help,
            labels: labels,
            unit: .count,
            bounds: [],
            seriesMax: seriesMax
        )
        let family = try declare(declaration) {
            .gauge(MetricFamily(declaration, folded: folded) { Gauge() })
        }
        guard case .gauge(let family) = family else { throw conflict(declaration, family) }
        return GaugeFamily(family: family)
    }

    /// Declares a histogram.
    ///
    /// - Parameters:
    ///   - name: Snake case, with the exported unit at the end.
    ///   - help: A sentence for the reader of a dashboard.
    ///   - unit: How the raw integers relate to the exported unit.
    ///   - bounds: Upper bounds of the buckets in the exported unit, ascending; `+Inf` is added.
    ///   - labels: Label names in the order in which values are given later.
    ///   - seriesMax: The most series; what comes after is folded into `other`.
    /// - Returns: The family; the same one when it is declared again in the same way.
    /// - Throws: ``TelemetryError`` for a bad name, one that is taken, or bad bounds.
    package func histogram(
        _ name: String,
        help: String,
        unit: HistogramUnit,
        bounds: [Double],
        labels: [String] = [],
        seriesMax: Int = 200
    ) throws(TelemetryError) -> HistogramFamily {
        let declaration = MetricDeclaration(
            kind: .histogram,
            name: name,
            help: help,
            labels: labels,
            unit: unit,
            bounds: bounds,
            seriesMax: seriesMax
        )
        let layout = try HistogramLayout(name: name, unit: unit, bounds: bounds)
        let shards = shards
        let family = try declare(declaration) {
            .histogram(
                MetricFamily(declaration, folded: folded) {
                    Histogram(shards: shards, layout: layout)
                }
            )
        }
        guard case .histogram(let family) = family else { throw conflict(declaration, family) }
        return HistogramFamily(family: family)
    }

    /// Runs an update before each exposition, for values that are cheaper to read than to keep.
    ///
    /// - Parameter update: Sets its handles and returns soon; may run on several threads at once.
    package func onScrape(_ update: @escaping @Sendable () -> Void) {
        collectors.withLock { $0.append(update) }
    }

    /// The names of all declared families, sorted.
    package var names: [String] { families.withLock { $0.keys.sorted() } }

    /// Series that were folded into `other` because their family was full.
    package var foldedOverLimit: UInt64 { folded.overLimit.load(ordering: .relaxed) }

    /// Series that were folded into `other` because the number of label values was wrong.
    package var foldedWrongLabels: UInt64 { folded.wrongLabels.load(ordering: .relaxed) }

    /// What was declared, in the order of the names.
    var declarations: [MetricDeclaration] {
        families.withLock { $0.values.map(\.declaration) }.sorted { $0.name < $1.name }
    }

    /// Series of all families.
    var seriesCount: Int {
        families.withLock { $0 }.values.reduce(0) { sum, family in
            switch family {
            case .counter(let family): sum + family.count
            case .gauge(let family): sum + family.count
            case .histogram(let family): sum + family.count
            }
        }
    }

    /// Runs the collectors, then gives the families in the order of their names.
    func collect() -> [Family] {
        for update in collectors.withLock({ $0 }) { update() }
        return families.withLock { families in
            families.values.sorted { $0.declaration.name < $1.declaration.name }
        }
    }

    private func declare(
        _ declaration: MetricDeclaration,
        make: () -> Family
    ) throws(TelemetryError) -> Family {
        if let problem = MetricNameRules.problem(declaration) {
            throw .metricName(name: declaration.name, problem: problem)
        }
        let made = make()
        let kept = families.withLock { families in
            let kept = families[declaration.name] ?? made
            families[declaration.name] = kept
            return kept
        }
        guard kept.declaration == declaration else { throw conflict(declaration, kept) }
        return kept
    }

    private func conflict(_ declaration: MetricDeclaration, _ kept: Family) -> TelemetryError {
        let known = kept.declaration
        let difference =
            if known.kind != declaration.kind {
                "type \(known.kind.rawValue)"
            } else if known.help != declaration.help {
                "help \"\(known.help)\""
            } else if known.labels != declaration.labels {
                "labels \(known.labels)"
            } else if known.unit != declaration.unit {
                "unit \(known.unit)"
            } else if known.bounds != declaration.bounds {
                "bounds \(known.bounds)"
            } else {
                "series limit \(known.seriesMax)"
            }
        return .metricConflict(name: declaration.name, difference: difference)
    }
}
