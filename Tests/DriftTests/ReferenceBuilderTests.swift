import Drift
import Features
import FoundationEssentials
import Testing

@Suite("Making a reference") struct ReferenceBuilderTests {
    private let ten = (0..<10).map { Float($0) }

    /// Feeds rows of one numeric column, of a regression that always answers `answer`.
    private func columnProfile(
        training: [Float],
        holdout: [Float],
        categories: [String]? = nil
    ) throws -> ReferenceProfile {
        var builder = try ReferenceBuilder(
            layout: .columns([.init(name: "age", categories: categories)]),
            prediction: .value(width: 1)
        )
        try builder.addTraining(
            raw: training.span,
            probabilities: training.span,
            rowCount: training.count
        )
        try builder.addHoldout(
            raw: holdout.span,
            probabilities: holdout.span,
            rowCount: holdout.count
        )
        return try builder.finish()
    }

    private func stream(_ name: String, of profile: ReferenceProfile) throws -> ReferenceStream {
        try #require(profile.streams.first { $0.name == name })
    }

    @Test("a numeric column has deciles, a bin on either side, and one for missing values")
    func numericColumn() throws {
        let training = (0..<100).map { Float($0) }
        let profile = try columnProfile(
            training: training,
            holdout: training + [-1, 200, .nan, .nan]
        )
        let age = try stream("column.age", of: profile)
        #expect(age.binCount == 13)
        #expect(age.roles.first == .below && age.roles.last == .missing && age.roles[11] == .above)
        #expect(age.edges.count == 11)
        #expect(Array(age.edges[1...9]) == [9, 19, 29, 39, 49, 59, 69, 79, 89])
        // Half a row is added to each of 13 bins of 104 rows.
        #expect(abs(age.probabilities[0] - 1.5 / 110.5) < 1e-12)
        #expect(abs(age.probabilities[1] - 10.5 / 110.5) < 1e-12)
        #expect(abs(age.probabilities[11] - 1.5 / 110.5) < 1e-12)
        #expect(abs(age.probabilities[12] - 2.5 / 110.5) < 1e-12)
        #expect(age.samplingError > 0 && age.samplingError < 1)
    }

    @Test("equal deciles are merged, and a constant column still sees what leaves it")
    func repeatedValues() throws {
        let half = [Float](repeating: 0, count: 60) + (1...40).map { Float($0) }
        let age = try stream("column.age", of: columnProfile(training: half, holdout: half))
        #expect(age.edges.dropFirst().first == 0)
        #expect(Set(age.edges).count == age.edges.count)
        let same = [Float](repeating: 7, count: 50)
        let flat = try stream("column.age", of: columnProfile(training: same, holdout: same))
        #expect(flat.roles == [.below, .body, .above, .missing])
        let none = [Float](repeating: .nan, count: 50)
        let empty = try stream("column.age", of: columnProfile(training: none, holdout: none))
        #expect(empty.roles == [.body, .missing])
    }

    @Test("live values fall into the bins of the reference: below, above, missing, unseen")
    func liveBins() throws {
        let training = (0..<100).map { Float($0) }
        let numeric = try columnProfile(training: training, holdout: training)
        #expect(
            try liveBins(numeric, [-5, 0, 9, 9.5, 99, 100, .infinity, .nan]) == [
                0, 1, 1, 2, 10, 11, 11, 12,
            ]
        )
        let indices = (0..<100).map { Float($0 % 3) }
        let named = try columnProfile(
            training: indices,
            holdout: indices,
            categories: ["a", "b", "c"]
        )
        // 3 is "unseen"; an index that cannot be counts as unseen, too.
        #expect(try liveBins(named, [0, 1, 2, 3, 4, -1, 1e30, .nan]) == [0, 1, 2, 3, 3, 3, 3, 4])
        var monitor = DriftMonitor(profile: named, settings: try DriftSettings())
        let index = try #require(named.streams.firstIndex { $0.name == "column.age" })
        var binner = StreamBinner(profile: named)
        var block = BlockCounts(profile: named)
        for value in [3, .nan, .nan, 1] as [Float] {
            binner.count(raw: [value].span, probabilities: [1].span, in: &block)
        }
        monitor.fold(block)
        #expect(monitor.quality(ofStream: index).other == 1)
        #expect(monitor.quality(ofStream: index).missing == 2)
    }

    private func liveBins(_ profile: ReferenceProfile, _ values: [Float]) throws -> [UInt8] {
        let index = try #require(profile.streams.firstIndex { $0.name == "column.age" })
        var binner = StreamBinner(profile: profile)
        var bins = [UInt8](repeating: 99, count: binner.streamCount)
        return values.map { value in
            var room = bins.mutableSpan
            binner.bins(raw: [value].span, probabilities: [1].span, into: &room)
            return bins[index]
        }
    }

    @Test("of many categories the fifteen most frequent have a bin")
    func manyCategories() throws {
        let names = (0..<20).map { "c\($0)" }
        // Category i occurs i times.
        let training = (0..<20).flatMap { [Float](repeating: Float($0), count: $0) }
        let age = try stream(
            "column.age",
            of: columnProfile(training: training, holdout: training, categories: names)
        )
        #expect(age.labels == (5..<20).map { "c\($0)" } + ["other", "missing"])
        #expect(age.binOfCategory.prefix(6) == [15, 15, 15, 15, 15, 0])
        #expect(age.binOfCategory.count == 21 && age.binOfCategory[20] == 15)
    }

    @Test("an image has streams of answers, of the picture and of its quality")
    func image() throws {
        var generator = SeededGenerator(seed: 41)
        let geometry = try FrameGeometry(shape: [5, 3])
        var builder = try ReferenceBuilder(
            layout: .frame(geometry),
            prediction: .classes(count: 4),
            classLabels: ["a", "b"]
        )
        let raw = (0..<15 * 200).map { _ in Float(generator.next() % 256) }
        let outputs = (0..<200).flatMap { _ in generator.law(4, sharpness: 2).map { Float($0) } }
        try builder.addTraining(raw: raw.span, probabilities: outputs.span, rowCount: 200)
        try builder.addHoldout(raw: raw.span, probabilities: outputs.span, rowCount: 200)
        let profile = try builder.finish()
        #expect(
            profile.streams.map(\.name) == [
                "prediction.class", "prediction.odds.a", "prediction.odds.b", "prediction.odds.2",
                "prediction.odds.3", "prediction.confidence", "prediction.entropy",
                "tail.confidence",
            ] + (1...15).map { "input.pc\($0)" } + [
                "input.t2", "input.residual", "tail.t2", "tail.residual", "frame.mean",
                "frame.deviation", "frame.zero_fraction", "frame.saturated_fraction",
                "frame.row_centroid", "frame.column_centroid", "quality.refused",
                "quality.out_of_range", "quality.constant", "quality.duplicate", "quality.scale",
            ]
        )
        #expect(profile.streams[0].labels == ["a", "b", "2", "3"])
        #expect(profile.streams[1].binCount == 10)
        #expect(profile.streams.first { $0.name == "frame.mean" }?.binCount == 12)
        #expect(profile.streams.first { $0.name == "tail.t2" }?.isRare == true)
        #expect(profile.holdoutRows == 200)
        let text = try JSONEncoder().encode(profile)
        #expect(try JSONDecoder().decode(ReferenceProfile.self, from: text) == profile)
    }

    @Test("a schema becomes a layout")
    func schema() throws {
        let image = try FeatureSchema(
            .image(ImageLayout(shape: [2, 2], scaling: .constant(divisor: 255)))
        )
        #expect(try InputLayout(schema: image) == .frame(FrameGeometry(shape: [2, 2], white: 255)))
        let table = try FeatureSchema(
            .table(
                TableLayout(
                    columns: [
                        .numeric("age", scaling: .constant(divisor: 1)),
                        .categorical("plan", categories: ["x", "y"]),
                    ],
                    target: TargetColumn(name: "left", labels: ["no", "yes"])
                )
            )
        )
        #expect(
            try InputLayout(schema: table)
                == .columns([.init(name: "age"), .init(name: "plan", categories: ["x", "y"])])
        )
        #expect(try InputLayout(schema: table).rawWidth == table.rawWidth)
    }

    @Test("no more than 128 streams are watched, and the rest is counted")
    func streamLimit() throws {
        let columns = (0..<120).map { InputLayout.Column(name: "c\($0)") }
        var builder = try ReferenceBuilder(layout: .columns(columns), prediction: .binary)
        let raw = (0..<20 * 120).map { Float($0) }
        let outputs = (0..<20).map { Float($0) / 20 }
        try builder.addTraining(raw: raw.span, probabilities: outputs.span, rowCount: 20)
        try builder.addHoldout(raw: raw.span, probabilities: outputs.span, rowCount: 20)
        let profile = try builder.finish()
        #expect(profile.streams.count <= 128)
        let columnsWatched = profile.streams.count { $0.name.hasPrefix("column.") }
        #expect(columnsWatched + profile.columnsUnwatched == 120)
        #expect(profile.columnsUnwatched > 0)
        #expect(profile.streams[0].name == "prediction.class")
        #expect(profile.streams[0].binCount == 2)
        #expect(profile.streams[1].name == "prediction.log_odds")
    }

    @Test("of very many classes the most frequent have a bin")
    func manyClasses() throws {
        var builder = try ReferenceBuilder(
            layout: .columns([.init(name: "x")]),
            prediction: .classes(count: 100)
        )
        let raw = (0..<200).map { Float($0) }
        let outputs = (0..<200).flatMap { row in (0..<100).map { Float($0 == row % 100 ? 1 : 0) } }
        try builder.addTraining(raw: raw.span, probabilities: outputs.span, rowCount: 200)
        try builder.addHoldout(raw: raw.span, probabilities: outputs.span, rowCount: 200)
        let classes = try stream("prediction.class", of: builder.finish())
        #expect(classes.binCount == 32)
        #expect(classes.labels.last == "other")
    }

    @Test("misuse is refused with its reason")
    func misuse() throws {
        var builder = try ReferenceBuilder(
            layout: .columns([.init(name: "x")]),
            prediction: .value(width: 1)
        )
        #expect(throws: DriftError.tooFewRows(part: "training", rows: 0, rowsMin: 10)) {
            try builder.addHoldout(raw: ten.span, probabilities: ten.span, rowCount: 10)
        }
        #expect(throws: DriftError.rowWidth(part: "raw rows", expected: 9, found: 10)) {
            try builder.addTraining(raw: ten.span, probabilities: ten.span, rowCount: 9)
        }
        #expect(throws: DriftError.rowWidth(part: "outputs", expected: 10, found: 1)) {
            try builder.addTraining(raw: ten.span, probabilities: [1].span, rowCount: 10)
        }
        try builder.addTraining(raw: ten.span, probabilities: ten.span, rowCount: 10)
        #expect(throws: DriftError.tooFewRows(part: "hold-out", rows: 0, rowsMin: 10)) {
            _ = try builder.finish()
        }
        try builder.addHoldout(raw: ten.span, probabilities: ten.span, rowCount: 10)
        #expect(throws: DriftError.trainingAfterHoldout) {
            try builder.addTraining(raw: ten.span, probabilities: ten.span, rowCount: 10)
        }
        #expect(throws: DriftError.self) {
            _ = try ReferenceBuilder(layout: .columns([]), prediction: .binary)
        }
        #expect(throws: DriftError.self) {
            _ = try ReferenceBuilder(
                layout: .columns([.init(name: "x")]),
                prediction: .classes(count: 1)
            )
        }
        #expect(throws: DriftError.self) { _ = try FrameGeometry(shape: [Int.max, 2]) }
        #expect(throws: DriftError.self) { _ = try FrameGeometry(shape: [0, 2]) }
        #expect(throws: DriftError.self) { _ = try FrameGeometry(shape: []) }
    }

    @Test("a row of the wrong width is not counted")
    func wrongWidth() throws {
        let profile = try columnProfile(training: ten, holdout: ten)
        var binner = StreamBinner(profile: profile)
        var block = BlockCounts(profile: profile)
        let one: [Float] = [1]
        let isLongCounted = binner.count(raw: ten.span, probabilities: one.span, in: &block)
        let isWideCounted = binner.count(raw: one.span, probabilities: ten.span, in: &block)
        var bins: [UInt8] = []
        var room = bins.mutableSpan
        let isWritten = binner.bins(raw: one.span, probabilities: one.span, into: &room)
        #expect(!isLongCounted && !isWideCounted && !isWritten)
        #expect(block.rowCount == 0)
    }

    @Test("a profile that contradicts itself is refused when it is read")
    func damagedProfile() throws {
        let training = (0..<100).map { Float($0) }
        let profile = try columnProfile(training: training, holdout: training)
        let text = String(decoding: try JSONEncoder().encode(profile), as: UTF8.self)
        let damages = [
            ("\"format\":2", "\"format\":3"),
            ("\"holdout_rows\":100", "\"holdout_rows\":0"),
            ("\"raw_width\":1", "\"raw_width\":0"),
            ("\"index\":0", "\"index\":1"),
            ("\"index\":0", "\"index\":-1"),
            (",9,19,", ",19,9,"),
            ("9,19,29,39,49,59,69,79,89,99]", "9,29,39,49,59,69,79,89,99]"),
            ("\"bin_of_category\":[]", "\"bin_of_category\":[200]"),
            ("\"column.age\"", "\"prediction.value\""),
        ]
        for (sound, damaged) in damages {
            let changed = text.replacing(sound, with: damaged)
            #expect(changed != text, "\(sound) is not in the profile")
            #expect(throws: DriftError.self, "\(damaged)") {
                _ = try JSONDecoder().decode(ReferenceProfile.self, from: Data(changed.utf8))
            }
        }
    }
}
