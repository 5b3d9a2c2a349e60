import Features
import Testing

@Suite("Hours of the week") struct HourOfWeekTests {
    private let declaration = TableDeclaration(target: "left", task: .classification)

    private func source(_ text: String) -> TableSource {
        TableSource(bytes: Array(text.utf8), identity: SourceIdentity(digest: [1]))
    }

    private func dataset(_ text: String, isOptional: Bool = false) throws -> Dataset {
        let table = source(text)
        let schema = try TableInference.schema(
            declaration,
            sources: [table],
            timeColumn: "at"
        )
        return try Dataset.table(
            table,
            schema: schema,
            time: TimeColumn(name: "at", isOptional: isOptional)
        )
    }

    private func hour(_ text: String) throws -> UInt8? {
        try dataset("age,at,left\n1,\(text),yes\n2,2026-11-23T00:00:00Z,no\n").hours.first
    }

    @Test("Monday begins at midnight UTC, before 1970, too")
    func hours() {
        #expect(HourOfWeek.of(unixSeconds: 0) == 72)
        #expect(HourOfWeek.of(unixSeconds: -1) == 71)
        #expect(HourOfWeek.of(unixSeconds: 4 * 86_400) == 0)
        #expect(HourOfWeek.of(unixSeconds: 4 * 86_400 - 1) == 167)
        #expect(HourOfWeek.of(unixSeconds: .min) < 168 && HourOfWeek.of(unixSeconds: .max) < 168)
    }

    @Test(
        "RFC 3339 with and without its parts, and Unix seconds, are read",
        arguments: [
            ("2026-11-23T20:59:06Z", 20), ("2026-11-23t20:59:06.25z", 20),
            ("2026-11-24 00:30:00+02:00", 22), ("2026-11-23T20:59:60Z", 21),
            ("2026-11-23 20:59", 20), ("2026-11-23T20:59:06-0330", 24), ("1795467600", 21),
            ("1795467599.9", 20), ("2024-02-29T01:00:00Z", 73), ("2000-01-03T00:00:00Z", 0),
            ("1999-12-31T23:00:00-01:00", 120), ("0000-01-01T00:00:00Z", 120),
        ]
    )
    func times(text: String, expected: UInt8) throws {
        #expect(try hour(text) == expected)
    }

    @Test(
        "what is no time is refused with its line, its column and what would be one",
        arguments: [
            "", "NA", "monday", "2026-11-23", "20261123", "2026-11-23T24:00:00Z",
            "2026-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z", "2026-11-00T00:00:00Z", "2026-11-23T20:60:00Z",
            "2026-11-23T20:59:61Z", "2026-11-23T20:59:06.Z", "2026-11-23T20:59:06+24:00",
            "2026-11-23T20:59:06+0", "2026-11-23T20:59:06Zz", "2026-11-23T20:5", "99999999",
            "1795467600000", "253402300800", "-1795467600", "1795467600.", "1795467600s",
        ]
    )
    func noTimes(text: String) throws {
        let error = #expect(throws: FeatureError.self) { try hour(text) }
        let words = "\(error as Any)"
        #expect(words.contains("CSV line 2: column \"at\"") || text.isEmpty, "\(words)")
        #expect(words.contains("100000000...253402300799") && words.contains("RFC 3339"))
        #expect(text.isEmpty || !words.contains(text + " "))
    }

    @Test("the time is no input, and cannot be declared as one")
    func noInput() throws {
        let table = source("age,at,left\n1,1795467600,yes\n2,1795467600,no\n")
        let schema = try TableInference.schema(declaration, sources: [table], timeColumn: "at")
        #expect(schema.table?.columns.map(\.name) == ["age"])
        var declared = declaration
        declared.columns = [ColumnDeclaration(name: "age"), ColumnDeclaration(name: "at")]
        let error = #expect(throws: FeatureError.self) {
            try TableInference.schema(declared, sources: [table], timeColumn: "at")
        }
        #expect("\(error as Any)".contains("columns.at"))
    }

    @Test("a file without the column is refused, unless it may be without it")
    func missing() throws {
        let text = "age,left\n1,yes\n2,no\n"
        let error = #expect(throws: FeatureError.self) { try dataset(text) }
        #expect("\(error as Any)".contains("there is no column \"at\""))
        #expect(try dataset(text, isOptional: true).hours.isEmpty)
        var joined = try dataset(text, isOptional: true)
        try joined.append(dataset("age,at,left\n1,2026-11-23 01:00,yes\n2,2026-11-23 02:00,no\n"))
        #expect(joined.hours == [HourOfWeek.unknown, HourOfWeek.unknown, 1, 2])
    }

    @Test("rows without a target have hours, too, and a row that is left out leaves none")
    func rows() throws {
        let text = """
            at,age,left
            2026-11-23 01:00,1,yes
            2026-11-23 02:00,2,
            2026-11-23 03:00,3,no

            """
        let set = try dataset(text)
        #expect(set.hours == [1, 3] && set.rowCount == 2)
        let schema = try TableInference.schema(
            declaration,
            sources: [source(text)],
            timeColumn: "at"
        )
        let all = try UnlabelledRows(Array(text.utf8), schema: schema, timeColumn: "at")
        #expect(all.hours == [1, 2, 3])
        #expect(try UnlabelledRows(Array(text.utf8), schema: schema).hours.isEmpty)
    }
}
