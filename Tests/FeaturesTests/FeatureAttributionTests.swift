import Features
import Testing

@Suite("Attribution to columns") struct FeatureAttributionTests {
    private func gathered(
        _ schema: FeatureSchema,
        _ raw: [Float],
        _ values: [Float],
        areSlopes: Bool
    ) -> [Float] {
        let inputs = schema.inputs(raw)
        var result = [Float](repeating: .nan, count: raw.count)
        var target = result.mutableSpan
        schema.gather(
            values.span,
            areSlopes: areSlopes,
            raw: raw.span,
            inputs: inputs.span,
            into: &target
        )
        return result
    }

    @Test("the inputs of a column are brought together: shares added, slopes of what is set")
    func table() throws {
        let schema = try FeatureSchema(
            .table(
                TableLayout(
                    columns: [
                        .numeric("a", scaling: .constant(divisor: 2), missingIndicator: true),
                        .categorical("b", categories: ["x", "y"], missingIndicator: true),
                        .numeric("c", scaling: .constant(divisor: 1)),
                    ],
                    target: TargetColumn(name: "t", labels: nil)
                )
            )
        )
        // a, a missing, b = x, b = y, b other, b missing, c.
        let values: [Float] = [1, 2, 4, 8, 16, 32, 64]
        let rows: [(raw: [Float], slopes: [Float])] = [
            ([6, 1, 3], [1, 8, 64]), ([.nan, .nan, 0], [2, 32, 64]), ([0, 2, .nan], [1, 16, 0]),
        ]
        for (raw, slopes) in rows {
            #expect(gathered(schema, raw, values, areSlopes: false) == [3, 60, 64])
            #expect(gathered(schema, raw, values, areSlopes: true) == slopes)
        }
        let together = gathered(
            schema,
            rows.flatMap(\.raw),
            values + values + values,
            areSlopes: true
        )
        #expect(together == rows.flatMap(\.slopes))
    }

    @Test("each pixel of an image is an input of its own")
    func image() throws {
        let schema = try imageSchema([2, 2])
        for areSlopes in [true, false] {
            let found = gathered(schema, [1, 2, 3, 4], [5, 6, 7, 8], areSlopes: areSlopes)
            #expect(found == [5, 6, 7, 8])
        }
    }
}
