import Features
import Testing

@Suite("Rows without targets") struct UnlabelledRowsTests {
    private func schema() throws -> FeatureSchema {
        try FeatureSchema(
            .table(
                TableLayout(
                    columns: [
                        .numeric(
                            "age",
                            scaling: .constant(divisor: 1),
                            missingIndicator: false,
                            fill: 0,
                            range: ValueRange(lower: 0, upper: 100)
                        ),
                        .categorical("plan", categories: ["free", "pro"], otherSlot: false),
                    ],
                    target: TargetColumn(name: "left", labels: ["no", "yes"])
                )
            )
        )
    }

    private func rows(_ text: String) throws -> [[Float]] {
        let rows = try UnlabelledRows(Array(text.utf8), schema: schema())
        return (0..<rows.rowCount).map { row in
            var values: [Float] = [0, 0]
            var target = values.mutableSpan
            rows.raw(row: row, into: &target)
            return values
        }
    }

    @Test("columns are found by name, the target is not needed, others are ignored")
    func columns() throws {
        let found = try rows("note,plan,age\nx,pro,31\ny,gold,\n")
        #expect(found[0] == [31, 1])
        #expect(found[1][0].isNaN && found[1][1] == 2)
        #expect(try rows("age,plan,left\n5,free,maybe\n") == [[5, 0]])
    }

    @Test("a missing column and a text in place of a number are named")
    func wrong() {
        let missing = #expect(throws: FeatureError.self) { try rows("age\n1\n") }
        #expect(missing?.description.contains("plan") == true)
        let text = #expect(throws: FeatureError.self) { try rows("age,plan\nold,pro\n") }
        #expect(text?.description.contains("age") == true)
        #expect(text?.description.contains("2") == true)
    }
}
