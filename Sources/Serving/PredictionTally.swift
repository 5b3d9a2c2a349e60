internal import NIOCore
internal import Synchronization
internal import Telemetry

/// What one version has done since it went live, over all event loops.
package final class VersionStatistics: Sendable {
    private let tallies = Mutex<[PredictionTally]>([])

    /// Nothing yet.
    init() {}

    /// A loop's own count, part of the sums from now on.
    func makeTally() -> PredictionTally {
        let tally = PredictionTally()
        tallies.withLock { $0.append(tally) }
        return tally
    }

    /// The sums that a release is judged by.
    var totals: VersionTotals {
        let tallies = tallies.withLock { $0 }
        func sum(_ field: PredictionTally.Field) -> Int {
            Int(clamping: tallies.reduce(0) { $0 &+ $1.value(field) })
        }
        return VersionTotals(
            requests: sum(.requests),
            rows: sum(.rows),
            faults: sum(.faults),
            late: sum(.late),
            computeNanoseconds: sum(.computeNanoseconds)
        )
    }

    /// The sums as the statistics extension of the Open Inference Protocol tells them.
    ///
    /// - Parameters:
    ///   - name: The model.
    ///   - version: Its version.
    ///   - body: Where the object goes.
    func write(_ name: String, _ version: Int, into body: inout ByteBuffer) {
        let tallies = tallies.withLock { $0 }
        func sum(_ field: PredictionTally.Field) -> UInt64 {
            tallies.reduce(0) { $0 &+ $1.value(field) }
        }
        let requests = sum(.requests)
        body.writeStaticString("{\"name\":")
        body.writeJSON(name)
        body.writeString(",\"version\":\"\(version)\",\"last_inference\":\(last(tallies))")
        body.writeString(",\"inference_count\":\(sum(.rows)),\"execution_count\":\(requests)")
        body.writeStaticString(",\"inference_stats\":{")
        let queue = sum(.queueNanoseconds)
        let phases =
            sum(.parseNanoseconds) + queue + sum(.computeNanoseconds) + sum(.writeNanoseconds)
        let parts: [(String, UInt64, UInt64)] = [
            ("success", requests, phases),
            ("fail", sum(.failures), sum(.failureNanoseconds)),
            ("queue", requests, queue),
            ("compute_input", requests, sum(.parseNanoseconds)),
            ("compute_infer", requests, sum(.computeNanoseconds)),
            ("compute_output", requests, sum(.writeNanoseconds)),
            ("cache_hit", 0, 0), ("cache_miss", 0, 0),
        ]
        for (index, part) in parts.enumerated() {
            body.writeString(index > 0 ? "," : "")
            body.writeString("\"\(part.0)\":{\"count\":\(part.1),\"ns\":\(part.2)}")
        }
        body.writeStaticString("},\"batch_stats\":[],\"memory_usage\":[]}")
    }

    /// The milliseconds since the epoch of the last answer; 0 before the first.
    private func last(_ tallies: [PredictionTally]) -> Int64 {
        let last = tallies.map { $0.value(.lastUptime) }.max() ?? 0
        guard last > 0 else { return 0 }
        let age =
            NIODeadline.now().uptimeNanoseconds - min(last, NIODeadline.now().uptimeNanoseconds)
        return (WallTime.now().nanosecondsSinceEpoch - Int64(clamping: age)) / 1_000_000
    }
}

/// The counts of one event loop, which alone writes them; anybody may read.
final class PredictionTally: Sendable {
    enum Field: Int, CaseIterable {
        case requests, rows, failures, faults, late, failureNanoseconds
        case parseNanoseconds, queueNanoseconds, computeNanoseconds, writeNanoseconds, lastUptime
    }

    private let requests = Atomic<UInt64>(0)
    private let rows = Atomic<UInt64>(0)
    private let failures = Atomic<UInt64>(0)
    private let faults = Atomic<UInt64>(0)
    private let late = Atomic<UInt64>(0)
    private let failureNanoseconds = Atomic<UInt64>(0)
    private let parseNanoseconds = Atomic<UInt64>(0)
    private let queueNanoseconds = Atomic<UInt64>(0)
    private let computeNanoseconds = Atomic<UInt64>(0)
    private let writeNanoseconds = Atomic<UInt64>(0)
    private let lastUptime = Atomic<UInt64>(0)

    /// Counts one answer.
    func succeeded(rowCount: Int, _ times: PredictionTimes) {
        Self.add(1, requests)
        Self.add(UInt64(clamping: rowCount), rows)
        Self.add(times.parse, parseNanoseconds)
        Self.add(times.queue, queueNanoseconds)
        Self.add(times.compute, computeNanoseconds)
        Self.add(times.serialise, writeNanoseconds)
        lastUptime.store(times.last.uptimeNanoseconds, ordering: .relaxed)
    }

    /// Counts one request that was refused.
    ///
    /// - Parameters:
    ///   - nanoseconds: How long that took.
    ///   - isFault: Whether the version may be to blame, and not the client.
    ///   - isLate: Whether nothing but time was the trouble.
    func failed(nanoseconds: UInt64, isFault: Bool, isLate: Bool = false) {
        Self.add(1, failures)
        if isFault { Self.add(1, faults) }
        if isLate { Self.add(1, late) }
        Self.add(nanoseconds, failureNanoseconds)
    }

    /// Nobody else writes, so that no locked instruction is needed.
    private static func add(_ amount: UInt64, _ cell: borrowing Atomic<UInt64>) {
        cell.store(cell.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    func value(_ field: Field) -> UInt64 {
        switch field {
        case .requests: requests.load(ordering: .relaxed)
        case .rows: rows.load(ordering: .relaxed)
        case .failures: failures.load(ordering: .relaxed)
        case .faults: faults.load(ordering: .relaxed)
        case .late: late.load(ordering: .relaxed)
        case .failureNanoseconds: failureNanoseconds.load(ordering: .relaxed)
        case .parseNanoseconds: parseNanoseconds.load(ordering: .relaxed)
        case .queueNanoseconds: queueNanoseconds.load(ordering: .relaxed)
        case .computeNanoseconds: computeNanoseconds.load(ordering: .relaxed)
        case .writeNanoseconds: writeNanoseconds.load(ordering: .relaxed)
        case .lastUptime: lastUptime.load(ordering: .relaxed)
        }
    }
}
