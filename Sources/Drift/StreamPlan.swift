/// What is to be watched, before any row was seen.
struct StreamPlan: Sendable {
    let name: String
    let kind: ReferenceStream.Kind
    let source: StreamSource
    let form: Form

    enum Form: Sendable, Equatable {
        /// Bins at the training rows' deciles, and, if asked for, one on either side of them all
        /// and one for missing values.
        case numeric(hasOutside: Bool, hasMissing: Bool)
        /// Bins of the most frequent indices and one for the rest; `names` of all indices.
        /// A stream that `isOpen` also has unseen (index = number of names) and missing values.
        case indexed(names: [String], binsMax: Int, isOpen: Bool)
    }

    /// Categories that get a bin of their own.
    static let categoryBinsMax = 15
    /// Classes that get a bin of their own.
    static let classBinsMax = 31

    /// Plans all streams; columns beyond ``ReferenceProfile/streamsMax`` are left out.
    static func streams(
        layout: InputLayout,
        prediction: PredictionShape,
        classLabels: [String]
    ) -> (plans: [StreamPlan], columnsUnwatched: Int) {
        let answers = predictions(prediction, classLabels: classLabels)
        switch layout {
        case .frame:
            return (answers + FrameStatistic.allCases.map { frame($0) }, 0)
        case .columns(let columns):
            let room = ReferenceProfile.streamsMax - answers.count
            let watched = columns.enumerated().prefix(room).map { column($1, index: $0) }
            return (answers + watched, columns.count - watched.count)
        }
    }

    private static func predictions(_ shape: PredictionShape, classLabels: [String]) -> [StreamPlan]
    {
        switch shape {
        case .classes(let count):
            let names = (0..<count).map { $0 < classLabels.count ? classLabels[$0] : "\($0)" }
            // With two classes the margin says what the confidence says.
            return [classes(names), answer("confidence", .confidence)]
                + (count > 2 ? [answer("margin", .margin)] : [])
        case .binary:
            let names = (0..<2).map { $0 < classLabels.count ? classLabels[$0] : "\($0)" }
            return [classes(names), answer("probability", .probability)]
        case .value:
            return [answer("value", .value, hasOutside: true)]
        }
    }

    private static func classes(_ names: [String]) -> StreamPlan {
        StreamPlan(
            name: "prediction.class",
            kind: .prediction,
            source: .predictedClass,
            form: .indexed(names: names, binsMax: classBinsMax, isOpen: false)
        )
    }

    private static func answer(
        _ name: String,
        _ source: StreamSource,
        hasOutside: Bool = false
    ) -> StreamPlan {
        StreamPlan(
            name: "prediction.\(name)",
            kind: .prediction,
            source: source,
            form: .numeric(hasOutside: hasOutside, hasMissing: false)
        )
    }

    private static func frame(_ statistic: FrameStatistic) -> StreamPlan {
        StreamPlan(
            name: "frame.\(statistic.rawValue)",
            kind: .input,
            source: .frame(statistic: statistic),
            form: .numeric(hasOutside: true, hasMissing: false)
        )
    }

    private static func column(_ column: InputLayout.Column, index: Int) -> StreamPlan {
        StreamPlan(
            name: "column.\(column.name)",
            kind: .input,
            source: .column(index: index),
            form: column.categories.map {
                .indexed(names: $0, binsMax: categoryBinsMax, isOpen: true)
            } ?? .numeric(hasOutside: true, hasMissing: true)
        )
    }
}

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

    private mutating func name(isBelow: Bool, isAbove: Bool) {
        for (index, edge) in edges.enumerated() {
            if index == 0 && isBelow {
                append("below", .below)
            } else {
                append("≤ \(edge)", .body)
            }
        }
        append(isAbove ? "above" : edges.last.map { "> \($0)" } ?? "any", isAbove ? .above : .body)
    }

    private mutating func append(_ label: String, _ role: BinRole) {
        labels.append(label)
        roles.append(role)
    }
}
