import Features
import Testing

@Suite("Bodies of feedback") struct FeedbackDecoderTests {
    private func decode(_ text: String) throws(FeatureError) -> ([FeedbackItem], Bool) {
        try FeedbackDecoder(itemsMax: 3).decode(Array(text.utf8).span)
    }

    private func problem(_ text: String) -> String {
        do {
            _ = try decode(text)
            return "none"
        } catch {
            return "\(error.code): \(error)"
        }
    }

    @Test("one item, with its label by name or number, and its row")
    func one() throws {
        let bodies: [(String, FeedbackItem)] = [
            (#"{"request_id":"a","label":"red"}"#, FeedbackItem(request: "a", label: .name("red"))),
            (
                #"{"label":2,"row":3,"request_id":"b","model":"m"}"#,
                FeedbackItem(request: "b", row: 3, label: .number(2), model: "m")
            ),
            (
                #"{"request_id":"c","label":-1.5e3}"#,
                FeedbackItem(request: "c", label: .number(-1500))
            ),
        ]
        for (body, item) in bodies {
            let (items, wasBatch) = try decode(body)
            #expect(items == [item] && !wasBatch)
        }
    }

    @Test("several items in order")
    func several() throws {
        let (items, wasBatch) = try decode(
            #"{"feedback": [{"request_id":"a","label":1}, {"request_id":"a","row":1,"label":"x"}]}"#
        )
        #expect(wasBatch && items.map(\.row) == [0, 1])
        #expect(items.map(\.label) == [.number(1), .name("x")])
    }

    @Test("what is wrong is named with its place")
    func wrong() {
        let cases = [
            (#"{"label":1}"#, "missing_key: body: the input is missing: send \"request_id\""),
            (#"{"request_id":"a"}"#, "missing_key: body: the input is missing: send \"label\""),
            (#"{"request_id":"a","label":null}"#, "wrong_type: label: expected a label's name"),
            (#"{"request_id":"a","label":[1]}"#, "wrong_type: label"),
            (#"{"request_id":7,"label":1}"#, "wrong_type: request_id: expected a string"),
            (#"{"request_id":"","label":1}"#, "wrong_length: request_id"),
            (
                #"{"request_id":"\#(String(repeating: "x", count: 65))","label":1}"#,
                "wrong_length: request_id"
            ),
            (#"{"request_id":"a","label":1,"row":-1}"#, "wrong_type: row: expected a row's number"),
            (#"{"request_id":"a","label":1,"row":1.5}"#, "row"),
            (#"{"request_id":"a","label":1,"label":2}"#, "repeated_key: body: the key \"label\""),
            (
                #"{"request_id":"a","label":1,"lable":2}"#,
                "unknown_key: body: unknown key \"lable\""
            ),
            (#"{"feedback":[]}"#, "no_rows: feedback"),
            (#"{"feedback":[{"request_id":"a"}]}"#, "missing_key"),
            (#"{"feedback":[{"request_id":"a","label":{}}]}"#, "wrong_type: feedback[0].label"),
            (#"{"feedback":[1]}"#, "wrong_type: feedback[0]: expected an object"),
            (#"{"feedback":{}}"#, "wrong_type: feedback: expected an array"),
            (
                #"{"feedback":[{"request_id":"a","label":1}],"label":1}"#,
                "unknown_key: body: unknown key \"label\""
            ),
            (#"{"label":1,"feedback":[]}"#, "unknown_key: body: unknown key \"feedback\""),
            (#"{"request_id":"a","label":1} x"#, "malformed_json"),
            (#"[]"#, "wrong_type: body: expected an object"),
            ("", "malformed_json"),
        ]
        for (body, expected) in cases {
            let found = problem(body)
            #expect(found.contains(expected), "\(body): \(found)")
        }
        let item = #"{"request_id":"a","label":1}"#
        let many = #"{"feedback":[\#([item, item, item, item].joined(separator: ","))]}"#
        #expect(problem(many).hasPrefix("too_many_rows"))
    }
}
