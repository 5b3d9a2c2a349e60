import Features
import Testing

@Suite("Surveys of rows") struct DataSurveyTests {
    private func table(_ rows: [[Float]], _ labels: [Int32]) throws -> (Dataset, FeatureSchema) {
        let columns = rows[0].indices.map { index in
            FeatureColumn.numeric("c\(index)", scaling: .constant(divisor: 1))
        }
        let target = TargetColumn(name: "y", labels: ["a", "b", "c"])
        let schema = try FeatureSchema(.table(TableLayout(columns: columns, target: target)))
        let dataset = try Dataset(
            values: .floats(rows.flatMap { $0 }),
            labels: .classes(labels),
            rowWidth: rows[0].count,
            source: SourceIdentity(digest: [1])
        )
        return (dataset, schema)
    }

    private func survey(_ rows: [[Float]], _ labels: [Int32], of chosen: [Int32]? = nil) throws
        -> DataSurvey
    {
        let (dataset, schema) = try table(rows, labels)
        let all = labels.indices.map { Int32($0) }
        return DataSurvey(dataset, rows: chosen ?? all, schema: schema, classes: 3)
    }

    @Test("rows, classes, missing values and repeats are counted of the chosen rows alone")
    func facts() throws {
        let rows: [[Float]] = [[1, 2], [1, 2], [1, 2], [.nan, 3], [4, .nan], [9, 9]]
        let found = try survey(rows, [0, 0, 1, 2, 2, 0], of: [0, 1, 2, 3, 4])
        #expect(found.facts.rows == 5)
        #expect(found.facts.classes == [2, 1, 2])
        #expect(found.facts.missing == ["c0": 0.2, "c1": 0.2])
        // The second repeats the first; the third has the same features, but another label.
        #expect(found.repeated == [1])
        #expect(found.facts.duplicates == 0.2)
        #expect(found.twins == 0.6)
        #expect(found.facts.agreement == nil)
    }

    @Test("rows that two sets share are found by their features, in bytes and in numbers")
    func shared() throws {
        let rows: [[Float]] = [[1, 2], [3, 4], [5, 6], [1, 2]]
        let train = try survey(rows, [0, 1, 2, 0], of: [0, 1])
        let held = try survey(rows, [0, 1, 2, 0], of: [2, 3])
        #expect(train.shared(with: held) == [3])
        let schema = try FeatureSchema(
            .image(ImageLayout(shape: [3, 3], scaling: .constant(divisor: 255)))
        )
        let pixels = (0..<27).map { UInt8($0 % 9 + $0 / 18) }
        let images = try Dataset(
            values: .bytes([9, 9] + pixels, offset: 2),
            labels: .classes([0, 1, 2]),
            rowWidth: 9,
            source: SourceIdentity(digest: [1])
        )
        let first = DataSurvey(images, rows: [0], schema: schema, classes: 3)
        let rest = DataSurvey(images, rows: [1, 2], schema: schema, classes: 3)
        #expect(first.shared(with: rest) == [1])
    }

    @Test("neighbours agree in clean data, and about half as often with three in ten labels wrong")
    func agreement() throws {
        let count = 900
        let rows = (0..<count).map { row -> [Float] in
            let noise = Float((row &* 2_654_435_761) % 1000) / 1000
            return [Float(row % 3) * 5 + noise, Float((row * 7) % 11) / 11]
        }
        let right = (0..<count).map { Int32($0 % 3) }
        #expect(try survey(rows, right).facts.agreement == 1)
        let wrong = right.enumerated().map { row, label in
            ((row &* row &* 40_503 &+ row) >> 7) % 10 < 3 ? (label + 1 + Int32(row % 2)) % 3 : label
        }
        let share = try #require(try survey(rows, wrong).facts.agreement)
        #expect(share > 0.4 && share < 0.7)
        // The same in every run, and nothing is said of few rows.
        #expect(try survey(rows, wrong).facts.agreement == share)
        #expect(try survey(rows, wrong, of: Array(0..<100)).facts.agreement == nil)
    }

    @Test("no rows at all, and a label beyond the classes, do not trap")
    func odd() throws {
        let found = try survey([[1, 2]], [2], of: [])
        #expect(found.facts.rows == 0 && found.facts.duplicates == 0 && found.twins == 0)
        let (dataset, schema) = try table([[1, 2]], [7])
        let beyond = DataSurvey(dataset, rows: [0], schema: schema, classes: 3)
        #expect(beyond.facts.classes == [0, 0, 0])
    }
}
