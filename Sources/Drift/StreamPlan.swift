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
        /// Two bins: the usual values and the hundredth part at one end.
        case tail(isUpper: Bool)
        /// Bins known beforehand; all but the one at `usual` are bad.
        case known(edges: [Float], labels: [String], usual: Int)
        /// The cells of the partition.
        case cells
    }

    /// Categories that get a bin of their own.
    static let categoryBinsMax = 15
    /// Classes that get a bin of their own.
    static let classBinsMax = 31
    /// Classes whose odds are watched; of more, some that are spread evenly.
    static let oddsMax = 16

    /// Plans all streams; columns beyond ``ReferenceProfile/streamsMax`` are left out.
    static func streams(
        layout: InputLayout,
        prediction: PredictionShape,
        classLabels: [String],
        projection: (source: Projection.Source, count: Int)?
    ) -> (plans: [StreamPlan], columnsUnwatched: Int) {
        var plans = predictions(prediction, classLabels: classLabels)
        if let projection { plans += scores(projection.source, count: projection.count) }
        switch layout {
        case .frame:
            plans += FrameStatistic.allCases.map { frame($0) } + quality(isFrame: true)
            return (plans, 0)
        case .columns(let columns):
            plans += quality(isFrame: false)
            let room = ReferenceProfile.streamsMax - plans.count
            plans += columns.enumerated().prefix(room).map { column($1, index: $0) }
            return (plans, max(0, columns.count - room))
        }
    }

    private static func predictions(_ shape: PredictionShape, classLabels: [String]) -> [StreamPlan]
    {
        switch shape {
        case .classes(let count):
            let names = (0..<count).map { $0 < classLabels.count ? classLabels[$0] : "\($0)" }
            let watched = min(count, oddsMax)
            // With two classes one's odds say all.
            let odds = (count > 2 ? 0..<watched : 1..<2).map { place in
                let index = count > 2 ? place * count / watched : place
                return answer("odds.\(names[index])", .odds(class: index))
            }
            return [classes(names)] + odds + [
                answer("confidence", .confidenceOdds), answer("entropy", .entropy),
                answer("energy", .energy), tail("confidence", .prediction, .confidenceOdds),
                tail("energy", .prediction, .energy),
            ]
        case .binary:
            let names = (0..<2).map { $0 < classLabels.count ? classLabels[$0] : "\($0)" }
            return [
                classes(names), answer("log_odds", .logOdds),
                answer("confidence", .absoluteLogOdds),
                tail("confidence", .prediction, .absoluteLogOdds),
            ]
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

    private static func tail(
        _ name: String,
        _ kind: ReferenceStream.Kind,
        _ source: StreamSource,
        isUpper: Bool = false
    ) -> StreamPlan {
        StreamPlan(name: "tail.\(name)", kind: kind, source: source, form: .tail(isUpper: isUpper))
    }

    private static func scores(_ source: Projection.Source, count: Int) -> [StreamPlan] {
        let kind: ReferenceStream.Kind = source == .hidden ? .representation : .input
        let family = source == .hidden ? "hidden" : "input"
        func numeric(_ name: String, _ source: StreamSource) -> StreamPlan {
            StreamPlan(
                name: "\(family).\(name)",
                kind: kind,
                source: source,
                form: .numeric(hasOutside: false, hasMissing: false)
            )
        }
        return (0..<count).map { numeric("pc\($0 + 1)", .component(index: $0)) } + [
            numeric("t2", .scoreDistance), numeric("residual", .residual),
            StreamPlan(name: "\(family).joint", kind: kind, source: .partition, form: .cells),
            tail("t2", kind, .scoreDistance, isUpper: true),
            tail("residual", kind, .residual, isUpper: true),
        ]
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

    private static func quality(isFrame: Bool) -> [StreamPlan] {
        let checks: [QualityCheck] =
            isFrame
            ? [.refused, .outOfRange, .constant, .duplicate, .scale]
            : [.refused, .missing, .outOfRange, .unseen, .duplicate, .stuck, .scale]
        return checks.map { check in
            StreamPlan(
                name: "quality.\(check.rawValue)",
                kind: .quality,
                source: .quality(check: check),
                form: form(check)
            )
        }
    }

    private static func form(_ check: QualityCheck) -> Form {
        switch check {
        case .missing:
            .known(edges: [0, 1, 3], labels: ["none", "1", "2 to 3", "4 or more"], usual: 0)
        case .scale:
            .known(
                edges: [-7, -3, 3, 7],
                labels: [
                    "over 128 times too small", "over 8 times too small", "usual",
                    "over 8 times too large", "over 128 times too large",
                ],
                usual: 2
            )
        default: .known(edges: [0], labels: ["no", "yes"], usual: 0)
        }
    }
}
