internal import Drift
internal import FoundationEssentials
internal import NeuralNetwork

/// Lets the drift monitor watch traffic that has not moved, and counts its false alarms.
///
/// Rows are drawn from a pool that is disjoint from the reference's rows and of the same law; all
/// channels are on: the streams of one row depend on each other as the model makes them depend,
/// and both tests of losses run at the very limit of what they allow.
package struct DriftNullBench: Sendable {
    /// What is run.
    package struct Plan: Sendable {
        /// Runs of each shape of rows.
        package var runs = 200
        /// Rows of a run, at most: it ends with its first alarm.
        package var rows = 1_000_000
        /// The interval that is asked for.
        package var interval = 100_000.0
        /// The tolerance.
        package var tolerance = 0.05
        /// Rows of a block.
        package var block = 16
        /// Where chance begins.
        package var seed: UInt64 = 1

        /// 200 runs of a million rows.
        package init() {}
    }

    /// What was counted for one shape.
    package struct Report: Codable, Sendable {
        /// The shape.
        package var name: String
        /// Streams that are watched.
        package var streams: Int
        /// The interval that was asked for.
        package var interval: Double
        /// Runs.
        package var runs = 0
        /// Runs that ended with an alarm of the streams, or of a test of losses.
        package var alarms = 0
        /// Those of the streams alone.
        package var streamAlarms = 0
        /// Rows of all runs together.
        package var rows = 0
        /// Rows for each alarm; nil without any.
        package var meanInterval: Double?
        /// The greatest evidence of the streams in each tenth of the runs, in nats, ascending.
        package var evidence: [Double] = []
        /// ln of the interval.
        package var threshold: Double

        private enum CodingKeys: String, CodingKey {
            case name, streams, interval, runs, alarms, rows
            case streamAlarms = "stream_alarms"
            case meanInterval = "mean_interval"
            case evidence = "evidence_nats_tenths"
            case threshold = "threshold_nats"
        }

        /// The figures as one JSON object.
        package func json() throws -> String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    private let plan: Plan

    /// Takes a plan.
    package init(_ plan: Plan) { self.plan = plan }

    private static let referenceRows = 10_000
    private static let poolRows = 60_000
    /// The share of wrong answers, and the mean loss, at which the tests of losses run.
    private static let lossLimit = 0.1

    /// Runs all shapes.
    ///
    /// - Parameter each: Called with the report of each shape.
    /// - Throws: `DriftError`, should a reference be impossible.
    package func run(_ each: (Report) throws -> Void) throws {
        try each(try run("image 28x28, 64 hidden units, 10 classes", .image))
        try each(try run("table of 28 columns, 16 hidden units, 2 classes", .table))
    }

    private func run(_ name: String, _ kind: DriftBenchRows.Kind) throws -> Report {
        let profile = try Self.profile(kind)
        let pool = Self.pool(kind, profile)
        let settings = try DriftSettings(
            tolerance: plan.tolerance,
            falseAlarmInterval: plan.interval
        )
        var report = Report(
            name: name,
            streams: profile.streams.count,
            interval: plan.interval,
            threshold: DriftMonitor(profile: profile, settings: settings).threshold
        )
        var random = RandomSource(seed: plan.seed)
        var greatest: [Double] = []
        for _ in 0..<plan.runs {
            var run = NullRun(profile, settings, limit: Self.lossLimit)
            run.go(pool, rowsMax: plan.rows, block: plan.block, &random)
            report.runs += 1
            report.rows += run.rows
            report.alarms += run.hasAlarm ? 1 : 0
            report.streamAlarms += run.hasStreamAlarm ? 1 : 0
            greatest.append(run.greatest)
        }
        greatest.sort()
        report.evidence = (1...10).map { greatest[max(0, $0 * greatest.count / 10 - 1)] }
        if report.alarms > 0 { report.meanInterval = Double(report.rows) / Double(report.alarms) }
        return report
    }

    /// Bins from training rows, shares from other rows.
    private static func profile(_ kind: DriftBenchRows.Kind) throws -> ReferenceProfile {
        var builder = try ReferenceBuilder(
            layout: kind.layout(),
            prediction: kind == .image ? .classes(count: 10) : .binary,
            hiddenWidth: kind.hiddenWidth
        )
        for part in 0..<10 {
            let rows = DriftBenchRows(kind, count: referenceRows / 10, seed: 100 + UInt64(part))
            try builder.addTraining(rows.rows)
        }
        for part in 0..<10 {
            let rows = DriftBenchRows(kind, count: referenceRows / 10, seed: 200 + UInt64(part))
            try builder.addHoldout(rows.rows)
        }
        return try builder.finish()
    }

    /// The bins of rows that neither fixed the bins nor were counted.
    private static func pool(
        _ kind: DriftBenchRows.Kind,
        _ profile: ReferenceProfile
    ) -> [UInt8] {
        var binner = StreamBinner(profile: profile)
        var pool: [UInt8] = []
        var bins = [UInt8](repeating: 0, count: binner.streamCount)
        for part in 0..<poolRows / 1000 {
            let part = DriftBenchRows(kind, count: 1000, seed: 1000 + UInt64(part))
            for row in 0..<part.count {
                var room = bins.mutableSpan
                binner.bins(part.rows[row: row], into: &room)
                pool += bins
            }
        }
        return pool
    }
}

/// One run over traffic that has not moved.
private struct NullRun {
    private var monitor: DriftMonitor
    private var labelled: RiskTest
    private var labelFree: RiskTest
    private let limit: Double
    private(set) var rows = 0
    private(set) var greatest = 0.0
    private var hasLossAlarm = false

    init(_ profile: ReferenceProfile, _ settings: DriftSettings, limit: Double) {
        monitor = DriftMonitor(profile: profile, settings: settings)
        let interval = settings.falseAlarmInterval
        self.limit = limit
        labelled = RiskTest(limit: limit, falseAlarmInterval: interval / AlarmBudget.labelled)
        labelFree = RiskTest(limit: limit, falseAlarmInterval: interval / AlarmBudget.labelFree)
    }

    var hasStreamAlarm: Bool { monitor.alarm != nil }
    var hasAlarm: Bool { hasStreamAlarm || hasLossAlarm }

    mutating func go(_ pool: [UInt8], rowsMax: Int, block size: Int, _ random: inout RandomSource) {
        var block = BlockCounts(profile: monitor.profile)
        let width = monitor.profile.streams.count
        let count = pool.count / width
        while !hasAlarm && rows < rowsMax {
            for _ in 0..<size {
                let start = Int(random.next(below: UInt64(count))) * width
                block.add(bins: pool.span.extracting(start..<start + width))
                let isWrong = Double(random.nextUnit()) < limit
                let loss = 2 * limit * Double(random.nextUnit())
                if labelled.observe(isWrong ? 1 : 0) || labelFree.observe(loss) {
                    hasLossAlarm = true
                }
            }
            monitor.fold(block)
            block.reset()
            rows += size
            greatest = max(greatest, monitor.evidence)
        }
    }
}
