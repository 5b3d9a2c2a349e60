internal import Drift
internal import ModelStore

/// What `leeway drift calibrate` finds: the tolerance that would have kept past data silent.
///
/// The monitor itself is run over the rows, in their order, with one tolerance after another.
package struct DriftCalibration: Sendable {
    /// The model's name.
    package let model: String
    /// The version whose reference it is.
    package let version: Int
    /// All rows.
    package let rows: Int
    /// The rows of each file.
    package let files: [(path: String, rows: Int)]
    /// The tolerance that is configured, and what the monitor says with it.
    package let configured: Trial
    /// The least tolerance of those tried that raises no alarm; nil when none does.
    package let silent: Trial?
    /// The streams, the one that moved farthest first.
    package let streams: [Stream]
    /// Whether each row was compared with its hours of the week; nil where the reference does not
    /// depend on them, false where a file does not tell the rows' times.
    package let isSeasonal: Bool?

    /// The monitor's run over all rows with one tolerance.
    package struct Trial: Sendable, Equatable {
        /// The tolerance.
        package let tolerance: Double
        /// The greatest evidence seen, in nats.
        package let evidence: Double
        /// The row at which the alarm was raised; nil when there was none.
        package let alarmRow: UInt64?
        /// The streams that the alarm names.
        package let suspects: [String]
    }

    /// How far a stream went from the reference.
    package struct Stream: Sendable, Equatable {
        /// The stream's name.
        package let name: String
        /// Total variation between all rows and the reference.
        package let totalVariation: Double
        /// The greatest total variation of any window of ``windowRows`` rows.
        package let windowMax: Double
        /// What the monitor adds to the tolerance, since the hold-out is finite.
        package let samplingError: Double
    }

    /// The rows of a window; a part at the end of a file counts when it has half as many.
    package static let windowRows = 1000
    /// Tolerances are tried in steps of this up to ``toleranceMax``.
    package static let toleranceStep = 0.005
    /// The greatest tolerance tried.
    package static let toleranceMax = 0.9

    /// Reads files and runs the monitor.
    ///
    /// - Parameters:
    ///   - subject: The version.
    ///   - paths: Files of past inputs, in the order of time.
    ///   - settings: The alarm as it is configured.
    /// - Throws: ``DriftFileError``, `DriftError`.
    init(_ subject: DriftSubject, paths: [String], settings: DriftSettings) throws {
        let read = try paths.map { try subject.file($0) }
        // Without every row's time all are compared with the whole hold-out.
        let profile = subject.bundle.reference
        isSeasonal = profile.seasons.map { _ in read.allSatisfy { !$0.hours.isEmpty } }
        var past = PastBins(profile: isSeasonal == true ? profile : profile.withoutSeasons)
        for file in read { past.add(file) }
        let files = read.map { (path: $0.path, rows: $0.rowCount) }
        model = subject.bundle.manifest.model
        version = subject.bundle.manifest.version
        rows = past.rows
        self.files = files
        streams = past.streams
        configured = try past.trial(settings)
        silent = try Self.leastSilent(past, settings)
    }

    /// Halves the range of tolerances; the monitor is the quieter the greater the tolerance.
    private static func leastSilent(_ past: PastBins, _ settings: DriftSettings) throws -> Trial? {
        var low = -1
        var high = Int((toleranceMax / toleranceStep).rounded())
        var best = try past.trial(settings.with(tolerance: toleranceMax))
        guard best.alarmRow == nil else { return nil }
        while high - low > 1 {
            let middle = (low + high) / 2
            let trial = try past.trial(
                settings.with(tolerance: Double(middle) * toleranceStep)
            )
            if trial.alarmRow == nil {
                (high, best) = (middle, trial)
            } else {
                low = middle
            }
        }
        return best
    }
}

/// The bins of past rows, kept so that the monitor can be run over them many times.
private struct PastBins {
    private let profile: ReferenceProfile
    private var bins: [UInt8] = []
    private(set) var rows = 0
    private var totals: [[UInt64]]
    private var window: [[UInt64]]
    private var windowRows = 0
    private var greatest: [Double]
    /// The group of hours of each row; empty without a season.
    private var seasons: [UInt8] = []
    private let clock: SeasonClock?
    private var windowSeasons: [Double]
    private var totalSeasons: [Double]

    init(profile: ReferenceProfile) {
        self.profile = profile
        clock = SeasonClock(profile)
        windowSeasons = [Double](repeating: 0, count: profile.seasonCount)
        totalSeasons = windowSeasons
        totals = profile.streams.map { [UInt64](repeating: 0, count: $0.binCount) }
        window = totals
        greatest = [Double](repeating: 0, count: profile.streams.count)
    }

    mutating func add(_ file: BinnedFile) {
        bins.reserveCapacity(bins.count + file.rowCount * profile.streams.count)
        let hours = file.hours
        var number = 0
        file.eachRow { row in
            if let season = clock?.season(hour: hours[number]) {
                seasons.append(season)
                windowSeasons[Int(season)] += 1
            }
            number += 1
            for stream in row.indices {
                bins.append(row[stream])
                if Int(row[stream]) < window[stream].count {
                    window[stream][Int(row[stream])] += 1
                }
            }
            windowRows += 1
            if windowRows == DriftCalibration.windowRows { closeWindow() }
        }
        rows += file.rowCount
        closeWindow()
    }

    private mutating func closeWindow() {
        for stream in window.indices {
            let distance = distance(window[stream], stream, windowSeasons)
            if windowRows * 2 >= DriftCalibration.windowRows {
                greatest[stream] = max(greatest[stream], distance)
            }
            for bin in window[stream].indices {
                totals[stream][bin] += window[stream][bin]
                window[stream][bin] = 0
            }
        }
        for season in windowSeasons.indices {
            totalSeasons[season] += windowSeasons[season]
            windowSeasons[season] = 0
        }
        windowRows = 0
    }

    /// The total variation from the reference, in which groups of hours have the rows' parts.
    private func distance(_ counts: [UInt64], _ stream: Int, _ seasonRows: [Double]) -> Double {
        let sum = counts.reduce(0, &+)
        guard sum > 0 else { return 0 }
        let rows = max(1, seasonRows.reduce(0, +))
        let law = profile.mixture(ofStream: stream, parts: seasonRows.map { $0 / rows }).shares
        return zip(counts, law)
            .reduce(0) { $0 + abs(Double($1.0) / Double(sum) - $1.1) } / 2
    }

    var streams: [DriftCalibration.Stream] {
        profile.streams.indices
            .map { index in
                DriftCalibration.Stream(
                    name: profile.streams[index].name,
                    totalVariation: distance(totals[index], index, totalSeasons),
                    windowMax: greatest[index],
                    samplingError: profile.streams[index].samplingError
                )
            }
            .sorted { ($1.windowMax, $1.totalVariation) < ($0.windowMax, $0.totalVariation) }
    }

    /// Runs the monitor over all rows, up to its first alarm.
    func trial(_ settings: DriftSettings) throws -> DriftCalibration.Trial {
        var monitor = DriftMonitor(profile: profile, settings: settings)
        var block = BlockCounts(profile: profile)
        var evidence = 0.0
        let width = profile.streams.count
        for row in 0..<rows {
            if !seasons.isEmpty, seasons[row] != block.season {
                monitor.fold(block)
                block.reset()
                block.season = seasons[row]
            }
            block.add(bins: bins.span.extracting(row * width..<(row + 1) * width))
            guard block.isFull || row == rows - 1 else { continue }
            monitor.fold(block)
            block.reset()
            evidence = max(evidence, monitor.evidence)
            if monitor.alarm != nil { break }
        }
        return DriftCalibration.Trial(
            tolerance: settings.tolerance,
            evidence: evidence,
            alarmRow: monitor.alarm?.row,
            suspects: monitor.alarm?.suspects.map(\.stream) ?? []
        )
    }
}

extension DriftSettings {
    /// The same alarm with another tolerance, for tails and bad data, too.
    func with(tolerance: Double) throws(DriftError) -> DriftSettings {
        try DriftSettings(
            tolerance: tolerance,
            falseAlarmInterval: falseAlarmInterval,
            halfLives: halfLives,
            pseudoCount: pseudoCount,
            rareTolerance: tolerance
        )
    }
}
