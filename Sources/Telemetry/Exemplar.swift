import Synchronization

/// One observation that stands for the others of its bucket, with the trace to look at.
package struct Exemplar: Sendable, Equatable {
    /// The number of the trace.
    package let trace: UInt128
    /// The number of the span within it.
    package let span: UInt64
    /// The value that was observed, in raw units.
    package let raw: UInt64
    /// When it was.
    package let time: WallTime

    /// Takes an observation within a trace.
    package init(trace: UInt128, span: UInt64, raw: UInt64, time: WallTime) {
        self.trace = trace
        self.span = span
        self.raw = raw
        self.time = time
    }

    /// The upper half of the trace's number.
    var traceHigh: UInt64 { UInt64(truncatingIfNeeded: trace >> 64) }
    /// The lower half of the trace's number.
    var traceLow: UInt64 { UInt64(truncatingIfNeeded: trace) }
}

/// The newest exemplar of each bucket of a series.
///
/// Only requests that somebody traces come here. Whoever finds the lock taken goes on without
/// leaving an exemplar, so that a scrape never keeps an event loop waiting.
final class ExemplarStore: Sendable {
    /// An exemplar stays for so long, so that a flood of traced requests costs a look at a clock.
    static let nanosecondsMin: Int64 = 1_000_000_000

    private let buckets = Mutex<[Exemplar?]>([])

    /// Keeps an exemplar, unless the bucket's last one is still young.
    func note(_ exemplar: Exemplar, bucket: Int, of count: Int) {
        _ = buckets.withLockIfAvailable { buckets in
            if buckets.isEmpty { buckets = Array(repeating: nil, count: count) }
            guard buckets.indices.contains(bucket) else { return }
            if let last = buckets[bucket] {
                let age = exemplar.time.nanosecondsSinceEpoch
                    .subtractingReportingOverflow(last.time.nanosecondsSinceEpoch)
                guard age.overflow || !(0..<Self.nanosecondsMin).contains(age.partialValue) else {
                    return
                }
            }
            buckets[bucket] = exemplar
        }
    }

    /// The exemplars by bucket; empty when there has been none.
    var all: [Exemplar?] { buckets.withLock { $0 } }
}
