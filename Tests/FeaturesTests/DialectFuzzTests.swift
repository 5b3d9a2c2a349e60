import Features
import Testing

/// Requests that are right but for a few bytes: whatever becomes of them, nothing traps, and what
/// is taken has as many values as rows.
@Suite("Requests with broken bytes") struct DialectFuzzTests {
    private static let rounds = 4000

    private struct Random: RandomNumberGenerator {
        var state: UInt64

        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    private static func decoder(isTable: Bool) throws -> PredictDecoder {
        let columns: [FeatureColumn] = [
            .numeric("age", scaling: .constant(divisor: 1)),
            .categorical("plan", categories: ["basic", "pro"]),
        ]
        let target = TargetColumn(name: "left", labels: ["no", "yes"])
        let image = ImageLayout(shape: [2, 2], scaling: .constant(divisor: 255))
        return PredictDecoder(
            schema: try FeatureSchema(
                isTable ? .table(TableLayout(columns: columns, target: target)) : .image(image)
            ),
            rowsMax: 3
        )
    }

    private static let images = [
        #"{"inputs":[{"name":"image","shape":[2,4],"datatype":"FP32","data":[[1,2,3,4],[5,6,7,8]]}],"#
            + #""id":"a","outputs":[{"name":"class","parameters":{"binary_data":true}}]}"#,
        #"{"inputs":[{"name":"image","shape":[1,2,2],"datatype":"UINT8","#
            + #""parameters":{"binary_data_size":4}}]}abcd"#,
        #"{"instances":[[1,2,3,4],{"image":[[1,2],[3,4]]}],"parameters":{"timeout":5}}"#,
        "1,2,3,4\r\n5,6,7,8\r\n",
    ]

    private static let tables = [
        #"{"inputs":[{"name":"plan","shape":[1],"datatype":"BYTES","data":["pro"]},"#
            + #"{"name":"age","shape":[1,1],"datatype":"INT8","data":[[4]]}]}"#,
        #"{"inputs":[{"name":"age","shape":[1],"datatype":"UINT8"},"#
            + #"{"name":"plan","shape":[1],"datatype":"BYTES"}]}"# + "\u{4}\u{3}\0\0\0pro",
        #"{"dataframe_split":{"columns":["plan","age"],"data":[["pro",4],["x",null]]}}"#,
        #"{"inputs":{"age":[[4],[5]],"plan":["pro","basic"]}}"#,
        "plan,age\npro,4\n\"x\",NA\n",
    ]

    @Test("no reader traps", arguments: [false, true])
    func broken(isTable: Bool) throws {
        let rows = try Self.decoder(isTable: isTable)
        var random = Random(state: isTable ? 77 : 33)
        var batch = FeatureBatch()
        var taken = 0
        for round in 0..<Self.rounds {
            let seeds = isTable ? Self.tables : Self.images
            var bytes = Array(seeds[round % seeds.count].utf8)
            let header = bytes.lastIndex(of: UInt8(ascii: "}")).map { $0 + 1 }
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                Self.damage(&bytes, &random)
            }
            let length =
                Int.random(in: 0...3, using: &random) == 0
                ? Int.random(in: -1...bytes.count + 1, using: &random) : header
            let type = TensorDatatype.allCases.randomElement(using: &random)
            for reader in 0..<5 {
                guard (try? read(reader, bytes, length, type, rows, &batch)) != nil else {
                    continue
                }
                taken += 1
                #expect(batch.raw.count == batch.rowCount * batch.rowWidth)
                #expect((1...3).contains(batch.rowCount))
            }
        }
        #expect(taken > Self.rounds / 10)
    }

    /// Reads a body by one of the readers.
    private func read(
        _ reader: Int,
        _ bytes: [UInt8],
        _ headerBytes: Int?,
        _ type: TensorDatatype?,
        _ rows: PredictDecoder,
        _ batch: inout FeatureBatch
    ) throws {
        let tensors = TensorDecoder(rows, outputs: ["probabilities", "class"], classified: 0)
        switch reader {
        case 0: try tensors.decode(bytes.span, headerBytes: headerBytes, into: &batch)
        case 1: try tensors.decode(bytes.span, headerBytes: nil, into: &batch)
        case 2:
            let instances = InstancesDecoder(rows, takesFrames: true)
            try instances.decode(bytes.span, into: &batch)
        case 3: try PlainDecoder(rows).decodeText(bytes.span, header: .detected, into: &batch)
        default: try PlainDecoder(rows).decodeBytes(bytes.span, datatype: type, into: &batch)
        }
    }

    private static func damage(_ bytes: inout [UInt8], _ random: inout Random) {
        guard let place = bytes.indices.randomElement(using: &random) else { return }
        switch Int.random(in: 0...3, using: &random) {
        case 0: bytes.remove(at: place)
        case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: place)
        case 2: bytes[place] = UInt8.random(in: 0...255, using: &random)
        default: bytes.removeLast(min(bytes.count, Int.random(in: 1...9, using: &random)))
        }
    }
}
