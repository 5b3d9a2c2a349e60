extension MetricRegistry {
    /// Declares a histogram.
    ///
    /// - Parameters:
    ///   - name: Snake case, with the exported unit at the end.
    ///   - help: A sentence for the reader of a dashboard.
    ///   - unit: How the raw integers relate to the exported unit.
    ///   - bounds: Upper bounds of the buckets in the exported unit, ascending; `+Inf` is added.
    ///   - labels: Label names in the order in which values are given later.
    ///   - seriesMax: The most series; what comes after is folded into `other`.
    ///   - native: Whether exponential buckets are kept, too, for scrapes by protobuf; they cost
    ///     some 2 KiB for each series and shard.
    /// - Returns: The family; the same one when it is declared again in the same way.
    /// - Throws: ``TelemetryError`` for a bad name, one that is taken, or bad bounds.
    package func histogram(
        _ name: String,
        help: String,
        unit: HistogramUnit,
        bounds: [Double],
        labels: [String] = [],
        seriesMax: Int = 200,
        native: Bool = false
    ) throws(TelemetryError) -> HistogramFamily {
        let declaration = MetricDeclaration(
            kind: .histogram,
            name: name,
            help: help,
            labels: labels,
            unit: unit,
            bounds: bounds,
            seriesMax: seriesMax,
            isNative: native
        )
        let layout = try HistogramLayout(name: name, unit: unit, bounds: bounds)
        let shards = shards
        let buckets = native ? NativeBuckets(unit) : nil
        let family = try declare(declaration) { folded in
            .histogram(
                MetricFamily(declaration, folded: folded) {
                    Histogram(shards: shards, layout: layout, native: buckets)
                }
            )
        }
        guard case .histogram(let family) = family else { throw conflict(declaration, family) }
        return HistogramFamily(family: family)
    }

    /// Declares facts about something, such as its version; they are told as labels.
    ///
    /// - Parameters:
    ///   - name: Snake case with `_info` at the end.
    ///   - help: A sentence for the reader of a dashboard.
    ///   - labels: Label names in the order in which values are given later.
    ///   - seriesMax: The most series; what comes after is folded into `other`.
    /// - Returns: The family; the same one when it is declared again in the same way.
    /// - Throws: ``TelemetryError`` for a bad name or one that is taken.
    package func info(
        _ name: String,
        help: String,
        labels: [String],
        seriesMax: Int = 200
    ) throws(TelemetryError) -> InfoFamily {
        let declaration = MetricDeclaration(
            kind: .info,
            name: name,
            help: help,
            labels: labels,
            unit: .count,
            bounds: [],
            seriesMax: seriesMax
        )
        return InfoFamily(family: try declareGauges(declaration))
    }

    /// Declares a set of states of which any number may hold.
    ///
    /// - Parameters:
    ///   - name: Snake case; it is the name of the label that names the state, too.
    ///   - help: A sentence for the reader of a dashboard.
    ///   - states: The names of the states.
    ///   - labels: Names of further labels, in the order in which values are given later.
    ///   - seriesMax: The most series; what comes after is folded into `other`.
    /// - Returns: The family; the same one when it is declared again in the same way.
    /// - Throws: ``TelemetryError`` for a bad name or one that is taken.
    package func stateSet(
        _ name: String,
        help: String,
        states: [String],
        labels: [String] = [],
        seriesMax: Int = 200
    ) throws(TelemetryError) -> StateSetFamily {
        let declaration = MetricDeclaration(
            kind: .stateSet,
            name: name,
            help: help,
            labels: labels + [name],
            unit: .count,
            bounds: [],
            seriesMax: seriesMax
        )
        return StateSetFamily(family: try declareGauges(declaration), states: states)
    }

    private func declareGauges(
        _ declaration: MetricDeclaration
    ) throws(TelemetryError) -> MetricFamily<Gauge> {
        let family = try declare(declaration) { folded in
            .gauge(MetricFamily(declaration, folded: folded) { Gauge() })
        }
        guard case .gauge(let family) = family else { throw conflict(declaration, family) }
        return family
    }
}
