import Features
import Testing

@Suite("Decoding images") struct PredictImageTests {
    private let decoder: PredictDecoder

    init() throws {
        decoder = PredictDecoder(schema: try imageSchema([2, 3]), rowsMax: 4)
    }

    @Test("one image may be flat or nested")
    func single() throws {
        for body in [
            #"{"image":[1,2,3,4,5,6]}"#, #"{"image":[[1,2,3],[4,5,6]]}"#,
            " { \"image\" : [ [ 1 , 2,3 ],\n[4,5,6]\t] } ", #"{"\u0069mage":[1,2,3,4,5,6]}"#,
        ] {
            let batch = try decoded(body, by: decoder)
            #expect(batch.rawValues == [1, 2, 3, 4, 5, 6], "\(body)")
            #expect(batch.rowCount == 1 && !batch.wasBatch)
            #expect(batch.model == nil && batch.counts == InputCounts())
        }
    }

    @Test("several images may be flat or nested")
    func several() throws {
        for body in [
            #"{"image":[[1,2,3,4,5,6],[7,8,9,10,11,12]]}"#,
            #"{"image":[[[1,2,3],[4,5,6]],[[7,8,9],[10,11,12]]]}"#,
        ] {
            let batch = try decoded(body, by: decoder)
            #expect(batch.rawValues == (1...12).map { Float($0) })
            #expect(batch.rowCount == 2 && batch.wasBatch)
        }
        let one = try decoded(#"{"image":[[1,2,3,4,5,6]]}"#, by: decoder)
        #expect(one.rowCount == 1 && one.wasBatch)
    }

    @Test("shapes of one, three and four extents take the same forms")
    func otherShapes() throws {
        let flat = PredictDecoder(schema: try imageSchema([4]))
        #expect(try decoded(#"{"image":[1,2,3,4]}"#, by: flat).wasBatch == false)
        #expect(try decoded(#"{"image":[[1,2,3,4],[5,6,7,8]]}"#, by: flat).rowCount == 2)
        #expect(refusal(#"{"image":[[[1,2,3,4]]]}"#, by: flat)?.code == "wrong_type")
        let deep = PredictDecoder(schema: try imageSchema([2, 1, 2]))
        for (body, wasBatch) in [
            ("[1,2,3,4]", false), ("[[[1,2]],[[3,4]]]", false), ("[[1,2,3,4]]", true),
            ("[[[[1,2]],[[3,4]]]]", true),
        ] {
            let batch = try decoded("{\"image\":\(body)}", by: deep)
            #expect(batch.rawValues == [1, 2, 3, 4] && batch.wasBatch == wasBatch, "\(body)")
        }
        let line = PredictDecoder(schema: try imageSchema([1, 3]))
        #expect(try decoded(#"{"image":[[1,2,3],[4,5,6]]}"#, by: line).rowCount == 2)
    }

    @Test("scaled values come back to the data's unit, wherever the flag stands")
    func scaled() throws {
        for body in [
            #"{"scaled":true,"image":[0,1,0.5,0,0,1]}"#,
            #"{"image":[0,1,0.5,0,0,1],"scaled":true}"#,
        ] {
            let batch = try decoded(body, by: decoder)
            #expect(batch.rawValues == [0, 255, 127.5, 0, 0, 255])
            #expect(batch.counts.outOfRange == 0)
        }
        let plain = try decoded(#"{"scaled":false,"image":[0,1,2,3,4,5]}"#, by: decoder)
        #expect(plain.rawValues == [0, 1, 2, 3, 4, 5])
        let schema = try imageSchema([2], scaling: .standardise(mean: 33, deviation: 78))
        let standard = try decoded(
            #"{"image":[0,1],"scaled":true}"#,
            by: PredictDecoder(schema: schema)
        )
        #expect(standard.rawValues == [33, 111])
    }

    @Test("the model's name is taken from the body, and can be looked up beforehand")
    func modelName() throws {
        let body = #"{"model":"fash\u0069on","image":[1,2,3,4,5,6]}"#
        #expect(try decoded(body, by: decoder).model == "fashion")
        let bytes = Array(body.utf8)
        #expect(try PredictDecoder.modelName(in: bytes.span) == "fashion")
        let without = Array(#"{"image":[{"model":"x"}]}"#.utf8)
        #expect(try PredictDecoder.modelName(in: without.span) == nil)
        let twice = failure { () throws(FeatureError) in
            let bytes = Array(#"{"model":"a","model":"b"}"#.utf8)
            _ = try PredictDecoder.modelName(in: bytes.span)
        }
        #expect(twice?.code == "repeated_key")
    }

    @Test("unusual pixels are scored and counted, unless the schema is strict")
    func outOfRange() throws {
        let body = #"{"image":[[0,255,256,-1,1e30,6],[1,2,3,4,5,-0.5]]}"#
        let batch = try decoded(body, by: decoder)
        #expect(batch.counts == InputCounts(outOfRange: 4))
        let strict = PredictDecoder(schema: try imageSchema([2, 3], strict: true))
        #expect(refusal(body, by: strict)?.description.hasPrefix("image[0][2]: ") == true)
        let single = refusal(#"{"image":[0,255,6,-1,3,6]}"#, by: strict)
        #expect(single == .outOfRange(path: "image[3]", range: "0.0 to 255.0"))
    }

    @Test(
        "a bad body is refused with what, where and why",
        arguments: [
            (
                #"{"image":[1,2,3,"4",5,6]}"#,
                "image[3]: expected a number, found a string at byte 16"
            ),
            (
                #"{"image":[1,2,3,[4],5,6]}"#,
                "image[3]: expected a number, found an array at byte 16"
            ),
            (#"{"image":[1,2,3,null,5]}"#, "image[3]: expected a number, found null at byte 16"),
            (#"{"image":[1,2,3]}"#, "image: expected 6 values, found 3, at byte 9"),
            (#"{"image":[1,2,3,4,5,6,7]}"#, "image[6]: expected at most 6 values, found more"),
            (#"{"image":[]}"#, "image: no rows: send at least one, at byte 9"),
            (#"{"image":[[]]}"#, "image[0]: expected 3 values (a line) or 6 (a row), found 0"),
            (#"{"image":[[1,2,3],[4,5]]}"#, "image[1]: expected 3 values, found 2, at byte 18"),
            (#"{"image":[[1,2,3]]}"#, "image: expected 2 arrays, found 1"),
            (#"{"image":[[1,2,3],[4,5,6],[7,8,9]]}"#, "image[2]: expected 2 arrays, found more"),
            (#"{"image":[[1,2,3,4,5,6],[1,2]]}"#, "image[1]: expected 6 values, found 2"),
            (#"{"image":[[[1,2,3],[4,5,6]],[[1,2,3]]]}"#, "image[1]: expected 2 arrays, found 1"),
            (#"{"image":[[1,2,3],4]}"#, "image[1]: expected an array, found a number"),
            (#"{"image":[[[[1]]]]}"#, "image: expected 6 numbers, flat or as [2, 3], or rows"),
            (#"{"image":5}"#, "image: expected an array of numbers, found a number at byte 9"),
            (#"{"image":{"a":1}}"#, "image: expected an array of numbers, found an object"),
            (#"{"image":[1,2,3,NaN,5,6]}"#, "image[3]: not valid JSON: "),
            (#"{"image":[1,2,3,1e400,5,6]}"#, "image[3]: the number is too large"),
            (#"{"image":[1,2,3,4,5,6]"#, "image: not valid JSON: the text ends inside an object"),
            (#"{"image":[1,2,3,4,5,6]} x"#, "body: not valid JSON: something follows"),
            (#"{"image":[1,2,3,4,5,6],"imgae":1}"#, "body: unknown key \"imgae\" at byte 23: "),
            (#"{"features":[1]}"#, "body: unknown key \"features\" at byte 1: expected image"),
            (#"{"image":[1,2,3,4,5,6],"image":[1]}"#, "body: the key \"image\" is given twice"),
            (#"{"scaled":true,"scaled":true}"#, "body: the key \"scaled\" is given twice"),
            (#"{"model":"a","model":"a"}"#, "body: the key \"model\" is given twice"),
            (#"{"model":7}"#, "model: expected a string, found a number at byte 9"),
            (#"{"scaled":1}"#, "scaled: expected true or false, found a number at byte 10"),
            (#"{}"#, "body: the input is missing: send {\"image\": …} with 6 numbers"),
            (#"[1,2,3,4,5,6]"#, "body: expected an object, found an array at byte 0"),
            ("", "body: not valid JSON: the text ends where a value is expected"),
            (
                #"{"image":[[1,2,3,4,5,6],[1,2,3,4,5,6],[1,2,3,4,5,6],[1,2,3,4,5,6],[1]]}"#,
                "body: too many rows: send at most 4 in one request"
            ),
        ]
    )
    func refusals(_ body: String, _ start: String) {
        let text = refusal(body, by: decoder)?.description ?? "nothing was wrong"
        #expect(text.hasPrefix(start), "\(body): \(text)")
    }

    @Test("a batch serves again after other sizes and after errors")
    func reuse() throws {
        var batch = FeatureBatch()
        let wide = PredictDecoder(schema: try imageSchema([50]), rowsMax: 100)
        func run(_ body: String, _ decoder: PredictDecoder) throws {
            let bytes = Array(body.utf8)
            try decoder.decode(bytes.span, into: &batch)
        }
        let row = "[" + Array(repeating: "7", count: 50).joined(separator: ",") + "]"
        for rows in [1, 3, 100, 2] {
            let list = Array(repeating: row, count: rows).joined(separator: ",")
            try run("{\"image\":[\(list)]}", wide)
            #expect(batch.rawValues == [Float](repeating: 7, count: rows * 50))
            #expect(throws: FeatureError.self) {
                try run(#"{"model":"m","image":[[1,2,3],[4,5]]}"#, decoder)
            }
            try run(#"{"image":[1,2,3,4,5,999]}"#, decoder)
            #expect(batch.rawValues == [1, 2, 3, 4, 5, 999] && batch.model == nil)
            #expect(batch.counts.outOfRange == 1 && !batch.wasBatch)
        }
    }

    @Test("pixels that are not finite, from another dialect, never reach the engine")
    func notFinite() {
        for value in [Float.nan, .infinity, -.infinity] {
            let error = failure { () throws(FeatureError) in
                var batch = FeatureBatch()
                batch.reset(rowWidth: 6, rowsMax: 1)
                try batch.appendRow()
                for column in 0..<6 { batch[0, column] = column == 4 ? value : 1 }
                try batch.finish(decoder.schema)
            }
            #expect(error == .outOfRange(path: "image[4]", range: "a finite number"))
        }
    }
}
