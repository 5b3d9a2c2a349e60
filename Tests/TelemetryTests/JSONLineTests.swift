import Telemetry
import Testing

@Suite("JSON lines") struct JSONLineTests {
    @Test("members of every kind are written in order")
    func golden() {
        let text = json { line in
            line.member("text", "a/b")
            line.member("constant", constant: "c")
            line.member("bytes", Array("xyz".utf8).span)
            line.member("int", -42)
            line.member("least", Int.min)
            line.member("large", UInt64.max)
            line.member("double", 0.1)
            line.member("bool", true)
            line.member("seconds", nanosecondsAsSeconds: 1_500_000_000)
            line.member("time", WallTime(nanosecondsSinceEpoch: 0))
            line.member("id", RequestIdentifier(high: 1, low: 2))
            line.member("span", hexadecimal: 255)
            line.beginObject("object")
            line.member("inner", 1)
            line.beginArray(key: "array")
            line.element("x")
            line.element("y")
            line.endArray()
            line.endObject()
            line.member(key: "run \"time\"", "v")
        }
        #expect(
            text == #"""
                {"text":"a/b","constant":"c","bytes":"xyz","int":-42,"least":-9223372036854775808,\#
                "large":18446744073709551615,"double":0.1,"bool":true,"seconds":1.5,\#
                "time":"1970-01-01T00:00:00.000000Z","id":"00000000000000010000000000000002",\#
                "span":"00000000000000ff","object":{"inner":1,"array":["x","y"]},\#
                "run \"time\"":"v"}

                """#
        )
    }

    @Test("an empty line is an empty object")
    func empty() {
        #expect(json { _ in } == "{}\n")
    }

    @Test(
        "characters that could break a line or steer a terminal are escaped",
        arguments: [
            ("\"", #"\""#), ("\\", #"\\"#), ("\u{8}\t\n\u{c}\r", #"\b\t\n\f\r"#),
            ("\u{0}", #"\u0000"#),
            ("\u{1b}[31m", #"\u001b[31m"#), ("\u{7f}", #"\u007f"#), ("\u{9b}", #"\u009b"#),
            ("\u{2028}\u{2029}", #"\u2028\u2029"#), ("\u{202e}\u{2066}", #"\u202e\u2066"#),
            ("a/b", "a/b"), ("é€😀", "é€😀"), ("\u{a0}\u{202f}\u{2065}", "\u{a0}\u{202f}\u{2065}"),
        ]
    )
    func escapes(text: String, escaped: String) {
        #expect(json { $0.member("x", text) } == "{\"x\":\"\(escaped)\"}\n")
        let padded = "1234567" + text + "12345678"
        #expect(json { $0.member("x", padded) } == "{\"x\":\"1234567\(escaped)12345678\"}\n")
    }

    @Test("each ASCII byte at each place of a word is read back as it was")
    func everyByte() throws {
        for byte in UInt8(0)..<128 {
            for place in 0..<17 {
                var bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 17)
                bytes[place] = byte
                let text = json { $0.member("x", bytes.span) }
                let expected = JSONValue.string(String(decoding: bytes, as: UTF8.self))
                #expect(try JSONValue.parse(text)["x"] == expected)
            }
        }
    }

    @Test(
        "bytes that are not UTF-8 become U+FFFD, one for each maximal part",
        arguments: [
            ([0x80], 1), ([0xff, 0xfe], 2), ([0xc3], 1), ([0xc0, 0xaf], 2), ([0xe2, 0x82], 1),
            ([0xed, 0xa0, 0x80], 3), ([0xf0, 0x9f, 0x98], 1), ([0xf4, 0x90, 0x80, 0x80], 4),
            ([0xf8, 0x88, 0x80, 0x80, 0x80], 5), ([0xe0, 0x80, 0x80], 3), ([0xf0, 0x80], 2),
        ] as [([UInt8], Int)]
    )
    func repairs(bytes: [UInt8], count: Int) {
        let repaired = String(repeating: "\u{fffd}", count: count)
        #expect(json { $0.member("x", bytes.span) } == "{\"x\":\"\(repaired)\"}\n")
        let within = Array("ab".utf8) + bytes + Array("c".utf8)
        #expect(json { $0.member("x", within.span) } == "{\"x\":\"ab\(repaired)c\"}\n")
    }

    @Test("repair agrees with the standard library on random bytes")
    func repairsLikeTheStandardLibrary() throws {
        var source = RequestIdentifierSource(seed: 11)
        for _ in 0..<2000 {
            let bytes = (0..<12).map { _ -> UInt8 in
                let random = source.next().high
                // Mostly bytes that begin or continue something.
                return UInt8(truncatingIfNeeded: random & 3 == 0 ? random >> 8 : random >> 8 | 0x80)
            }
            let text = json { $0.member("x", bytes.span) }
            let expected = JSONValue.string(String(decoding: bytes, as: UTF8.self))
            #expect(try JSONValue.parse(text)["x"] == expected, "\(bytes)")
        }
    }

    @Test(
        "numbers that JSON cannot say are words",
        arguments: [
            (.nan, "NaN"), (.infinity, "Infinity"), (-.infinity, "-Infinity"),
        ] as [(Double, String)]
    )
    func notNumbers(value: Double, word: String) {
        #expect(json { $0.member("x", value) } == "{\"x\":\"\(word)\"}\n")
    }

    @Test(
        "a duration is an exact decimal",
        arguments: [
            (0, "0"), (1, "0.000000001"), (1_000_000_000, "1"), (10_000_000_000, "10"),
            (183_450, "0.00018345"), (.max, "18446744073.709551615"),
        ] as [(UInt64, String)]
    )
    func durations(nanoseconds: UInt64, text: String) {
        #expect(json { $0.member("x", nanosecondsAsSeconds: nanoseconds) } == "{\"x\":\(text)}\n")
    }

    @Test("a text is cut where it is told, between characters")
    func bytesMax() {
        #expect(json { $0.member("x", "abcdef", bytesMax: 3) } == "{\"x\":\"abc\"}\n")
        #expect(json { $0.member("x", "abc", bytesMax: 3) } == "{\"x\":\"abc\"}\n")
        #expect(json { $0.member("x", "abc", bytesMax: -1) } == "{\"x\":\"\"}\n")
    }
}

@Suite("JSON lines at their limits") struct JSONLineLimitTests {
    private func expectValid(_ text: String, _ comment: Comment? = nil) throws {
        #expect(text.utf8.count <= JSONLine.bytesMax, comment)
        #expect(text.utf8.count(where: { $0 == UInt8(ascii: "\n") }) == 1, comment)
        #expect(text.hasSuffix("}\n"), comment)
        _ = try JSONValue.parse(text)
    }

    @Test(
        "whatever the length around the limit, the line is valid and says if it was cut",
        arguments: [
            "a", "\n", "\u{1}", "é", "😀", "\"",
        ]
    )
    func cut(unit: String) throws {
        let each = json { $0.member("x", unit) }.utf8.count - json { $0.member("x", "") }.utf8.count
        let fits = 8160 / each
        for count in stride(from: fits - 4, through: fits + 40, by: 1) {
            let text = json { line in
                line.beginObject("o")
                line.member("x", String(repeating: unit, count: count))
                line.member("after", 1)
            }
            try expectValid(text, "\(count)")
            let value = try JSONValue.parse(text)
            guard case .string(let kept) = value["o"]?["x"] else {
                Issue.record("no text at \(count)")
                continue
            }
            let isWhole = kept.count == count && value["o"]?["after"] != nil
            #expect((value["truncated"] == nil) == isWhole, "\(count)")
            #expect(kept.allSatisfy { "\($0)" == unit })
        }
    }

    @Test("a number that does not fit is left out, a smaller one after it is not")
    func leftOut() throws {
        let text = json { line in
            line.member("x", String(repeating: "a", count: 8145))
            line.member("number", UInt64.max)
            line.member("y", 1)
        }
        try expectValid(text)
        let value = try JSONValue.parse(text)
        #expect(value["number"] == nil)
        #expect(value["y"] == .number(1))
        #expect(value["truncated"] == .bool(true))
    }

    @Test("a key that does not fit leaves its member out")
    func hugeKey() throws {
        let text = json { line in
            line.member(key: String(repeating: "\n", count: 9000), "x")
            line.beginObject(key: String(repeating: "k", count: 9000))
            line.member("lost", 1)
            line.beginObject("deeper")
            line.endObject()
            line.endObject()
            line.member("kept", 2)
        }
        #expect(text == "{\"kept\":2,\"truncated\":true}\n")
    }

    @Test("only a cut can empty a line")
    func onlyTheMark() {
        let text = json { $0.member(key: String(repeating: "k", count: 9000), "x") }
        #expect(text == "{\"truncated\":true}\n")
    }

    @Test("containers beyond the depth are left out with all they hold")
    func depth() throws {
        let text = json { line in
            for _ in 0..<40 { line.beginObject("o") }
            line.member("lost", 1)
            for _ in 0..<40 { line.endObject() }
            line.member("kept", 2)
        }
        try expectValid(text)
        #expect(!text.contains("lost"))
        #expect(text.hasSuffix("},\"kept\":2,\"truncated\":true}\n"))
        #expect(text.utf8.count(where: { $0 == UInt8(ascii: "{") }) == JSONLine.depthMax)
    }

    @Test("ends without a beginning, and beginnings without an end, do no harm")
    func unbalanced() throws {
        let text = json { line in
            line.endObject()
            line.endArray()
            line.element("not in an array")
            line.beginArray(key: "a")
            line.member("not in an object", 1)
            line.beginObject("nor this")
            line.endObject()
            line.element("x")
        }
        #expect(text == "{\"a\":[\"x\"],\"truncated\":true}\n")
    }

    @Test("a finished line takes no more, and a reset one begins anew")
    func finished() {
        var line = JSONLine()
        line.member("x", 1)
        line.finish()
        line.finish()
        line.member("late", 2)
        line.beginObject("late")
        line.endObject()
        #expect(line.text == "{\"x\":1}\n")
        line.reset()
        line.member("y", 2)
        line.finish()
        #expect(line.text == "{\"y\":2}\n")
    }

    @Test("random members in random containers always make a valid line", arguments: 0..<60)
    func random(seed: Int) throws {
        var source = RequestIdentifierSource(seed: UInt64(seed))
        var line = JSONLine()
        for _ in 0..<Int(source.next().low % 300) {
            let random = source.next()
            let bytes = (0..<Int((random.low >> 8) % 120)).map { _ in
                UInt8(truncatingIfNeeded: source.next().high)
            }
            switch random.high % 9 {
            case 0: line.beginObject("o")
            case 1: line.endObject()
            case 2: line.beginArray(key: String(decoding: bytes, as: UTF8.self))
            case 3: line.endArray()
            case 4: line.element(String(decoding: bytes, as: UTF8.self))
            case 5: line.member("n", Double(bitPattern: random.low))
            case 6: line.member(key: String(decoding: bytes, as: UTF8.self), "v")
            case 7: line.member("i", Int(truncatingIfNeeded: random.low))
            default: line.member("b", bytes.span)
            }
        }
        line.finish()
        try expectValid(line.text)
    }
}
