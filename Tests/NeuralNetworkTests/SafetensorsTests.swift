import NeuralNetwork
import Testing

@Suite("Safetensors") struct SafetensorsTests {
    /// A file with this header and so many bytes of data.
    private func file(_ header: String, data: [UInt8] = []) -> [UInt8] {
        let text = Array(header.utf8)
        return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text + data
    }

    private func refused(
        _ header: String,
        data: Int = 0,
        _ code: String,
        _ note: Comment? = nil
    ) {
        let bytes = file(header, data: [UInt8](repeating: 0, count: data))
        let error = #expect(throws: SafetensorsError.self, note) {
            _ = try SafetensorsFile(decoding: bytes)
        }
        #expect(error?.code == code, note)
    }

    @Test("the bytes of a file are those of the format, field by field")
    func fixedBytes() throws {
        let tensor = SafetensorsFile.Tensor(name: "w", shape: [2, 1], values: [1, -2])
        let file = SafetensorsFile(metadata: ["b": "2", "a": "1"], tensors: [tensor])
        let header =
            #"{"__metadata__":{"a":"1","b":"2"},"#
            + #""w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}"#
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        let data: [UInt8] = [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]
        #expect(try file.encoded() == self.file(padded, data: data))
        #expect(try SafetensorsFile(decoding: file.encoded()) == file)
    }

    @Test("names and texts of any characters survive the way there and back")
    func anyText() throws {
        let text = "\"quoted\" \\ / \u{1}\u{1f}\n\t é 漢 😀 \u{7f}"
        let file = SafetensorsFile(
            metadata: [text: text, "": ""],
            tensors: [
                .init(name: text, shape: [], values: [3]),
                .init(name: "z", shape: [0, 4], values: []),
            ]
        )
        #expect(try SafetensorsFile(decoding: file.encoded()) == file)
        #expect(file[text]?.values == [3] && file["y"] == nil)
    }

    @Test("space, order and escapes of other writers are understood")
    func otherWriters() throws {
        let header =
            "{ \"a\\u0041\\ud83d\\ude00\\n\" : {\"data_offsets\":[ 4 , 8 ],\t\"shape\":[1],"
            + "\"dtype\":\"F32\"},\r\n \"b\":{\"shape\":[],\"dtype\":\"F32\",\"data_offsets\":[0,4]}} \n"
        let read = try SafetensorsFile(
            decoding: file(header, data: [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40])
        )
        #expect(read.tensors.map(\.name) == ["b", "aA😀\n"])
        #expect(read.tensors.map(\.values) == [[1], [2]])
        #expect(try SafetensorsFile(decoding: file("{}")).tensors.isEmpty)
    }

    @Test("half, brain and double precision become single")
    func numberTypes() throws {
        func value(_ type: String, _ bytes: [UInt8]) throws -> [Float]? {
            let header =
                "{\"t\":{\"dtype\":\"\(type)\",\"shape\":[1],\"data_offsets\":[0,\(bytes.count)]}}"
            return try SafetensorsFile(decoding: file(header, data: bytes))["t"]?.values
        }
        #expect(try value("F16", [0x00, 0xC1]) == [-2.5])
        #expect(try value("F16", [0x01, 0x00]) == [0x1p-24])
        #expect(try value("BF16", [0x20, 0xC0]) == [-2.5])
        #expect(try value("F64", [0, 0, 0, 0, 0, 0, 4, 0xC0]) == [-2.5])
        for type in ["I64", "F8_E4M3", "BOOL", "", "f32"] {
            let error = #expect(throws: SafetensorsError.self) { _ = try value(type, [0, 0]) }
            #expect(error?.code == "weights_unsupported_type")
        }
    }

    @Test("a file that lies about its lengths is refused")
    func lengths() {
        for bytes: [UInt8] in [[], [1], [0, 0, 0, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0, 0, 0, 0x7B]] {
            #expect(throws: SafetensorsError.truncated(bytes: bytes.count)) {
                _ = try SafetensorsFile(decoding: bytes)
            }
        }
        let limit = SafetensorsFile.headerBytesMax
        for length in [UInt64(limit) + 1, 1 << 63, .max] {
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * UInt64($0))) }
            #expect(throws: SafetensorsError.headerTooLarge(bytesMax: limit)) {
                _ = try SafetensorsFile(decoding: bytes + [0x7B])
            }
        }
    }

    @Test(
        "a header that is not the format's JSON is refused",
        arguments: [
            "", " {}", "[]", "{", "}", "{}x", "{}}", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1}",
            "{\"a\":null}", "{\"a\":{}}", "{\"a\":[]}", "{\"__metadata__\":[]}", "{'a':{}}",
            "{\"__metadata__\":{\"a\":1}}", "{\"__metadata__\":{\"a\":{}}}",
            "{\"__metadata__\":{\"a\":\"b\",}}", "{\"__metadata__\":{\"a\":\"\\x\"}}",
            "{\"__metadata__\":{\"a\":\"\\u12\"}}", "{\"__metadata__\":{\"a\":\"\\ud800\"}}",
            "{\"__metadata__\":{\"a\":\"\\ud800\\u0041\"}}",
            "{\"__metadata__\":{\"a\":\"\\udc00\"}}",
            "{\"__metadata__\":{\"a\":\"\\ud800\\ud800\"}}", "{\"__metadata__\":{\"a\":\"\n\"}}",
            "{\"__metadata__\":{\"a\":\"\\", "{\"__metadata__\":{\"a\":\"\\u",
            "{\"__metadata__\":{\"a",
        ]
    )
    func malformed(header: String) { refused(header, "weights_malformed_header", "\(header)") }

    @Test(
        "a tensor that is not described as it must be is refused",
        arguments: [
            #""dtype":"F32","shape":[1]"#, #""dtype":"F32","data_offsets":[0,4]"#,
            #""shape":[1],"data_offsets":[0,4]"#, #""dtype":1,"shape":[1],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":1,"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[1],"data_offsets":[0]"#,
            #""dtype":"F32","shape":[1],"data_offsets":[0,4,4]"#,
            #""dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1"#,
            #""dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[-1],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[1.0],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[01],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[1e0],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[99999999999999999999999],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[[1]],"data_offsets":[0,4]"#,
            #""dtype":"F32","shape":[1,],"data_offsets":[0,4]"#,
        ]
    )
    func malformedTensor(members: String) {
        refused("{\"t\":{\(members)}}", data: 4, "weights_malformed_header", "\(members)")
    }

    @Test("invalid UTF-8 is refused")
    func invalidUTF8() {
        for bad: [UInt8] in [[0xFF], [0xC3], [0xED, 0xA0, 0x80], [0xC0, 0xAF]] {
            let header = Array("{\"".utf8) + bad + Array("\":{}}".utf8)
            let bytes = [UInt8(header.count), 0, 0, 0, 0, 0, 0, 0] + header
            let error = #expect(throws: SafetensorsError.self) {
                _ = try SafetensorsFile(decoding: bytes)
            }
            #expect(error?.code == "weights_malformed_header")
        }
    }

    private func tensor(_ name: String, _ shape: String, _ begin: String, _ end: String) -> String {
        "\"\(name)\":{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(begin),\(end)]}"
    }

    @Test("offsets must fill the data without gap, overlap or surplus and fit the shapes")
    func offsets() {
        let a = tensor("a", "1", "0", "4")
        refused("{\(a)}", data: 3, "weights_data_length")
        refused("{\(a)}", data: 5, "weights_data_length")
        refused("{}", data: 1, "weights_data_length")
        refused("{\(a),\(tensor("b", "1", "5", "9"))}", data: 9, "weights_gap_or_overlap")
        refused("{\(a),\(tensor("b", "1", "3", "7"))}", data: 7, "weights_gap_or_overlap")
        refused("{\(a),\(tensor("b", "1", "0", "4"))}", data: 4, "weights_gap_or_overlap")
        refused("{\(tensor("a", "1", "4", "8"))}", data: 8, "weights_gap_or_overlap")
        refused("{\(tensor("a", "2", "0", "4"))}", data: 4, "weights_size_mismatch")
        refused("{\(tensor("a", "", "0", "8"))}", data: 8, "weights_size_mismatch")
        refused("{\(tensor("a", "0", "0", "4"))}", data: 4, "weights_size_mismatch")
        let most = "9223372036854775807"
        refused("{\(tensor("a", "\(most),\(most)", "0", "4"))}", data: 4, "weights_size_mismatch")
        refused("{\(tensor("a", most, "0", most))}", data: 4, "weights_size_mismatch")
        refused("{\(tensor("a", "1", "0", most))}", data: 4, "weights_size_mismatch")
        refused("{\(tensor("a", "1", most, "0"))}", data: 4, "weights_gap_or_overlap")
        refused("{\(a),\(tensor("b", "0", "4", "3"))}", data: 4, "weights_size_mismatch")
    }

    @Test("a name must not occur twice, nor a tensor have too many dimensions")
    func names() {
        let a = tensor("a", "1", "0", "4")
        refused("{\(a),\(tensor("a", "1", "4", "8"))}", data: 8, "weights_duplicate_name")
        refused("{\(a),\(tensor("\\u0061", "1", "4", "8"))}", data: 8, "weights_duplicate_name")
        refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", "weights_duplicate_name")
        refused("{\"__metadata__\":{},\"__metadata__\":{}}", "weights_duplicate_name")
        refused(
            "{\(tensor("a", "1,1,1,1,1,1,1,1,1", "0", "4"))}",
            data: 4,
            "weights_too_many_dimensions"
        )
    }

    @Test("a file that could not be read again is not written")
    func unwritable() {
        func refused(_ tensors: [SafetensorsFile.Tensor], _ error: SafetensorsError) {
            #expect(throws: error) { _ = try SafetensorsFile(tensors: tensors).encoded() }
        }
        let a = SafetensorsFile.Tensor(name: "a", shape: [1], values: [1])
        refused([a, a], .duplicateName("a"))
        refused([.init(name: "a", shape: [2], values: [1])], .valueCount(tensor: "a"))
        refused([.init(name: "a", shape: [-1, -1], values: [1])], .valueCount(tensor: "a"))
        refused([.init(name: "a", shape: [.max, 2], values: [1])], .valueCount(tensor: "a"))
        refused([.init(name: "__metadata__", shape: [1], values: [1])], .reservedName)
        let nine = [Int](repeating: 1, count: 9)
        refused(
            [.init(name: "a", shape: nine, values: [1])],
            .tooManyDimensions(tensor: "a", dimensionsMax: 8)
        )
        let long = String(repeating: "x", count: SafetensorsFile.headerBytesMax)
        refused(
            [.init(name: long, shape: [1], values: [1])],
            .headerTooLarge(bytesMax: SafetensorsFile.headerBytesMax)
        )
    }

    @Test("every error names what is wrong and has a code of its own")
    func errors() {
        let all: [SafetensorsError] = [
            .truncated(bytes: 1), .headerTooLarge(bytesMax: 2),
            .malformedHeader(byteOffset: 9, expected: "{"), .duplicateName("a"),
            .unsupportedType(tensor: "a", type: "I8"),
            .tooManyDimensions(tensor: "a", dimensionsMax: 8), .sizeMismatch(tensor: "a"),
            .gapOrOverlap(tensor: "a"), .dataLength(found: 1, expected: 2),
            .valueCount(tensor: "a"), .reservedName,
        ]
        #expect(Set(all.map(\.code)).count == all.count)
        for error in all { #expect("\(error)".hasPrefix("weights: ")) }
        #expect("\(all[2])" == "weights: malformed header at byte 9: expected {")
    }
}
