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

    /// What is declared.
    private struct Families {
        var byName: [String: Family] = [:]
        /// Every name that a family or its samples have, and the family's own name.
        var claims: [String: String] = [:]
    }

    /// Single-writer cells of each metric: as many as there are event loops.
    package let shards: Int
    private let folded = FoldedSeries()
    private let families = Mutex(Families())
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
            .counter(MetricFamily(declaration, folded: $0) { Counter(shards: shards) })
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
            .gauge(MetricFamily(declaration, folded: $0) { Gauge() })
        }
        guard case .gauge(let family) = family else { throw conflict(declaration, family) }
        return GaugeFamily(family: family)
    }

    /// Runs an update before each exposition, for values that are cheaper to read than to keep.
    ///
    /// - Parameter update: Sets its handles and returns soon; may run on several threads at once.
    package func onScrape(_ update: @escaping @Sendable () -> Void) {
        collectors.withLock { $0.append(update) }
    }

    /// The names of all declared families, sorted.
    package var names: [String] { families.withLock { $0.byName.keys.sorted() } }

    /// Series that were folded into `other` because their family was full.
    package var foldedOverLimit: UInt64 { folded.overLimit.load(ordering: .relaxed) }

    /// Series that were folded into `other` because the number of label values was wrong.
    package var foldedWrongLabels: UInt64 { folded.wrongLabels.load(ordering: .relaxed) }

    /// Metrics of libraries that were refused for their names.
    package var refusedNames: UInt64 { folded.refusedNames.load(ordering: .relaxed) }

    func noteRefusedName() { folded.refusedNames.wrappingAdd(1, ordering: .relaxed) }

    /// The family of a name.
    func family(_ name: String) -> Family? { families.withLock { $0.byName[name] } }

    /// The family that a library has declared before.
    func libraryFamily(_ name: String, _ kind: MetricDeclaration.Kind) -> Family? {
        guard let known = family(name), known.declaration.isFromLibrary,
            known.declaration.kind == kind
        else { return nil }
        return known
    }

    /// What was declared, in the order of the names.
    var declarations: [MetricDeclaration] {
        families.withLock { $0.byName.values.map(\.declaration) }.sorted { $0.name < $1.name }
    }

    /// Series of all families.
    var seriesCount: Int {
        families.withLock { $0.byName }.values.reduce(0) { sum, family in
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
            families.byName.values.sorted { $0.declaration.name < $1.declaration.name }
        }
    }

    /// Keeps a family, or gives the one that was declared before in the same way.
    ///
    /// - Throws: ``TelemetryError`` for a bad name or one that is taken.
    func declare(
        _ declaration: MetricDeclaration,
        make: (FoldedSeries) -> Family
    ) throws(TelemetryError) -> Family {
        if let problem = MetricNameRules.problem(declaration) {
            throw .metricName(name: declaration.name, problem: problem)
        }
        let made = make(folded)
        let kept = families.withLock { families in
            if let known = families.byName[declaration.name] { return known }
            for name in declaration.claimedNames.sorted() {
                if let owner = families.claims[name], let other = families.byName[owner] {
                    return other
                }
            }
            families.byName[declaration.name] = made
            for name in declaration.claimedNames { families.claims[name] = declaration.name }
            return made
        }
        guard kept.declaration == declaration else { throw conflict(declaration, kept) }
        return kept
    }

    func conflict(_ declaration: MetricDeclaration, _ kept: Family) -> TelemetryError {
        let known = kept.declaration
        let difference =
            if known.name != declaration.name {
                "a name of \(known.name)"
            } else if known.kind != declaration.kind {
                "type \(known.kind.rawValue)"
            } else if known.help != declaration.help {
                "help \"\(known.help)\""
            } else if known.labels != declaration.labels {
                "labels \(known.labels)"
            } else if known.unit != declaration.unit {
                "unit \(known.unit)"
            } else if known.bounds != declaration.bounds || known.isNative != declaration.isNative {
                "bounds \(known.bounds)"
            } else {
                "series limit \(known.seriesMax)"
            }
        return .metricConflict(name: declaration.name, difference: difference)
    }
}
