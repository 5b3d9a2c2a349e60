import Features
import Testing

@Suite("Tensors") struct TensorDecoderTests {
    private static func image() throws -> TensorDecoder {
        let schema = try FeatureSchema(
            .image(ImageLayout(shape: [2, 2], scaling: .constant(divisor: 255)))
        )
        return TensorDecoder(
            PredictDecoder(schema: schema, rowsMax: 3),
            outputs: ["probabilities", "class"],
            classified: 0
        )
    }

    private static func table() throws -> TensorDecoder {
        let columns: [FeatureColumn] = [
            .numeric("age", scaling: .constant(divisor: 1)),
            .categorical("plan", categories: ["basic", "pro"]),
        ]
        let target = TargetColumn(name: "left", labels: ["no", "yes"])
        return TensorDecoder(
            PredictDecoder(
                schema: try FeatureSchema(.table(TableLayout(columns: columns, target: target))),
                rowsMax: 3
            ),
            outputs: ["probabilities", "class"],
            classified: 0
        )
    }

    private static func rows(
        _ decoder: TensorDecoder,
        _ text: String,
        _ binary: [UInt8]? = nil
    ) throws -> [Float] {
        var batch = FeatureBatch()
        let header = Array(text.utf8)
        try decoder.decode(
            (header + (binary ?? [])).span,
            headerBytes: binary == nil ? nil : header.count,
            into: &batch
        )
        return batch.raw.indices.map { batch.raw[$0] }
    }

    private static func little<Pattern: FixedWidthInteger>(_ patterns: [Pattern]) -> [UInt8] {
        patterns.flatMap { pattern in
            (0..<MemoryLayout<Pattern>.size).map {
                UInt8(truncatingIfNeeded: pattern >> Pattern(8 * $0))
            }
        }
    }

    /// One image of four elements of each type, with the numbers that they are.
    private static let binaries: [(TensorDatatype, [UInt8], [Float])] = [
        (.bool, [0, 1, 1, 2], [0, 1, 1, 1]),
        (.uint8, [0, 1, 128, 255], [0, 1, 128, 255]),
        (.int8, [0, 1, 128, 255], [0, 1, -128, -1]),
        (.uint16, little([0, 1, 256, 65_535] as [UInt16]), [0, 1, 256, 65_535]),
        (.int16, little([0, -1, 256, -32_768] as [Int16]), [0, -1, 256, -32_768]),
        (
            .uint32, little([0, 1, 16_777_217, 4_294_967_295] as [UInt32]),
            [0, 1, 16_777_216, 4_294_967_296]
        ),
        (
            .int32, little([0, -1, 1 << 20, -2_147_483_648] as [Int32]),
            [0, -1, 1_048_576, -2_147_483_648]
        ),
        (.uint64, little([0, 1, 1 << 40, .max] as [UInt64]), [0, 1, 0x1p40, 0x1p64]),
        (.int64, little([0, -1, 1 << 40, .min] as [Int64]), [0, -1, 0x1p40, -0x1p63]),
        // One, the least subnormal, the greatest number, and minus a half.
        (
            .float16, little([0x3C00, 0x0001, 0x7BFF, 0xB800] as [UInt16]),
            [1, 0x1p-24, 65_504, -0.5]
        ),
        (
            .bfloat16, little([0x3F80, 0x0001, 0x4049, 0xBF00] as [UInt16]),
            [1, Float(bitPattern: 1 << 16), 3.140625, -0.5]
        ),
        (.float32, little([1, 0.1, -0, 255].map { Float($0).bitPattern }), [1, 0.1, 0, 255]),
        (.float64, little([1, 0.1, -0, 255].map { $0.bitPattern }), [1, 0.1, 0, 255]),
    ]

    @Test("binary elements of every type become the nearest binary32", arguments: binaries)
    func binary(type: TensorDatatype, bytes: [UInt8], expected: [Float]) throws {
        let head =
            #"{"inputs":[{"name":"image","shape":[4],"datatype":"\#(type.rawValue)""#
        let stated = head + #","parameters":{"binary_data_size":\#(bytes.count)}}]}"#
        #expect(try Self.rows(Self.image(), stated, bytes) == expected)
        // The size may be left out where the shape says it.
        #expect(try Self.rows(Self.image(), head + "}]}", bytes) == expected)
        for wrong in [Array(bytes.dropLast()), bytes + [0]] {
            #expect(throws: FeatureError.self) {
                try Self.rows(Self.image(), stated, wrong)
            }
        }
    }

    @Test("every half is the number that the standard library makes of its parts")
    func halves() throws {
        for pattern in stride(from: 0, through: UInt16.max, by: 7) {
            let exponent = Int(pattern >> 10 & 31)
            let fraction = Float(pattern & 1023)
            guard exponent < 31 else { continue }
            let magnitude =
                exponent == 0
                ? fraction * 0x1p-24
                : Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction / 1024)
            let text =
                #"{"inputs":[{"name":"image","shape":[4],"datatype":"FP16"}]}"#
            let bytes = Self.little([pattern, 0, 0, 0])
            let found = try Self.rows(Self.image(), text, bytes)[0]
            #expect(found == (pattern >> 15 == 1 ? -magnitude : magnitude))
        }
    }

    @Test("what is not a finite number is refused in an image, and missing in a table")
    func notFinite() throws {
        for pattern: UInt16 in [0x7C00, 0xFC00, 0x7E00] {
            let text = #"{"inputs":[{"name":"image","shape":[4],"datatype":"FP16"}]}"#
            #expect {
                try Self.rows(Self.image(), text, Self.little([0, pattern, 0, 0]))
            } throws: { ($0 as? FeatureError)?.code == "out_of_range" }
        }
        let text =
            #"{"inputs":[{"name":"age","shape":[1],"datatype":"FP32"},"#
            + #"{"name":"plan","shape":[1],"datatype":"BYTES"}]}"#
        let nan = Self.little([Float.nan.bitPattern])
        let rows = try Self.rows(Self.table(), text, nan + [3, 0, 0, 0] + Array("pro".utf8))
        #expect(rows[0].isNaN)
        #expect(rows[1] == 1)
    }

    @Test(
        "a table's columns come in any order, in JSON, in binary form, or in both",
        arguments: [
            (
                #"{"inputs":[{"name":"plan","shape":[2],"datatype":"BYTES","data":["pro","none"]},"#
                    + #"{"name":"age","shape":[2,1],"datatype":"INT32","data":[[41],[7]]}]}"#,
                nil
            ),
            (
                #"{"inputs":[{"name":"age","shape":[2],"datatype":"UINT8","#
                    + #""parameters":{"binary_data_size":2}},"#
                    + #"{"data":["pro","none"],"name":"plan","shape":[2,1],"datatype":"BYTES"}]}"#,
                [41, 7]
            ),
            (
                #"{"inputs":[{"name":"plan","shape":[2],"datatype":"BYTES","#
                    + #""parameters":{"binary_data_size":15}},"#
                    + #"{"name":"age","shape":[2],"datatype":"UINT8"}]}"#,
                [3, 0, 0, 0] + Array("pro".utf8) + [4, 0, 0, 0] + Array("none".utf8) + [41, 7]
            ),
        ] as [(String, [UInt8]?)]
    )
    func table(text: String, binary: [UInt8]?) throws {
        #expect(try Self.rows(Self.table(), text, binary) == [41, 1, 7, 2])
    }

    @Test(
        "tables that are wrong, and what each is told",
        arguments: [
            (#"{"name":"age","shape":[1],"datatype":"INT8","data":[1]}"#, "missing_tensor"),
            (#"{"name":"age","shape":[1,2],"datatype":"INT8","data":[1,2]}"#, "wrong_shape"),
            (#"{"name":"age","shape":[1],"datatype":"BYTES","data":["1"]}"#, "wrong_datatype"),
            (#"{"name":"plan","shape":[1],"datatype":"FP32","data":[1]}"#, "wrong_datatype"),
            (#"{"name":"plan","shape":[1],"datatype":"BYTES","data":[1]}"#, "wrong_type"),
            (#"{"name":"age","shape":[1],"datatype":"BOOL","data":[1]}"#, "wrong_type"),
            (#"{"name":"age","shape":[4],"datatype":"INT8","data":[1,1,1,1]}"#, "too_many_rows"),
            (#"{"name":"age","shape":[1],"datatype":"INT8","data":[1,2]}"#, "wrong_length"),
            (#"{"name":"age","shape":[0],"datatype":"INT8","data":[]}"#, "no_rows"),
            (
                #"{"name":"age","shape":[2],"datatype":"INT8","data":[1,1]},"#
                    + #"{"name":"plan","shape":[1],"datatype":"BYTES","data":["pro"]}"#,
                "wrong_shape"
            ),
            (
                #"{"name":"age","shape":[1],"datatype":"INT8","data":[1]},"#
                    + #"{"name":"age","shape":[1],"datatype":"INT8","data":[1]}"#,
                "repeated_key"
            ),
            (
                #"{"name":"plan","shape":[1],"datatype":"BYTES","data":["pro"]},"#
                    + #"{"name":"height","shape":[1],"datatype":"INT8","data":[1]}"#,
                "unknown_tensor"
            ),
        ]
    )
    func wrong(inputs: String, code: String) {
        #expect {
            try Self.rows(Self.table(), #"{"inputs":[\#(inputs)]}"#)
        } throws: { error in
            (error as? FeatureError)?.code == code
        }
    }

    @Test("a binary text that claims more bytes than there are is refused")
    func longText() throws {
        let text =
            #"{"inputs":[{"name":"plan","shape":[1],"datatype":"BYTES"},"#
            + #"{"name":"age","shape":[1],"datatype":"UINT8"}]}"#
        for bytes: [UInt8] in [[], [1], [255, 255, 255, 255, 1], [9, 0, 0, 0, 1]] {
            #expect(throws: FeatureError.self) { try Self.rows(Self.table(), text, bytes) }
        }
    }
}
