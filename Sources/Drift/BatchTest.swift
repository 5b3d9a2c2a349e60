/// Whether a finite data set differs from the hold-out: one exact test a stream, Holm's correction
/// over all of them.
///
/// The live alarm (``DriftMonitor``) may be looked at after every row; this test looks once. Its
/// premise is that the rows, and those of the hold-out, are independent draws. Under it the chance
/// that any stream is found to differ although none does is at most ``Settings/level``.
package struct BatchTest: Sendable {
    /// What is decided before the data are looked at.
    package struct Settings: Sendable, Equatable {
        /// The chance that a data set without drift is called drifted.
        package let level: Double
        /// How far, in total variation, a stream may move without being called drifted.
        package let tolerance: Double

        /// Takes settings that are in range.
        ///
        /// - Throws: ``DriftError/setting(name:problem:)``.
        package init(level: Double = 0.05, tolerance: Double = 0) throws(DriftError) {
            guard level >= 1e-6, level <= 0.5 else {
                throw .setting(name: "level", problem: "\(level) is not in 0.000001...0.5")
            }
            guard tolerance >= 0, tolerance <= 0.9 else {
                throw .setting(name: "tolerance", problem: "\(tolerance) is not in 0.0...0.9")
            }
            self.level = level
            self.tolerance = tolerance
        }
    }

    /// What was found in one stream.
    package struct Finding: Sendable, Equatable {
        /// The stream.
        package let stream: ReferenceStream
        /// The data set's rows in each bin.
        package let counts: [UInt64]
        /// The exact chance of a difference like this one without drift.
        package let probability: Double
        /// The same after Holm's correction for all streams.
        package let adjusted: Double
        /// How far, in total variation, the stream has moved at least, with the confidence
        /// 1 − level for all streams at once; 0 when that cannot be told.
        package let movedAtLeast: Double
        /// The sizes of the difference; NaN below ``EffectSize/rowsMin`` rows.
        package let effect: EffectSize
        /// Whether this stream has drifted.
        package let isDrift: Bool
    }

    /// The settings used.
    package let settings: Settings
    /// The rows of the data set.
    package let rows: Int
    /// The streams in the profile's order.
    package let findings: [Finding]

    /// Whether any stream has drifted.
    package var isDrift: Bool { findings.contains(where: \.isDrift) }
    /// The findings, those least likely by chance first.
    package var ranked: [Finding] {
        findings.enumerated()
            .sorted {
                ($0.element.adjusted, $0.element.probability, $0.offset)
                    < ($1.element.adjusted, $1.element.probability, $1.offset)
            }
            .map(\.element)
    }

    /// Most rows of a data set; a larger one says no more, since the hold-out is the smaller part.
    package static let rowsMax = 10_000_000

    /// Tests counted rows.
    ///
    /// - Parameters:
    ///   - counts: For each stream, the rows in each bin; a row may have none in some streams.
    ///   - rows: The rows of the data set.
    ///   - profile: What they are compared with.
    ///   - settings: Level and tolerance.
    /// - Throws: ``DriftError/foreignCounts`` when the bins are of another profile,
    ///   ``DriftError/tooFewRows(part:rows:rowsMin:)`` without a row, ``DriftError/setting(name:problem:)``
    ///   for more than ``rowsMax``.
    package init(
        counts: [[UInt64]],
        rows: Int,
        profile: ReferenceProfile,
        settings: Settings
    ) throws(DriftError) {
        try Self.check(counts, rows, profile)
        let streams = profile.streams
        var tests: [StreamTest] = []
        let logarithms = LogFactorials(upTo: rows + profile.holdoutRows)
        for (stream, counted) in zip(streams, counts) {
            tests.append(
                StreamTest(
                    sample: counted.map { Int($0) },
                    reference: stream.holdoutCounts(rows: profile.holdoutRows),
                    isOrdered: stream.isOrdered,
                    logarithms: logarithms
                )
            )
        }
        let weights = Self.weights(streams)
        let adjusted = Holm.adjusted(tests.map(\.probability), weights: weights)
        self.settings = settings
        self.rows = rows
        findings = streams.indices.map { index in
            let moved = tests[index].movedAtLeast(failure: settings.level * weights[index])
            return Finding(
                stream: streams[index],
                counts: counts[index],
                probability: tests[index].probability,
                adjusted: adjusted[index],
                movedAtLeast: moved,
                effect: EffectSize(
                    counts: counts[index],
                    stream: streams[index],
                    holdoutRows: profile.holdoutRows
                ),
                isDrift: adjusted[index] <= settings.level
                    && (settings.tolerance == 0 || moved > settings.tolerance)
            )
        }
    }

    private static func check(
        _ counts: [[UInt64]],
        _ rows: Int,
        _ profile: ReferenceProfile
    ) throws(DriftError) {
        guard rows > 0 else { throw .tooFewRows(part: "data", rows: 0, rowsMin: 1) }
        guard rows <= rowsMax, profile.holdoutRows <= rowsMax else {
            throw .setting(name: "rows", problem: "at most \(rowsMax) rows are tested")
        }
        guard counts.count == profile.streams.count,
            zip(counts, profile.streams).allSatisfy({ $0.count == $1.binCount })
        else { throw .foreignCounts }
        for counted in counts {
            var left = UInt64(rows)
            for count in counted {
                guard count <= left else { throw .foreignCounts }
                left -= count
            }
        }
    }

    /// Half of the level for what the model answers and thinks, which is few streams, half for
    /// what it is asked, so that a wide table does not drown the answers.
    private static func weights(_ streams: [ReferenceStream]) -> [Double] {
        let inputs = streams.count { $0.kind == .input || $0.kind == .quality }
        let answers = streams.count - inputs
        guard inputs > 0, answers > 0 else {
            return streams.map { _ in 1 / Double(streams.count) }
        }
        return streams.map { stream in
            0.5 / Double(stream.kind == .input || stream.kind == .quality ? inputs : answers)
        }
    }
}

extension ReferenceStream {
    /// The hold-out's rows in each bin, which the shares were made of with half a row added.
    package func holdoutCounts(rows: Int) -> [Int] {
        let whole = Double(rows) + Double(binCount) / 2
        return probabilities.map { share in
            let count = (share * whole - 0.5).rounded()
            return count >= 0 && count <= Double(rows) ? Int(count) : 0
        }
    }
}

/// Holm's (1979) correction with weights: the chance of any false finding is held, however the
/// tests depend on one another.
enum Holm {
    /// The adjusted probabilities, in the given order; the weights sum to 1 or less.
    static func adjusted(_ probabilities: [Double], weights: [Double]) -> [Double] {
        let ratios = zip(probabilities, weights).map { $0 / $1 }
        let order = ratios.indices.sorted { (ratios[$0], $0) < (ratios[$1], $1) }
        var rest = weights.reduce(0, +)
        var greatest = 0.0
        var adjusted = [Double](repeating: 1, count: probabilities.count)
        for index in order {
            greatest = max(greatest, min(1, ratios[index] * rest))
            adjusted[index] = greatest
            rest -= weights[index]
        }
        return adjusted
    }
}
