import Features
import Testing

/// Changed requests: nothing traps, and what is said of a body does not depend on where it ends.
@Suite("Damaged requests") struct DecoderFuzzTests {
    private static let rounds = 1500

    private func image() throws -> PredictDecoder {
        PredictDecoder(schema: try imageSchema([4, 5]), rowsMax: 4)
    }

    private func table() throws -> PredictDecoder {
        let columns: [FeatureColumn] = [
            .numeric("age", scaling: .constant(divisor: 1)),
            .categorical("plan", categories: ["basic", "business unlimited", "é"]),
            .numeric("spent", scaling: .constant(divisor: 1), missing: .refuse),
        ]
        let target = TargetColumn(name: "left", labels: ["no", "yes"])
        return PredictDecoder(
            schema: try FeatureSchema(.table(TableLayout(columns: columns, target: target))),
            rowsMax: 4
        )
    }

    private static let numbers =
        "0,0.0,0,0.0,0.0,0,0,0,0,12,255,-1,0.5,1e-3,0.32941176470588235,7,8,9.25,0,0"
    private static let images = [
        #"{"image":[\#(numbers)]}"#, #"{"scaled": true, "image": [\#(numbers)] , "model":"m"}"#,
        #"{"image":[[0,0,0,0,0],[1,2,3,4,5],[0.0,0.0,0.0,0.0,0.0],[9,9,9,9,9e0]]}"#,
        #"{"image":[[\#(numbers)],[\#(numbers)]]}"#,
    ]
    private static let tables = [
        #"{"features":{"age":41,"plan":"basic","spent":1.5}}"#,
        #"{"features":[41.25,"business unlimited",0.1234567890123456789]}"#,
        #"{"features":[{"plan":"\u00e9","spent":1},{"spent": 2, "age": null, "plan":"é"}]}"#,
    ]
    private static let tensors = [
        #"{"id":"7","inputs":[{"name":"image","shape":[1,20],"datatype":"FP32","data":[\#(numbers)]}]}"#,
        #"{"inputs":[{"data":[\#(numbers)],"datatype":"FP64","shape":[1,4,5],"name":"image"}],"outputs":[]}"#,
        #"{"inputs":[{"name":"image","shape":[20],"datatype":"UINT8","parameters":{"binary_data_size":20}}]}"#,
    ]
    private static let tokens = [
        "[", "]", "{", "}", ",", ":", "\"", "\\", "\\u00e9", "\\ud800", "-", ".", "e", "E+", "0",
        "00", "1e400", "1e-400", "NaN", "null", "true", "  ", "\n", "\u{FEFF}",
        "9999999999999999999",
        "0.1234567890123456789012345", "é", "\u{0}",
    ]

    private func damaged(_ body: String, _ generator: inout FixedGenerator) -> [UInt8] {
        var bytes = Array(body.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &generator) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &generator)
            let end = min(bytes.count, index + Int.random(in: 1...8, using: &generator))
            switch Int.random(in: 0...5, using: &generator) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
            case 1: bytes.removeSubrange(index..<end)
            case 2: bytes.insert(contentsOf: Array(bytes[index..<end]), at: index)
            case 3: bytes.removeSubrange(index...)
            case 4: bytes[index] ^= 1 << UInt8.random(in: 0...7, using: &generator)
            default:
                let token = Self.tokens.randomElement(using: &generator) ?? ""
                bytes.insert(contentsOf: Array(token.utf8), at: index)
            }
        }
        return bytes
    }

    /// What a decoder says: the bits of the values, or the code of the error.
    private func outcome(
        _ read: (inout FeatureBatch) throws(FeatureError) -> Void
    ) -> String {
        var batch = FeatureBatch()
        do throws(FeatureError) {
            try read(&batch)
            let bits = batch.rawValues.map { String($0.bitPattern, radix: 16) }
            return "\(batch.rowCount) \(bits.joined(separator: " "))"
        } catch {
            // The text is made, too: it walks the body to find the path.
            return error.description.isEmpty ? "" : error.code
        }
    }

    private func compare(
        _ bodies: [String],
        _ read: (Span<UInt8>, inout FeatureBatch) throws(FeatureError) -> Void
    ) {
        var generator = FixedGenerator(state: 21)
        for round in 0..<Self.rounds {
            let body = damaged(bodies[round % bodies.count], &generator)
            // White space after the end changes nothing, but the quick ways end elsewhere.
            let padded = body + [UInt8](repeating: 0x20, count: 64)
            let short = outcome { (batch) throws(FeatureError) in try read(body.span, &batch) }
            let long = outcome { (batch) throws(FeatureError) in try read(padded.span, &batch) }
            #expect(short == long, "\(String(decoding: body, as: UTF8.self))")
        }
    }

    @Test("requests for images")
    func images() throws {
        let decoder = try image()
        compare(Self.images) { (body, batch) throws(FeatureError) in
            try decoder.decode(body, into: &batch)
        }
    }

    @Test("requests for tables")
    func tables() throws {
        let decoder = try table()
        compare(Self.tables) { (body, batch) throws(FeatureError) in
            try decoder.decode(body, into: &batch)
        }
    }

    @Test("tensors in JSON")
    func tensors() throws {
        let decoder = TensorDecoder(try image(), outputs: ["probabilities"], classified: 0)
        compare(Self.tensors) { (body, batch) throws(FeatureError) in
            try decoder.decode(body, headerBytes: nil, into: &batch)
        }
    }

    @Test("tensors in binary form, with any length of the JSON")
    func binary() throws {
        let decoder = TensorDecoder(try image(), outputs: ["probabilities"], classified: 0)
        var generator = FixedGenerator(state: 22)
        for round in 0..<Self.rounds {
            let body = damaged(Self.tensors[round % 3], &generator)
            let rest = (0..<Int.random(in: 0...24, using: &generator)).map { UInt8($0) }
            let length =
                Bool.random(using: &generator)
                ? body.count : Int.random(in: -3...body.count + 30, using: &generator)
            let whole = body + rest
            _ = outcome { (batch) throws(FeatureError) in
                try decoder.decode(whole.span, headerBytes: length, into: &batch)
            }
        }
        let right = Array(Self.tensors[2].utf8)
        let values = outcome { (batch) throws(FeatureError) in
            let whole = right + (0..<20).map { UInt8($0) }
            try decoder.decode(whole.span, headerBytes: right.count, into: &batch)
        }
        #expect(values.hasPrefix("1 0 3f800000 40000000"))
    }
}
