internal import Drift
internal import Features
internal import Files
internal import ModelStore

/// Runs the monitor over prepared streams of rows, as fast as it goes.
///
/// How soon does it see a change, how long is it silent without one?
/// A stream is a line of row numbers into pools of images, so that thousands of streams need no
/// files of their own. What is reported is where the evidence rose to a new maximum, from which any
/// threshold's alarm can be read.
package struct DriftStreamBench: Sendable {
    /// What is run.
    package struct Plan: Sendable {
        /// IDX files or tables of rows, whose numbers go on from file to file.
        package var pools: [String]
        /// An IDX file of 32-bit integers: a line of row numbers for each stream.
        package var streams: String
        /// The rows of a stream after which maxima count.
        package var change: Int
        /// The rows at a stream's start in which no maximum is noted at all.
        package var warmUp = 250
        /// The rows of a block.
        package var block = 4
        /// The tolerance.
        package var tolerance = 0.0
        /// The half-lives in rows; the monitor's own when there are none.
        package var halfLives: [Double] = []
        /// The pseudo-count; the monitor's own when there is none.
        package var pseudoCount: Double?
        /// A stream ends once its evidence is so many nats after the change.
        package var stop: Double?

        /// A plan with the usual block and no tolerance.
        package init(pools: [String], streams: String, change: Int) {
            self.pools = pools
            self.streams = streams
            self.change = change
        }
    }

    private let plan: Plan
    private let subject: DriftSubject

    /// Takes the version whose reference is used.
    package init(_ subject: DriftSubject, plan: Plan) {
        self.subject = subject
        self.plan = plan
    }

    private struct Line: Encodable {
        let stream: Int
        /// The greatest evidence between warm-up and change.
        let before: Double
        /// The rows since the change, and the evidence, of each new maximum.
        let records: [[Double]]
    }

    /// Runs all streams.
    ///
    /// - Parameter line: Called with one JSON object for each stream.
    /// - Throws: ``DriftFileError``, `DriftError`.
    package func run(_ line: (String) -> Void) throws {
        let profile = subject.bundle.reference
        let width = profile.streams.count
        var bins: [UInt8] = []
        for path in plan.pools {
            try subject.file(path).eachRow { row in
                for index in row.indices { bins.append(row[index]) }
            }
        }
        let (length, numbers) = try streams(rowsMax: bins.count / width)
        let defaults = try DriftSettings()
        let settings = try DriftSettings(
            tolerance: plan.tolerance,
            falseAlarmInterval: 1e15,
            halfLives: plan.halfLives.isEmpty ? defaults.halfLives : plan.halfLives,
            pseudoCount: plan.pseudoCount ?? defaults.pseudoCount
        )
        for first in stride(from: 0, to: numbers.count, by: length) {
            var run = StreamRun(DriftMonitor(profile: profile, settings: settings), plan)
            for row in 0..<length {
                let start = Int(numbers[first + row]) * width
                let goesOn = run.take(bins.span.extracting(start..<start + width), row: row)
                guard goesOn else { break }
            }
            line(
                try jsonText(
                    Line(stream: first / length, before: run.before, records: run.records)
                )
            )
        }
    }

    private func streams(rowsMax: Int) throws -> (length: Int, numbers: [Int32]) {
        do {
            let file = try IDXFile(WholeFile.read(plan.streams, bytesMax: BinnedFile.bytesMax))
            let numbers = try file.integers()
            guard file.dimensions.count == 2, let length = file.dimensions.last, length > 0 else {
                throw DriftFileError(path: plan.streams, problem: "expected lines of row numbers")
            }
            guard numbers.allSatisfy({ $0 >= 0 && Int($0) < rowsMax }) else {
                let problem = "a row number is not below \(rowsMax), the pools' rows"
                throw DriftFileError(path: plan.streams, problem: problem)
            }
            return (length, numbers)
        } catch let error as DriftFileError {
            throw error
        } catch {
            throw DriftFileError(path: plan.streams, problem: "\(error)")
        }
    }
}

/// One stream's run.
private struct StreamRun {
    private var monitor: DriftMonitor
    private var block: BlockCounts
    private let plan: DriftStreamBench.Plan
    private(set) var before = 0.0
    private(set) var records: [[Double]] = []
    private var greatest = -1.0

    init(_ monitor: DriftMonitor, _ plan: DriftStreamBench.Plan) {
        self.monitor = monitor
        self.plan = plan
        block = BlockCounts(profile: monitor.profile)
    }

    /// Takes a row; false when the stream is at its end.
    mutating func take(_ bins: Span<UInt8>, row: Int) -> Bool {
        block.add(bins: bins)
        guard block.rowCount >= plan.block || block.isFull else { return true }
        monitor.fold(block)
        block.reset()
        let evidence = monitor.evidence
        guard row >= plan.change else {
            if row >= plan.warmUp { before = max(before, evidence) }
            return true
        }
        if evidence > greatest {
            greatest = evidence
            records.append([Double(row - plan.change + 1), evidence])
        }
        return plan.stop.map { evidence < $0 } ?? true
    }
}
