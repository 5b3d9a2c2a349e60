internal import Features

/// Makes a seasonal reference: training rows say which hours of the week are alike, hold-out rows
/// give the shares.
///
/// The division is chosen among those of ``HourClusters`` by training rows and by how many hold-out
/// rows each hour has, never by what these hold: else the sampling error would be stated too small.
/// More groups follow the season more closely and know each group's shares less well; the division is
/// taken with which the leeways of all streams are narrowest.
struct SeasonBuilder: Sendable {
    let column: String
    private var training: HourCounts
    private var holdout: HourCounts

    /// Hold-out rows below which a group is put together with another.
    static let groupRowsMin = 100

    init(column: String, binCounts: [Int]) {
        self.column = column
        training = HourCounts(binCounts: binCounts)
        holdout = training
    }

    mutating func addTraining(hour: Int, bins: [Int?]) { Self.add(hour, bins, to: &training) }

    mutating func addHoldout(hour: Int, bins: [Int?]) { Self.add(hour, bins, to: &holdout) }

    private static func add(_ hour: Int, _ bins: [Int?], to counts: inout HourCounts) {
        guard (0..<HourOfWeek.count).contains(hour) else { return }
        for (stream, bin) in bins.enumerated() {
            if let bin { counts.add(hour: hour, stream: stream, bin: bin) }
        }
        counts.endRow(hour: hour)
    }

    /// Chooses the division and takes the shares.
    ///
    /// - Parameters:
    ///   - told: The streams of the profile, each with its number among all that were counted.
    ///   - failure: The probability with which a stream's sampling error may be too small.
    /// - Returns: The reference.
    func finish(_ told: [(index: Int, stream: ReferenceStream)], failure: Double)
        -> SeasonalReference
    {
        var clusters = HourClusters(training, streams: told.map(\.index))
        let pooled = Division(HourGroups(), told, self, failure)
        var best: (leeway: Double, division: Division, isSeasonal: [Bool])?
        for groups in clusters.divisions(groupsMax: SeasonalReference.groupsMax) {
            let division = Division(withRows(groups, told), told, self, failure)
            let isSeasonal = told.indices.map { division.leeway[$0] < pooled.leeway[$0] }
            let leeway = told.indices.reduce(0.0) {
                $0 + min(division.leeway[$1], pooled.leeway[$1])
            }
            if leeway < best?.leeway ?? .infinity { best = (leeway, division, isSeasonal) }
        }
        let chosen = best ?? (0, pooled, told.map { _ in false })
        let groups = chosen.division.groups
        return SeasonalReference(
            column: column,
            groupOfHour: groups.groupOfHour,
            isSeasonal: chosen.isSeasonal,
            groups: (0..<groups.count).map { group in
                makeGroup(group, chosen.division, pooled, chosen.isSeasonal, told, failure)
            }
        )
    }

    private func makeGroup(
        _ group: Int,
        _ division: Division,
        _ pooled: Division,
        _ isSeasonal: [Bool],
        _ told: [(index: Int, stream: ReferenceStream)],
        _ failure: Double
    ) -> SeasonalReference.Group {
        let hours = division.groups.hours(of: group)
        var shares: [Float] = []
        var (errors, spreads): ([Float], [Float]) = ([], [])
        for (place, (index, stream)) in told.enumerated() {
            guard isSeasonal[place] else {
                errors.append(Self.upper(stream.samplingError))
                spreads.append(Self.upper(pooled.spreads[place][0]))
                continue
            }
            let counts = holdout.sum(stream: index, hours: hours)
            let whole = Double(counts.reduce(0, +)) + Double(counts.count) / 2
            // As they will be read: the error then covers their rounding, too.
            let own = counts.map { Float((Double($0) + 0.5) / whole) }
            shares += own
            let error = SamplingError.totalVariation(
                counts: counts,
                shares: own.map { Double($0) },
                failure: failure / Double(division.groups.count)
            )
            errors.append(Self.upper(error))
            spreads.append(Self.upper(division.spreads[place][group]))
        }
        return SeasonalReference.Group(
            holdoutRows: hours.reduce(0) { $0 + holdout.rows[$1] },
            shares: shares,
            samplingErrors: errors,
            spreads: spreads
        )
    }

    private static func upper(_ error: Double) -> Float { min(1, Float(error).nextUp) }

    /// The same division, with groups of too few hold-out rows put to those that are likest.
    private func withRows(
        _ groups: HourGroups,
        _ told: [(index: Int, stream: ReferenceStream)]
    ) -> HourGroups {
        var groups = groups
        while groups.count > 1 {
            let rows = (0..<groups.count).map { holdoutRows(of: $0, groups) }
            guard let least = rows.indices.min(by: { rows[$0] < rows[$1] }),
                rows[least] < Self.groupRowsMin
            else { break }
            let others = (0..<groups.count).filter { $0 != least }
            let own = groups.hours(of: least)
            let distances = others.map { distance(own, groups.hours(of: $0), told) }
            let nearest = distances.indices.min { distances[$0] < distances[$1] } ?? 0
            groups = groups.joining(others[nearest], least)
        }
        return groups
    }

    private func holdoutRows(of group: Int, _ groups: HourGroups) -> Int {
        groups.hours(of: group).reduce(0) { $0 + holdout.rows[$1] }
    }

    /// The total variation between two groups' training rows, summed up over streams.
    private func distance(
        _ one: [Int],
        _ other: [Int],
        _ told: [(index: Int, stream: ReferenceStream)]
    ) -> Double {
        told.reduce(0.0) { sum, entry in
            let (a, b) = (
                training.sum(stream: entry.index, hours: one),
                training.sum(stream: entry.index, hours: other)
            )
            let (n, m) = (Double(max(1, a.reduce(0, +))), Double(max(1, b.reduce(0, +))))
            return sum + zip(a, b).reduce(0.0) { $0 + abs(Double($1.0) / n - Double($1.1) / m) }
        }
    }
}

extension SeasonBuilder {
    /// One way to put hours together, and the leeway that every stream then needs.
    fileprivate struct Division {
        let groups: HourGroups
        /// For each stream and group, how far its hours are from it.
        let spreads: [[Double]]
        /// For each stream, the mean over groups of sampling error and spread, by hold-out rows.
        let leeway: [Double]

        init(
            _ groups: HourGroups,
            _ told: [(index: Int, stream: ReferenceStream)],
            _ builder: SeasonBuilder,
            _ failure: Double
        ) {
            self.groups = groups
            let hours = (0..<groups.count).map { groups.hours(of: $0) }
            let rows = (0..<groups.count).map { builder.holdoutRows(of: $0, groups) }
            let whole = Double(max(1, rows.reduce(0, +)))
            let part = failure / Double(groups.count)
            let apart = told.map { entry in
                hours.map { builder.spread(stream: entry.index, hours: $0) }
            }
            spreads = apart
            leeway = told.indices.map { place in
                let bins = told[place].stream.binCount
                return rows.indices.reduce(0.0) { sum, group in
                    let error = SamplingError.planned(
                        bins: bins,
                        rows: rows[group],
                        failure: part
                    )
                    return sum + Double(rows[group]) / whole * (error + apart[place][group])
                }
            }
        }
    }

    /// How far, in total variation and beyond chance, a stream's law at any time of some hours is
    /// from that of all of them.
    ///
    /// An hour's shares are a mean over it; at its ends the law lies about half-way to the next
    /// hour's, so this is looked at, too, unless the law changes at the full hour. Of the distance found the part is taken off, in squares,
    /// that chance alone does not exceed in all hours of the week.
    private func spread(stream: Int, hours: [Int]) -> Double {
        let all = training.sum(stream: stream, hours: hours)
        let rows = Double(all.reduce(0, +))
        guard rows > 0 else { return 0 }
        let law = all.map { (Double($0) + 0.5) / (rows + Double(all.count) / 2) }
        var greatest = 0.0
        for hour in hours {
            guard let own = shares(stream, hour) else { continue }
            let alone = 1 / own.rows
            greatest = max(greatest, Self.excess(own.shares, law, alone + 1 / rows))
            for way in [-1, 1] {
                guard let next = shares(stream, hour + way),
                    !isAbrupt(stream, from: hour, way)
                else { continue }
                let middle = zip(own.shares, next.shares).map { ($0 + $1) / 2 }
                let scale = (alone + 1 / next.rows) / 4 + 1 / rows
                greatest = max(greatest, Self.excess(middle, law, scale))
            }
        }
        return greatest
    }

    /// Whether a stream's law jumps between an hour and the one before (−1) or after (1): a long way
    /// to which the hours on neither side are under way.
    private func isAbrupt(_ stream: Int, from hour: Int, _ way: Int) -> Bool {
        func step(_ from: Int, _ to: Int) -> Double? {
            guard let one = shares(stream, from), let other = shares(stream, to) else { return nil }
            return Self.excess(one.shares, other.shares, 1 / one.rows + 1 / other.rows)
        }
        guard let jump = step(hour, hour + way), jump > Self.jumpMin,
            let before = step(hour - way, hour), let after = step(hour + way, hour + 2 * way)
        else { return false }
        return max(before, after) < jump / 4
    }

    /// A shorter way, in total variation, is taken as gradual.
    private static let jumpMin = 0.2

    /// The shares in an hour, which may be one of the week before or after.
    private func shares(_ stream: Int, _ hour: Int) -> (shares: [Double], rows: Double)? {
        let hour = (hour + HourOfWeek.count) % HourOfWeek.count
        let counts = training.of(hour: hour, stream: stream)
        let rows = Double(counts.reduce(0) { $0 + Int($1) })
        return rows > 0 ? (counts.map { Double($0) / rows }, rows) : nil
    }

    /// Standard deviations of chance's total variation above its mean.
    private static let steps = 3.0

    /// The root of what is left of a squared total variation.
    private static func excess(_ shares: [Double], _ law: [Double], _ scale: Double) -> Double {
        let variation = zip(shares, law).reduce(0) { $0 + abs($1.0 - $1.1) } / 2
        let squares = law.map { $0 * (1 - $0) * scale }
        let mean = squares.reduce(0) { $0 + $1.squareRoot() } * (2 / Double.pi).squareRoot() / 2
        // Of two bins both move as one; of many each moves nearly by itself (ChanceVariation).
        let together = 1 + 1 / Double(max(1, law.count - 1))
        let variance = squares.reduce(0, +) * together * (1 - 2 / Double.pi) / 4
        let chance = mean + steps * variance.squareRoot()
        return max(0, variation * variation - chance * chance).squareRoot()
    }
}
