import Features
import FoundationEssentials
import Testing

@Suite("JSON reader") struct JSONReaderTests {
    @Test(
        "well-formed texts are read to their end",
        arguments: [
            "null", " true ", "false", "0", "-0", "-0.0e-0", "1E+2", "[]", "{}", "[[],{}]", "\"\"",
            "{\"a\":[1,2,{\"b\":null}],\"c\":\"\\u00e9\\ud83d\\ude00\"}", "\t[\r\n1 , 2 ]\n",
            "\"\u{7F}é😀\u{10FFFF}\"",
        ]
    )
    func accepts(_ text: String) {
        #expect(problem(ofJSON: Array(text.utf8)) == nil)
    }

    @Test(
        "texts that RFC 8259 does not allow are refused",
        arguments: [
            "", " ", "nul", "nulll", "tru", "+1", "01", "-", "-a", "1.", ".5", "1e", "1e+", "0x1",
            "NaN", "Infinity", "-Infinity", "[1,]", "[,1]", "[1 2]", "[1", "]", "{\"a\"}",
            "{\"a\":}", "{\"a\":1,}", "{a:1}", "{'a':1}", "{\"a\":1 \"b\":2}", "{,}", "1 2", "[]]",
            "\"", "\"\\\"", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ude00\"",
            "\"\\ud800\\u0041\"", "\"\t\"", "\u{FEFF}1", "[1]//", "/**/1", "00", "-01", "1.e5",
        ]
    )
    func refuses(_ text: String) {
        let error = problem(ofJSON: Array(text.utf8))
        #expect(error?.code == "malformed_json", "\(text)")
    }

    @Test(
        "bytes that are not UTF-8 are refused",
        arguments: [
            [0x80], [0xC0, 0x80], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFF],
            [0xE2, 0x28, 0xA1], [0xF0, 0x9F, 0x98],
        ] as [[UInt8]]
    )
    func refusesBadUTF8(_ bytes: [UInt8]) {
        let error = problem(ofJSON: [0x22] + bytes + [0x22])
        #expect(error?.code == "malformed_json")
        #expect(error?.description.contains("UTF-8") == true)
    }

    @Test("nesting is read to its limit and refused beyond it")
    func depth() {
        for (limit, depth) in [(64, 64), (3, 3), (1, 1)] {
            let open = [UInt8](repeating: UInt8(ascii: "["), count: depth)
            let close = [UInt8](repeating: UInt8(ascii: "]"), count: depth)
            #expect(problem(ofJSON: open + close, depthMax: limit) == nil)
            let deeper = problem(ofJSON: [0x5B] + open + close + [0x5D], depthMax: limit)
            #expect(deeper?.code == "nested_too_deep")
        }
        let bomb = [UInt8](repeating: UInt8(ascii: "["), count: 100_000)
        #expect(problem(ofJSON: bomb)?.code == "nested_too_deep")
    }

    @Test("objects and arrays alternate to the full depth without confusion")
    func alternatingDepth() {
        let text =
            String(repeating: "{\"a\":[", count: 32) + "1" + String(repeating: "]}", count: 32)
        #expect(problem(ofJSON: Array(text.utf8)) == nil)
        let crossed = text.replacing("]}]}", with: "]]}}")
        #expect(problem(ofJSON: Array(crossed.utf8))?.code == "malformed_json")
    }

    @Test("members are read by name, in any order, with escapes undone")
    func members() throws {
        let bytes = Array(#"{"n\u0061me": "a\n\"\u20ac\ud83d\ude00", "on":true, "x":null}"#.utf8)
        var reader = JSONReader(bytes.span)
        try reader.beginObject()
        let name = try #require(try reader.nextKey())
        #expect(name.isEscaped)
        let matches = reader.matches(name, "name")
        let differs = reader.matches(name, "names")
        #expect(matches && !differs)
        let value = try reader.readString()
        #expect(value == "a\n\"€😀")
        let on = try #require(try reader.nextKey())
        let key = reader.string(on)
        #expect(key == "on")
        let flag = try reader.readBoolean()
        #expect(flag)
        _ = try reader.nextKey()
        try reader.readNull()
        let end = try reader.nextKey()
        #expect(end == nil)
        try reader.finish()
    }

    @Test("an error names the path and the byte")
    func paths() {
        let cases = [
            ("[1,2,x]", "[2]", 5), ("{\"a\":{\"b\":[0,{\"c\":tru}]}}", "a.b[1].c", 18),
            ("{\"a\":\"]}\",\"b\":[\"\\\"\",?]}", "b[1]", 20), ("?", "body", 0),
            ("{\"a\":1,\"b\" 2}", "b", 11),
        ]
        for (text, path, byte) in cases {
            guard case .malformedJSON(let place, _) = problem(ofJSON: Array(text.utf8)) else {
                Issue.record("\(text) was not refused as malformed")
                continue
            }
            #expect(place == JSONPlace(path: path, byte: byte), "\(text)")
        }
    }

    @Test("a long or hostile key is cut and cleaned before it stands in an error")
    func longKeys() {
        let text = "{\"" + String(repeating: "k", count: 5000) + "\": ?}"
        let long = problem(ofJSON: Array(text.utf8))
        #expect((long?.description.utf8.count ?? .max) < 200)
        let bad = problem(ofJSON: Array("{\"a".utf8) + [0x01, 0xFF] + Array("\":1}".utf8))
        #expect(bad?.code == "malformed_json")
    }

    @Test("no prefix of a text is taken for the whole, and no changed byte traps")
    func mutations() {
        let text = Array(#"{"a":[1.5,-2e3,"\u00e9x",{"b":[true,null]}],"é":"\\"}"#.utf8)
        #expect(problem(ofJSON: text) == nil)
        for length in text.indices {
            #expect(problem(ofJSON: Array(text[..<length])) != nil)
        }
        for index in text.indices {
            for byte in stride(from: UInt8(0), through: 255, by: 3) {
                var changed = text
                changed[index] = byte
                _ = problem(ofJSON: changed)?.description
            }
        }
    }

    @Test(
        "the JSON parsing test suite: every y_ is accepted, every n_ is refused, no i_ traps",
        .enabled(if: JSONCorpus.path != nil, "the corpus is not on this machine")
    )
    func corpus() throws {
        let folder = try #require(JSONCorpus.path)
        var counts: [Character: Int] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
            guard name.hasSuffix(".json"), let kind = name.first else { continue }
            let data = try #require(FileManager.default.contents(atPath: "\(folder)/\(name)"))
            let error = problem(ofJSON: Array(data))
            if kind == "y" { #expect(error == nil, "\(name): \(error?.description ?? "")") }
            if kind == "n" { #expect(error != nil, "\(name) was accepted") }
            counts[kind, default: 0] += 1
        }
        #expect((counts["y"] ?? 0) > 90 && (counts["n"] ?? 0) > 180 && (counts["i"] ?? 0) > 30)
    }
}

/// Finds the JSON parsing test suite beside the working copy, or where `LEEWAY_DATA` says.
enum JSONCorpus {
    static let path: String? = {
        var candidates: [String] = []
        if let data = ProcessInfo.processInfo.environment["LEEWAY_DATA"] {
            candidates.append("\(data)/corpora/json/test_parsing")
        }
        var folder = URL(filePath: #filePath).deletingLastPathComponent()
        while folder.path != "/" {
            candidates.append("\(folder.path)/shared/data/corpora/json/test_parsing")
            folder.deleteLastPathComponent()
        }
        return candidates.first { FileManager.default.fileExists(atPath: $0) }
    }()
}
