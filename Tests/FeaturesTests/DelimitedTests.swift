import Features
import Testing

@Suite("Delimited text") struct DelimitedTests {
    private func records(
        _ bytes: [UInt8],
        _ options: DelimitedOptions = DelimitedOptions()
    ) throws(FeatureError) -> [[String]] {
        var reader = DelimitedReader(bytes.span, options: options)
        var record = DelimitedRecord()
        var records: [[String]] = []
        while try reader.next(into: &record) {
            records.append((0..<record.fieldCount).map { record.text($0) })
        }
        return records
    }

    private func error(
        _ text: String,
        _ options: DelimitedOptions = DelimitedOptions()
    ) -> FeatureError? {
        failure { () throws(FeatureError) in _ = try records(Array(text.utf8), options) }
    }

    @Test(
        "records are read as RFC 4180 says",
        arguments: [
            ("", []), ("\n\r\n", []), ("a", [["a"]]), ("a,b\n", [["a", "b"]]),
            ("a,b\r\nc,d", [["a", "b"], ["c", "d"]]), ("a\rb\r", [["a"], ["b"]]),
            ("a,,\n,,b\n", [["a", "", ""], ["", "", "b"]]), (",", [["", ""]]),
            ("\"a,b\",\"c\nd\"\n", [["a,b", "c\nd"]]), ("\"\"\"\",\"\"\n", [["\"", ""]]),
            ("\"a\"\"b\"", [["a\"b"]]), ("a\"b,c\n", [["a\"b", "c"]]),
            ("\u{FEFF}a,b\n", [["a", "b"]]), (" a b ,\t\"c \" , d\n", [["a b", "c ", "d"]]),
            ("é,😀\n", [["é", "😀"]]), ("a\n\n\nb\n", [["a"], ["b"]]), ("\"a\r\nb\"", [["a\r\nb"]]),
        ] as [(String, [[String]])]
    )
    func reads(_ text: String, _ expected: [[String]]) throws {
        #expect(try records(Array(text.utf8)) == expected)
    }

    @Test("other delimiters work, a blank among them")
    func delimiters() throws {
        let tab = DelimitedOptions(delimiter: 0x09)
        #expect(try records(Array("a\t\tb \n".utf8), tab) == [["a", "", "b"]])
        let semicolon = DelimitedOptions(delimiter: UInt8(ascii: ";"))
        #expect(try records(Array("1,5;\"2;\"\n".utf8), semicolon) == [["1,5", "2;"]])
    }

    @Test("what cannot be read is refused with its line")
    func refusals() {
        #expect(error("a\n\"b\nc")?.description == "CSV line 2: a quoted field is never closed")
        let trailing = error("a\r\n\"b\r\nc\"d\n")
        #expect(
            trailing
                == .invalidCSV(line: 3, problem: "something follows the closing quote of a field")
        )
        let limits = DelimitedOptions(fieldBytesMax: 4, fieldsMax: 2)
        #expect(error("aaaa,b", limits) == nil)
        #expect(
            error("x\naaaaa", limits)?.description.hasPrefix("CSV line 2: a field is lo") == true
        )
        #expect(error("\"aaaaa\"", limits)?.description.contains("longer than 4 bytes") == true)
        #expect(error("a,b,c", limits)?.description.contains("more than 2 fields") == true)
        let latin = failure { () throws(FeatureError) in
            _ = try records([0x61, 0x0A, 0x62, 0x2C, 0xE9])
        }
        #expect(latin?.description == "CSV line 2: field 2 is not UTF-8: convert the file first")
    }

    @Test("lines are counted through every kind of line end and through quotes")
    func lineNumbers() throws {
        let bytes = Array("a\r\n\n\"x\r\ny\rz\n\"\rb\n".utf8)
        var reader = DelimitedReader(bytes.span)
        var record = DelimitedRecord()
        var lines: [Int] = []
        while try reader.next(into: &record) { lines.append(record.line) }
        #expect(lines == [1, 3, 7])
    }

    @Test("random bytes never trap")
    func randomBytes() {
        var generator = FixedGenerator(state: 4)
        let alphabet = Array("ab\",\r\n\t ".utf8) + [0x00, 0xC3, 0xA9, 0xEF, 0xBB, 0xBF]
        for _ in 0..<2000 {
            let count = Int.random(in: 0..<24, using: &generator)
            let bytes = (0..<count).map { _ in alphabet[Int.random(in: 0..<14, using: &generator)] }
            _ = failure { () throws(FeatureError) in _ = try records(bytes) }
        }
    }
}
