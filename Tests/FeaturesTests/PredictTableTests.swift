import Features
import Testing

@Suite("Decoding tables") struct PredictTableTests {
    private let decoder: PredictDecoder

    init() throws { decoder = PredictDecoder(schema: try Self.schema(strict: false), rowsMax: 3) }

    private static func schema(strict: Bool) throws -> FeatureSchema {
        let columns: [FeatureColumn] = [
            .numeric(
                "age",
                scaling: .standardise(mean: 40, deviation: 10),
                fill: 40,
                range: ValueRange(lower: 0, upper: 120)
            ),
            .categorical("plan", categories: ["free", "pro", "1", "true", "é\""]),
            .numeric("spend", scaling: .constant(divisor: 1), missing: .refuse),
        ]
        let target = TargetColumn(name: "left", labels: ["no", "yes"])
        return try FeatureSchema(
            .table(TableLayout(columns: columns, target: target)),
            strict: strict
        )
    }

    /// Raw values with NaN written as -9, which compares.
    private func raw(_ body: String) throws -> [Float] {
        try decoded(body, by: decoder).rawValues.map { $0.isNaN ? -9 : $0 }
    }

    @Test("a row may be an object in any order or an array in schema order")
    func single() throws {
        for body in [
            #"{"features":{"age":50,"plan":"pro","spend":2.5}}"#,
            #"{"features":{"spend":2.5,"plan":"pro","age":5e1}}"#,
            #"{"features":[50,"pro",2.5]}"#,
            #"{"features":{"\u0061ge":50,"plan":"pr\u006f","spend":2.5}}"#,
        ] {
            #expect(try raw(body) == [50, 1, 2.5], "\(body)")
            #expect(try decoded(body, by: decoder).wasBatch == false)
        }
    }

    @Test("several rows may be objects or arrays")
    func several() throws {
        for body in [
            #"{"features":[{"age":1,"plan":"free","spend":2},{"spend":4,"age":3,"plan":"1"}]}"#,
            #"{"features":[[1,"free",2],[3,"1",4]]}"#,
        ] {
            #expect(try raw(body) == [1, 0, 2, 3, 2, 4], "\(body)")
            #expect(try decoded(body, by: decoder).wasBatch)
        }
        #expect(try decoded(#"{"features":[[1,"free",2]]}"#, by: decoder).wasBatch)
    }

    @Test("missing values may be null, absent or a marker, and are counted")
    func missing() throws {
        for body in [
            #"{"features":{"spend":1}}"#, #"{"features":{"age":null,"plan":null,"spend":1}}"#,
            #"{"features":["NA","",1]}"#, #"{"features":["","?",1]}"#,
        ] {
            #expect(try raw(body) == [-9, -9, 1], "\(body)")
            #expect(try decoded(body, by: decoder).counts == InputCounts(missing: 2))
        }
        let refused = refusal(#"{"features":[[1,"pro",2],[1,"pro",null]]}"#, by: decoder)
        #expect(refused == .missingValue(path: "features[1].spend"))
    }

    @Test("a category may be written as a number or a boolean; an unseen one is counted")
    func categories() throws {
        #expect(try raw(#"{"features":[1,1,2]}"#)[1] == 2)
        #expect(try raw(#"{"features":[1,true,2]}"#)[1] == 3)
        #expect(try raw(#"{"features":[1,"\u00e9\"",2]}"#)[1] == 4)
        for unseen in ["\"gold\"", "2", "false", "1.0", "\"PRO\"", "\" pro\""] {
            let batch = try decoded("{\"features\":[1,\(unseen),2]}", by: decoder)
            #expect(batch.rawValues[1] == 5 && batch.counts == InputCounts(unseen: 1), "\(unseen)")
        }
    }

    @Test("a strict schema refuses what is unusual and says which column")
    func strict() throws {
        let strict = PredictDecoder(schema: try Self.schema(strict: true))
        #expect(refusal(#"{"features":[50,"pro",2]}"#, by: strict) == nil)
        let cases: [(String, String, String)] = [
            (#"[121,"pro",2]"#, "out_of_range", "features.age: "),
            (#"[null,"pro",2]"#, "missing_value", "features.age: "),
            (#"[50,"gold",2]"#, "unseen_category", "features.plan: "),
            (#"[[50,"pro",2],[50,null,2]]"#, "missing_value", "features[1].plan: "),
        ]
        for (rows, code, start) in cases {
            let error = refusal("{\"features\":\(rows)}", by: strict)
            #expect(error?.code == code)
            #expect(error?.description.hasPrefix(start) == true, "\(rows)")
        }
        let counted = try decoded(#"{"features":[121,"gold",2]}"#, by: decoder)
        #expect(counted.counts == InputCounts(outOfRange: 1, unseen: 1))
    }

    @Test(
        "a bad body is refused with what, where and why",
        arguments: [
            (
                #"{"features":["x","pro",2]}"#,
                "features[0]: expected a number, found a string at byte 13"
            ),
            (#"{"features":{"age":true}}"#, "features.age: expected a number, found a boolean"),
            (#"{"features":{"age":[1]}}"#, "features.age: expected a number, found an array"),
            (#"{"features":{"plan":{}}}"#, "features.plan: expected a category, found an object"),
            (
                #"{"features":{"ages":1}}"#,
                "features: unknown key \"ages\" at byte 13: expected a column"
            ),
            (#"{"features":{"left":1}}"#, "features: unknown key \"left\""),
            (#"{"features":{"age":1,"age":1}}"#, "features: the key \"age\" is given twice"),
            (
                #"{"features":[1,"pro"]}"#,
                "features: expected 3 values, one for each column, found 2"
            ),
            (
                #"{"features":[1,"pro",2,3]}"#,
                "features: expected 3 values, one for each column, found more"
            ),
            (#"{"features":[[1,"pro",2],[1]]}"#, "features[1]: expected 3 values"),
            (#"{"features":[[]]}"#, "features[0]: expected 3 values, one for each column, found 0"),
            (#"{"features":[]}"#, "features: no rows"),
            (
                #"{"features":[[1,"pro",2],{"age":1}]}"#,
                "features[1]: expected an array, like the first"
            ),
            (#"{"features":[{"spend":1},[1]]}"#, "features[1]: expected an object, like the first"),
            (#"{"features":[1e39,"pro",2]}"#, "features[0]: the number is too large"),
            (#"{"features":"a"}"#, "features: expected an object or an array, found a string"),
            (
                #"{"image":[1]}"#,
                "body: unknown key \"image\" at byte 1: expected features, model or parameters"
            ),
            (#"{"features":[1,"pro",2],"scaled":true}"#, "body: unknown key \"scaled\""),
            (
                #"{"features":{"spend":1},"features":{}}"#,
                "body: the key \"features\" is given twice"
            ),
            (#"{"model":"m"}"#, "body: the input is missing: send {\"features\": …}"),
            (#"{"features":[[1,"",1],[1,"",1],[1,"",1],[1,"",1]]}"#, "body: too many rows"),
        ]
    )
    func refusals(_ body: String, _ start: String) {
        let text = refusal(body, by: decoder)?.description ?? "nothing was wrong"
        #expect(text.hasPrefix(start), "\(body): \(text)")
    }

    @Test("the key of one row may come again in the next, and no mark outlives its row")
    func repeatedAcrossRows() throws {
        var batch = FeatureBatch()
        for _ in 0..<5 {
            let bytes = Array(#"{"features":[{"spend":1},{"spend":2},{"spend":3}]}"#.utf8)
            try decoder.decode(bytes.span, into: &batch)
            #expect(batch.rowCount == 3)
        }
    }

    @Test("any changed byte of a body gives rows or an error with a text, never a trap")
    func mutations() throws {
        let bodies = [
            #"{"features":[{"age":1.5,"plan":"pro","spend":2},{"spend":4}],"model":"m"}"#,
            #"{"features":[[1,"free",2],[null,"\u00e9",4e0]]}"#,
        ]
        var batch = FeatureBatch()
        for body in bodies {
            for index in body.utf8.indices {
                let position = body.utf8.distance(from: body.utf8.startIndex, to: index)
                for byte in Array("\"[]{},:\\0-e n".utf8) + [0x00, 0x80, 0xFF] {
                    var bytes = Array(body.utf8)
                    bytes[position] = byte
                    let error = failure { () throws(FeatureError) in
                        try decoder.decode(bytes.span, into: &batch)
                    }
                    #expect(error.map { !$0.description.isEmpty } ?? (batch.rowCount > 0))
                }
            }
        }
    }
}
