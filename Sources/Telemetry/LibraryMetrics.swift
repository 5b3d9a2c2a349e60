package import CoreMetrics
import Synchronization

/// Takes what libraries count through swift-metrics into a registry.
///
/// Their names are brought into Prometheus' form: `http.client.requestCount` becomes
/// `http_client_request_count_total`. Counters become counters, timers histograms in seconds,
/// aggregating recorders histograms, and meters and the other recorders gauges. A family has the
/// dimensions of its first use: later ones that lack a dimension leave its label empty, further
/// ones are left out. What breaks the rules all the same is counted, and not exported.
package final class LibraryMetrics: MetricsFactory {
    private let registry: MetricRegistry
    private static let help = "Counted by a library through swift-metrics."

    /// Exports into this registry.
    package init(_ registry: MetricRegistry) { self.registry = registry }

    /// Has all libraries of the process count into this registry.
    ///
    /// swift-metrics takes one factory for the life of a process, so that only the first call has
    /// an effect.
    package static func bootstrap(_ registry: MetricRegistry) {
        guard !isBootstrapped.exchange(true, ordering: .relaxed) else { return }
        MetricsSystem.bootstrap(LibraryMetrics(registry))
    }

    private static let isBootstrapped = Atomic(false)

    /// A counter of a library.
    package func makeCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any CounterHandler {
        let name = Self.name(label, suffix: "_total")
        let family = declare(.counter, name, dimensions) { declaration, folded in
            let shards = self.registry.shards
            return .counter(MetricFamily(declaration, folded: folded) { Counter(shards: shards) })
        }
        guard case .counter(let family)? = family else { return LibraryCounter(Counter(shards: 0)) }
        return LibraryCounter(family.series(Self.values(family.declaration, dimensions)))
    }

    /// A meter of a library.
    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        LibraryGauge(gauge(label, dimensions))
    }

    /// A recorder of a library.
    package func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else { return LibraryGauge(gauge(label, dimensions)) }
        return LibraryRecorder(
            histogram(Self.name(label), .count, Self.countBounds, dimensions)
        )
    }

    /// A timer of a library.
    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        LibraryTimer(
            histogram(
                Self.name(label, suffix: "_seconds"),
                .nanosecondsAsSeconds,
                HistogramBounds.stageSeconds,
                dimensions
            )
        )
    }

    /// Nothing: a counter that falls back to 0 is a restart to Prometheus, and the rest stays, too.
    package func destroyCounter(_ handler: any CounterHandler) {}
    /// Nothing.
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    /// Nothing.
    package func destroyMeter(_ handler: any MeterHandler) {}
    /// Nothing.
    package func destroyRecorder(_ handler: any RecorderHandler) {}
    /// Nothing.
    package func destroyTimer(_ handler: any TimerHandler) {}

    private func gauge(_ label: String, _ dimensions: [(String, String)]) -> Gauge {
        let family = declare(.gauge, Self.name(label), dimensions) { declaration, folded in
            .gauge(MetricFamily(declaration, folded: folded) { Gauge() })
        }
        guard case .gauge(let family)? = family else { return Gauge() }
        return family.series(Self.values(family.declaration, dimensions))
    }

    private func histogram(
        _ name: String,
        _ unit: HistogramUnit,
        _ bounds: [Double],
        _ dimensions: [(String, String)]
    ) -> Histogram? {
        guard let layout = try? HistogramLayout(name: name, unit: unit, bounds: bounds) else {
            return nil
        }
        let shards = registry.shards
        let family = declare(.histogram, name, dimensions, unit, bounds) { declaration, folded in
            .histogram(
                MetricFamily(declaration, folded: folded) {
                    Histogram(shards: shards, layout: layout)
                }
            )
        }
        guard case .histogram(let family)? = family else { return nil }
        return family.series(Self.values(family.declaration, dimensions))
    }

    private func declare(
        _ kind: MetricDeclaration.Kind,
        _ name: String,
        _ dimensions: [(String, String)],
        _ unit: HistogramUnit = .count,
        _ bounds: [Double] = [],
        make: (MetricDeclaration, FoldedSeries) -> MetricRegistry.Family
    ) -> MetricRegistry.Family? {
        if let known = registry.libraryFamily(name, kind) { return known }
        let declaration = MetricDeclaration(
            kind: kind,
            name: name,
            help: Self.help,
            labels: Set(dimensions.map { Self.name($0.0) }).sorted(),
            unit: unit,
            bounds: bounds,
            seriesMax: 200,
            isFromLibrary: true
        )
        do {
            return try registry.declare(declaration) { make(declaration, $0) }
        } catch {
            registry.noteRefusedName()
            // Another thread may have declared it in the meantime, with other dimensions.
            return registry.libraryFamily(name, kind)
        }
    }

    private static func values(
        _ declaration: MetricDeclaration,
        _ dimensions: [(String, String)]
    ) -> [String] {
        let values = dimensions.map { (name($0.0), $0.1) }
        return declaration.labels.map { label in values.first { $0.0 == label }?.1 ?? "" }
    }

    /// A name in snake case with a suffix.
    static func name(_ label: String, suffix: String = "") -> String {
        var text: [UInt8] = []
        var wasLower = false
        for byte in label.utf8 {
            let isUpper = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
            let lower = isUpper ? byte | 0x20 : byte
            let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(lower)
            if isUpper, wasLower { text.append("_") }
            if isLetter || isDigit {
                text.append(lower)
            } else if let last = text.last, last != UInt8(ascii: "_") {
                text.append("_")
            }
            wasLower = !isUpper && isLetter
        }
        while text.last == UInt8(ascii: "_") { text.removeLast() }
        let name = String(decoding: text, as: UTF8.self)
        return name.hasSuffix(suffix) ? name : name + suffix
    }

    private static let countBounds: [Double] = [
        1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000,
    ]
}

/// A counter as swift-metrics calls it.
private final class LibraryCounter: CounterHandler {
    private let counter: Counter
    init(_ counter: Counter) { self.counter = counter }
    func increment(by amount: Int64) { if amount > 0 { counter.add(UInt64(amount)) } }
    /// Nothing: a counter never falls.
    func reset() {}
}

/// A gauge as swift-metrics calls it.
private final class LibraryGauge: MeterHandler, RecorderHandler {
    private let gauge: Gauge
    init(_ gauge: Gauge) { self.gauge = gauge }
    func set(_ value: Int64) { gauge.set(Double(value)) }
    func set(_ value: Double) { gauge.set(value) }
    func increment(by amount: Double) { gauge.add(amount) }
    func decrement(by amount: Double) { gauge.add(-amount) }
    func record(_ value: Int64) { gauge.set(Double(value)) }
    func record(_ value: Double) { gauge.set(value) }
}

/// A histogram of whole numbers as swift-metrics calls it; what is negative counts as 0.
private final class LibraryRecorder: RecorderHandler {
    private let histogram: Histogram?
    init(_ histogram: Histogram?) { self.histogram = histogram }
    func record(_ value: Int64) { histogram?.observe(UInt64(max(value, 0))) }
    func record(_ value: Double) {
        guard value.isFinite else { return }
        histogram?.observe(UInt64(min(max(value.rounded(), 0), 0x1p62)))
    }
}

/// A histogram of seconds as swift-metrics calls it; what is negative counts as 0.
private final class LibraryTimer: TimerHandler {
    private let histogram: Histogram?
    init(_ histogram: Histogram?) { self.histogram = histogram }
    func recordNanoseconds(_ duration: Int64) { histogram?.observe(UInt64(max(duration, 0))) }
}
