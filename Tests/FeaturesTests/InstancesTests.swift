import Features
import Testing

@Suite("Rows of :predict") struct InstancesDecoderTests {
    private static func table() throws -> InstancesDecoder {
        try InstancesDecoder(
            PredictDecoder(
                schema: FeatureSchema(
                    .table(
                        TableLayout(
                            columns: [
                                .numeric("age", scaling: .constant(divisor: 1)),
                                .categorical("plan", categories: ["basic", "pro"]),
                            ],
                            target: TargetColumn(name: "left", labels: ["no", "yes"])
                        )
                    )
                ),
                rowsMax: 3
            )
        )
    }

    private static func rows(_ body: String) throws -> [Float] {
        var batch = FeatureBatch()
        try table().decode(Array(body.utf8).span, into: &batch)
        return batch.raw.indices.map { batch.raw[$0] }
    }

    @Test(
        "a table's rows by name, in order, and by columns are the same rows",
        arguments: [
            #"{"instances":[{"age":41,"plan":"pro"},{"plan":"basic","age":7}]}"#,
            #"{"instances":[[41,"pro"],[7,"basic"]]}"#,
            #"{"inputs":{"plan":["pro","basic"],"age":[41,7]}}"#,
            #"{"inputs":{"age":[[41],[7]],"plan":[["pro"],["basic"]]}}"#,
            #"{"inputs":[[41,"pro"],[7,"basic"]]}"#,
        ]
    )
    func table(body: String) throws {
        #expect(try Self.rows(body) == [41, 1, 7, 0])
    }

    @Test("a column that is not sent is missing")
    func missing() throws {
        let rows = try Self.rows(#"{"inputs":{"plan":["pro"]}}"#)
        #expect(rows[0].isNaN)
        #expect(rows[1] == 1)
    }

    @Test(
        "tables that are wrong, and what each is told",
        arguments: [
            (#"{"inputs":{}}"#, "no_rows"),
            (#"{"inputs":{"age":[]}}"#, "no_rows"),
            (#"{"inputs":{"age":[1,2],"plan":["pro"]}}"#, "wrong_length"),
            (#"{"inputs":{"age":[1],"plan":["pro","pro"]}}"#, "wrong_length"),
            (#"{"inputs":{"age":[1],"age":[1]}}"#, "repeated_key"),
            (#"{"inputs":{"age":[1],"plan":["pro"],"plan":["pro"]}}"#, "repeated_key"),
            (#"{"inputs":{"height":[1]}}"#, "unknown_key"),
            (#"{"inputs":{"age":[[1,2]]}}"#, "wrong_length"),
            (#"{"inputs":{"age":[[]]}}"#, "wrong_length"),
            (#"{"inputs":{"age":["old"]}}"#, "wrong_type"),
            (#"{"inputs":{"age":[1,2,3,4]}}"#, "too_many_rows"),
            (#"{"instances":[[41,"pro",1]]}"#, "wrong_length"),
            (#"{"instances":[[]]}"#, "wrong_length"),
            (#"{"instances":[{"age":41,"age":41}]}"#, "repeated_key"),
            (#"{"instances":["age"]}"#, "wrong_type"),
        ]
    )
    func wrong(body: String, code: String) {
        #expect {
            try Self.rows(body)
        } throws: { error in
            (error as? FeatureError)?.code == code
        }
    }
}
