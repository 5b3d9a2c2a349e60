import Features
import FoundationEssentials
import Testing

@Suite("Feature schema") struct SchemaTests {
    private func table(_ columns: [FeatureColumn], strict: Bool = false) throws -> FeatureSchema {
        let target = TargetColumn(name: "y", labels: nil)
        return try FeatureSchema(
            .table(TableLayout(columns: columns, target: target)),
            strict: strict
        )
    }

    @Test("columns become inputs as their kind and policy say")
    func encoding() throws {
        let schema = try table([
            .numeric("a", scaling: .standardise(mean: 10, deviation: 4), fill: 10),
            .numeric(
                "b",
                scaling: .minMax(lower: 2, upper: 4),
                missing: .zero,
                missingIndicator: true
            ),
            .categorical("c", categories: ["x", "y"], otherSlot: true, missingIndicator: true),
            .categorical("d", categories: ["x", "y"], otherSlot: false),
            .numeric("e", scaling: .constant(divisor: 2), fill: 3),
        ])
        #expect(schema.rawWidth == 5 && schema.encodedWidth == 1 + 2 + 4 + 2 + 1)
        #expect(schema.inputs([12, 3, 0, 1, 5]) == [0.5, 0.5, 0, 1, 0, 0, 0, 0, 1, 2.5])
        // Missing everywhere: the mean, 0 and its indicator, only the indicator, nothing, the fill.
        let gap = Float.nan
        #expect(schema.inputs([gap, gap, gap, gap, gap]) == [0, 0, 1, 0, 0, 0, 1, 0, 0, 1.5])
        // Unseen categories: the slot for others where it was taught, else nothing.
        #expect(schema.inputs([10, 2, 2, 2, 0]) == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0])
    }

    @Test("absurd values stay within what the engine can bear")
    func bounded() throws {
        let greatest = Float.greatestFiniteMagnitude
        let tiny = try table([
            .numeric("a", scaling: .standardise(mean: -greatest, deviation: 1e-30), fill: greatest)
        ])
        for raw in [greatest, -greatest, .nan, 0, 1e30] {
            #expect(abs(tiny.inputs([raw])[0]) <= FeatureSchema.inputMax)
        }
        let image = try imageSchema([2])
        #expect(image.inputs([greatest, -greatest]) == [1e12, -1e12])
    }

    @Test("pixels are scaled in each of the three ways, and back")
    func scalings() throws {
        let cases: [(Scaling, Float, Float)] = [
            (.constant(divisor: 255), 255, 1), (.standardise(mean: 33, deviation: 78), 111, 1),
            (.minMax(lower: 10, upper: 20), 15, 0.5),
        ]
        for (scaling, raw, input) in cases {
            #expect(try imageSchema([1], scaling: scaling).inputs([raw]) == [input])
            #expect(scaling.encoded(raw) == input && scaling.raw(input) == raw)
        }
    }

    @Test("a row gives the same bits alone and among others")
    func rowsAreIndependent() throws {
        var generator = FixedGenerator(state: 3)
        let columns: [FeatureColumn] = [
            .numeric("a", scaling: .standardise(mean: 0.3, deviation: 1.7), fill: 0.3),
            .categorical("b", categories: ["x", "y", "z"], missingIndicator: true),
        ]
        for schema in [try table(columns), try imageSchema([2])] {
            let rows = (0..<17).map { _ in
                [
                    Float.random(in: -300...300, using: &generator),
                    [0, 1, 2, 3, .nan][Int.random(in: 0..<5, using: &generator)],
                ]
            }
            let together = schema.inputs(rows.flatMap { $0 }).map(\.bitPattern)
            let alone = rows.flatMap { schema.inputs($0) }.map(\.bitPattern)
            #expect(together == alone)
        }
    }

    @Test("schemas that contradict themselves are refused, made or decoded")
    func refusals() throws {
        let numeric = FeatureColumn.numeric("a", scaling: .constant(divisor: 1))
        let columns: [[FeatureColumn]] = [
            [], [numeric, numeric], [.numeric("y", scaling: .constant(divisor: 1))],
            [.numeric("", scaling: .constant(divisor: 1))],
            [.numeric(String(repeating: "n", count: 257), scaling: .constant(divisor: 1))],
            [.numeric("a", scaling: .constant(divisor: 0))],
            [.numeric("a", scaling: .constant(divisor: .nan))],
            [.numeric("a", scaling: .constant(divisor: .leastNonzeroMagnitude))],
            [.numeric("a", scaling: .standardise(mean: .infinity, deviation: 1))],
            [.numeric("a", scaling: .standardise(mean: 0, deviation: -1))],
            [.numeric("a", scaling: .minMax(lower: 1, upper: 1))],
            [.numeric("a", scaling: .constant(divisor: 1), fill: .nan)],
            [.numeric("a", scaling: .constant(divisor: 1), range: ValueRange(lower: 2, upper: 1))],
            [
                .numeric(
                    "a",
                    scaling: .constant(divisor: 1),
                    missing: .refuse,
                    missingIndicator: true
                )
            ],
            [.categorical("a", categories: ["x", "x"])], [.categorical("a", categories: [""])],
            [.categorical("a", categories: (0...4096).map { "\($0)" })],
            [.categorical("a", categories: [], otherSlot: false)],
        ]
        for columns in columns {
            let error = #expect(throws: FeatureError.self) { try table(columns) }
            #expect(error?.code == "invalid_schema", "\(columns)")
        }
        for shape in [[], [0], [-1], [28, -28], [1, 1, 1, 1, 1], [1 << 20, 2], [.max, .max]] {
            #expect(throws: FeatureError.self) { try imageSchema(shape) }
        }
        for labels in [["a"], ["a", "a"], (0...1000).map { "\($0)" }] {
            let target = TargetColumn(name: "y", labels: labels)
            #expect(throws: FeatureError.self) {
                try FeatureSchema(.table(TableLayout(columns: [numeric], target: target)))
            }
        }
    }

    @Test("a schema comes back from its stored form, bit for bit")
    func roundTrip() throws {
        let columns: [FeatureColumn] = [
            .numeric(
                "a",
                scaling: .standardise(mean: 0.1, deviation: 1.0 / 3),
                missingIndicator: true,
                fill: 0.1,
                range: ValueRange(lower: -1e30, upper: 0.3)
            ),
            .categorical("é", categories: ["x/y", "\"", "😀"], otherSlot: false, missing: .zero),
        ]
        let schemas = [
            try table(columns, strict: true),
            try imageSchema([28, 28], strict: true, scaling: .minMax(lower: 0.1, upper: 255)),
        ]
        for schema in schemas {
            let stored = try JSONEncoder().encode(schema)
            #expect(try JSONDecoder().decode(FeatureSchema.self, from: stored) == schema)
        }
    }

    @Test("the stored form is fixed")
    func storedForm() throws {
        let text = """
            {"kind":"image","shape":[28,28],"scaling":{"constant":{"divisor":255}},
             "range":{"lower":0,"upper":255},"strict":false}
            """
        let schema = try JSONDecoder().decode(FeatureSchema.self, from: Data(text.utf8))
        #expect(try schema == imageSchema([28, 28]))
        #expect(schema.encodedWidth == 784)
    }

    @Test(
        "a stored schema that is damaged is refused",
        arguments: [
            (#""shape":[28,28]"#, #""shape":[0,28]"#), (#""shape":[28,28]"#, #""shape":[]"#),
            (#""divisor":255"#, #""divisor":0"#), (#""lower":0"#, #""lower":300"#),
            (#""kind":"image""#, #""kind":"table""#), (#""kind":"image""#, #""kind":"sound""#),
            (#""shape":[28,28]"#, #""shape":[4611686018427387904,4]"#),
        ]
    )
    func damaged(_ part: String, _ replacement: String) {
        let text = """
            {"kind":"image","shape":[28,28],"scaling":{"constant":{"divisor":255}},\
            "range":{"lower":0,"upper":255},"strict":false}
            """
        #expect(text.contains(part))
        let data = Data(text.replacing(part, with: replacement).utf8)
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(FeatureSchema.self, from: data)
        }
    }

    @Test("every error has a code of its own and a description")
    func errorCodes() {
        let place = JSONPlace(path: "image", byte: 3)
        let errors: [FeatureError] = [
            .malformedJSON(place, problem: "p"), .tooDeep(place, depthMax: 64),
            .numberOverflow(place), .wrongType(place, expected: "a", found: "b"),
            .unknownKey(place, key: "k", expected: "e"), .repeatedKey(place, key: "k"),
            .missingKey(expected: "e"), .wrongLength(place, expected: "a", found: "b"),
            .noRows(place), .tooManyRows(rowsMax: 1), .outOfRange(path: "p", range: "r"),
            .missingValue(path: "p"), .unseenCategory(path: "p"),
            .invalidSchema(field: "f", problem: "p"), .invalidIDX(problem: "p"),
            .invalidCSV(line: 1, problem: "p"), .invalidData(problem: "p"),
        ]
        #expect(Set(errors.map(\.code)).count == errors.count)
        #expect(Set(errors.map(\.description)).count == errors.count)
        #expect(errors.allSatisfy { $0.code.allSatisfy { $0.isLowercase || $0 == "_" } })
    }
}
