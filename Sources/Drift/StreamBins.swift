/// The bins of a stream, fixed by training rows.
struct StreamBins: Sendable, Equatable {
    var edges: [Float] = []
    var binOfCategory: [UInt8] = []
    var labels: [String] = []
    var roles: [BinRole] = []

    /// Bins between equally frequent values; equal edges are merged.
    ///
    /// The values are those of training rows, in ascending order, none of them NaN.
    static func numeric(
        values: [Float],
        hasOutside: Bool,
        hasMissing: Bool
    ) -> StreamBins {
        let finite = values.filter { $0.isFinite }
        var bins = StreamBins()
        if let least = finite.first, let greatest = finite.last {
            let deciles = (1..<10).map { finite[max(0, $0 * finite.count / 10 - 1)] }
            // An edge at the greatest value would leave the bin above it empty.
            var edges = deciles.filter { $0 < greatest }
            if hasOutside {
                if least.nextDown.isFinite { edges.insert(least.nextDown, at: 0) }
                edges.append(greatest)
            }
            for edge in edges where edge > (bins.edges.last ?? -.infinity) {
                bins.edges.append(edge)
            }
            bins.name(
                isBelow: hasOutside && bins.edges.first == least.nextDown,
                isAbove: hasOutside
            )
        } else {
            bins.append("any number", .body)
        }
        if hasMissing { bins.append("missing", .missing) }
        return bins
    }

    /// Bins of the most frequent indices (of equals, the smaller index), in the indices' order.
    static func indexed(
        values: [Float],
        names: [String],
        binsMax: Int,
        isOpen: Bool
    ) -> StreamBins {
        var frequency = [Int](repeating: 0, count: names.count)
        for value in values where value >= 0 && value < Float(names.count) {
            frequency[Int(value)] += 1
        }
        let own = frequency.indices
            .sorted { (frequency[$1], $0) < (frequency[$0], $1) }
            .prefix(binsMax)
            .sorted()
        var bins = StreamBins()
        for index in own { bins.append(names[index], .body) }
        let other = UInt8(own.count)
        bins.binOfCategory = [UInt8](repeating: other, count: names.count + (isOpen ? 1 : 0))
        for (bin, index) in own.enumerated() { bins.binOfCategory[index] = UInt8(bin) }
        if isOpen || own.count < names.count { bins.append("other", .other) }
        if isOpen { bins.append("missing", .missing) }
        return bins
    }

    /// The usual values and the hundredth part of them at one end.
    static func tail(values: [Float], isUpper: Bool) -> StreamBins {
        let finite = values.filter { $0.isFinite }
        var bins = StreamBins()
        guard finite.count >= 100, let greatest = finite.last else { return bins }
        let edge = finite[isUpper ? finite.count - 1 - finite.count / 100 : finite.count / 100]
        // A lower tail lies at or below its edge, which must leave something above it.
        guard isUpper || edge < greatest else { return bins }
        bins.edges = [edge]
        bins.append(isUpper ? "usual" : "≤ \(edge)", isUpper ? .body : .rare)
        bins.append("> \(edge)", isUpper ? .rare : .body)
        return bins
    }

    /// Bins that are known beforehand.
    static func known(edges: [Float], labels: [String], usual: Int) -> StreamBins {
        StreamBins(
            edges: edges,
            labels: labels,
            roles: labels.indices.map { $0 == usual ? .body : .bad }
        )
    }

    /// One bin for each cell of a partition.
    static func cells(_ count: Int) -> StreamBins {
        StreamBins(
            binOfCategory: (0..<count).map { UInt8($0) },
            labels: (0..<count).map { "region \($0 + 1)" },
            roles: [BinRole](repeating: .body, count: count)
        )
    }

    private mutating func name(isBelow: Bool, isAbove: Bool) {
        roles = edges.indices.map { $0 == 0 && isBelow ? .below : .body }
        roles.append(isAbove ? .above : .body)
        labels = ReferenceStream.labels(edges: edges, roles: roles)
    }

    private mutating func append(_ label: String, _ role: BinRole) {
        labels.append(label)
        roles.append(role)
    }
}
