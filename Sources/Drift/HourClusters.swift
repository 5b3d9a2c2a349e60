internal import Features

/// Puts hours together whose rows are alike.
///
/// It does so two at a time, as Ward (1963) does, those first whose difference costs least, which is
/// their chi-square statistic less what chance alone makes of it. Then single hours go over to
/// another group as long as that costs less.
struct HourClusters {
    private let cells: [Range<Int>]
    /// What each hour has, before any is put to another.
    private let hours: [Cluster]
    private var clusters: [Cluster]
    private var names: [Int]
    private var costs: [Double]
    private var isAlive: [Bool]

    private static let count = HourOfWeek.count
    /// Most passes over all hours in which some change their group.
    private static let passesMax = 10

    /// Some hours' rows.
    private struct Cluster {
        /// The share of each cell over the root of that of the whole week, so that differences are
        /// compared on the scale of chance.
        var shares: [Double]
        /// The rows of each stream.
        var rows: [Double]
    }

    /// Begins with every hour that has rows by itself.
    init(_ counts: HourCounts, streams told: [Int]) {
        var cells: [Range<Int>] = []
        for stream in told {
            let first = cells.last?.upperBound ?? 0
            cells.append(first..<first + counts.cells[stream].count)
        }
        let all = Array(0..<Self.count)
        let scales = told.flatMap { stream -> [Double] in
            let sums = counts.sum(stream: stream, hours: all)
            // Half a row in each bin, so that none has a share of 0.
            let rows = Double(sums.reduce(0, +)) + Double(sums.count) / 2
            return sums.map { (rows / (Double($0) + 0.5)).squareRoot() }
        }
        hours = all.map { hour in
            var hourly = Cluster(shares: [], rows: [])
            for stream in told {
                let found = counts.of(hour: hour, stream: stream)
                let rows = Double(found.reduce(0) { $0 + Int($1) })
                hourly.rows.append(rows)
                for count in found {
                    let scale = scales[hourly.shares.count]
                    hourly.shares.append(rows > 0 ? Double(count) / rows * scale : 0)
                }
            }
            return hourly
        }
        self.cells = cells
        clusters = hours
        names = all
        isAlive = counts.rows.map { $0 > 0 }
        costs = [Double](repeating: .infinity, count: Self.count * Self.count)
        for first in all where isAlive[first] { price(first, from: first + 1) }
    }

    /// The divisions into 1, 2, … groups, up to `groupsMax`; an hour without rows goes with the one
    /// that is likest by the calendar.
    mutating func divisions(groupsMax: Int) -> [HourGroups] {
        let known = isAlive
        var alive = known.count { $0 }
        guard alive > 0 else { return [HourGroups()] }
        var divisions: [HourGroups] = []
        while true {
            if alive <= groupsMax {
                let names = refined(names, known)
                divisions.append(HourGroups(Self.filled(names, known)))
            }
            guard alive > 1 else { return divisions.reversed() }
            joinNearest()
            alive -= 1
        }
    }

    private mutating func joinNearest() {
        var nearest = (cost: Double.infinity, first: 0, second: 0)
        for first in 0..<Self.count where isAlive[first] {
            for second in first + 1..<Self.count where isAlive[second] {
                let cost = costs[first * Self.count + second]
                if cost < nearest.cost || nearest.second == 0 { nearest = (cost, first, second) }
            }
        }
        let (kept, gone) = (nearest.first, nearest.second)
        Self.add(clusters[gone], times: 1, to: &clusters[kept], cells)
        isAlive[gone] = false
        for hour in names.indices where names[hour] == gone { names[hour] = kept }
        price(kept, from: 0)
    }

    private mutating func price(_ cluster: Int, from start: Int) {
        for other in start..<Self.count where isAlive[other] && other != cluster {
            let (first, second) = (min(cluster, other), max(cluster, other))
            costs[first * Self.count + second] = cost(clusters[first], clusters[second])
        }
    }

    private func cost(_ one: Cluster, _ other: Cluster) -> Double {
        var cost = 0.0
        for (stream, cells) in cells.enumerated() {
            let (n, m) = (one.rows[stream], other.rows[stream])
            guard n > 0, m > 0 else { continue }
            var square = 0.0
            for cell in cells {
                let difference = one.shares[cell] - other.shares[cell]
                square += difference * difference
            }
            cost += square * n * m / (n + m) - Double(cells.count - 1)
        }
        return cost
    }

    /// Adds rows to a cluster, or takes them away (−1).
    private static func add(
        _ rows: Cluster,
        times sign: Double,
        to cluster: inout Cluster,
        _ cells: [Range<Int>]
    ) {
        for (stream, cells) in cells.enumerated() {
            let before = cluster.rows[stream]
            let added = sign * rows.rows[stream]
            let after = before + added
            cluster.rows[stream] = after
            for cell in cells {
                let sum = cluster.shares[cell] * before + rows.shares[cell] * added
                cluster.shares[cell] = after > 0 ? sum / after : 0
            }
        }
    }

    /// Lets hours go over to the group with which they cost least (Hartigan's exchange).
    private func refined(_ names: [Int], _ known: [Bool]) -> [Int] {
        var names = names
        var groups = clusters
        let chosen = isAlive.indices.filter { isAlive[$0] }
        guard chosen.count > 1 else { return names }
        for _ in 0..<Self.passesMax {
            var hasMoved = false
            for hour in names.indices where known[hour] {
                let own = names[hour]
                guard names.count(where: { $0 == own }) > 1 else { continue }
                Self.add(hours[hour], times: -1, to: &groups[own], cells)
                var best = (cost: cost(hours[hour], groups[own]), group: own)
                for group in chosen where group != own {
                    let cost = cost(hours[hour], groups[group])
                    // Rounding must not move an hour to and fro.
                    if cost < best.cost - 1e-6 { best = (cost, group) }
                }
                names[hour] = best.group
                hasMoved = hasMoved || best.group != own
                Self.add(hours[hour], times: 1, to: &groups[best.group], cells)
            }
            if !hasMoved { break }
        }
        return names
    }

    /// The cluster of each hour: without rows, that of the same hour on the nearest day with rows,
    /// else of the nearest hour.
    private static func filled(_ names: [Int], _ known: [Bool]) -> [Int] {
        let days = [24, -24, 48, -48, 72, -72]
        let hours = (1...count / 2).flatMap { [$0, -$0] }
        return names.indices.map { hour in
            if known[hour] { return names[hour] }
            let places = (days + hours).map { (hour + $0 + count) % count }
            return places.first { known[$0] }.map { names[$0] } ?? names[hour]
        }
    }
}
