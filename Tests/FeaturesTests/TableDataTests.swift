import Features
import Testing

@Suite("Tables from files") struct TableDataTests {
    private let people = """
        age,plan,spend,left
        20,free,1.5,no
        40,pro,,yes
        60,free,2.5,no
        ,pro,3.5,yes
        30,gold,0.5,
        """

    private func message(
        _ declaration: TableDeclaration,
        _ sources: [TableSource],
        _ options: DelimitedOptions = DelimitedOptions()
    ) -> String {
        let error = failure { () throws(FeatureError) in
            let schema = try TableInference.schema(declaration, sources: sources, options: options)
            for source in sources {
                _ = try Dataset.table(source, schema: schema, options: options)
            }
        }
        return error?.description ?? "none"
    }

    @Test("a schema is found and fitted from the rows")
    func inference() throws {
        let declaration = TableDeclaration(target: "left", task: .classification)
        let source = table(people)
        let schema = try TableInference.schema(declaration, sources: [source])
        let layout = try #require(schema.table)
        #expect(layout.target == TargetColumn(name: "left", labels: ["no", "yes"]))
        // The last row has no target: neither its age nor its plan is learned from.
        let deviation = Float((800.0 / 3).squareRoot())
        #expect(
            layout.columns == [
                .numeric(
                    "age",
                    scaling: .standardise(mean: 40, deviation: deviation),
                    missingIndicator: true,
                    fill: 40,
                    range: ValueRange(lower: 20, upper: 60)
                ),
                .categorical("plan", categories: ["free", "pro"], otherSlot: false),
                .numeric(
                    "spend",
                    scaling: .standardise(mean: 2.5, deviation: Float((2.0 / 3).squareRoot())),
                    missingIndicator: true,
                    fill: 2.5,
                    range: ValueRange(lower: 1.5, upper: 3.5)
                ),
            ]
        )
        let set = try Dataset.table(source, schema: schema)
        #expect(set.rowCount == 4 && set.skippedRows == 1 && set.labels == .classes([0, 1, 0, 1]))
        #expect(
            set.rawValues.map { $0.isNaN ? -1 : $0 } == [
                20, 0, 1.5, 40, 1, -1, 60, 0, 2.5, -1, 1, 3.5,
            ]
        )
    }

    @Test("a training row and a request with the same fields give the same bits")
    func sameBits() throws {
        let source = table(people)
        let declaration = TableDeclaration(target: "left", task: .classification)
        let schema = try TableInference.schema(declaration, sources: [source])
        let set = try Dataset.table(source, schema: schema)
        let bodies = [
            #"{"features":{"age":20,"plan":"free","spend":1.5}}"#,
            #"{"features":[40,"pro",null]}"#, #"{"features":[60,"free",2.5]}"#,
            #"{"features":{"plan":"pro","spend":3.5}}"#,
        ]
        let decoder = PredictDecoder(schema: schema)
        for (row, body) in bodies.enumerated() {
            let request = schema.inputs(try decoded(body, by: decoder).rawValues)
            var trained = [Float](repeating: -99, count: schema.encodedWidth)
            var target = trained.mutableSpan
            schema.encode(set, rows: [Int32(row)].span, into: &target)
            #expect(trained.map(\.bitPattern) == request.map(\.bitPattern), "row \(row)")
        }
    }

    @Test("what is declared wins over what is found")
    func declared() throws {
        let declaration = TableDeclaration(
            target: "left",
            task: .binary,
            columns: [
                ColumnDeclaration(name: "plan", categories: ["pro", "team"], missing: .refuse),
                ColumnDeclaration(name: "age", type: .categorical),
                ColumnDeclaration(
                    name: "spend",
                    scaling: .minMax,
                    missing: .zero,
                    range: ValueRange(lower: 0, upper: 9)
                ),
            ],
            labels: ["yes", "no"]
        )
        let schema = try TableInference.schema(declaration, sources: [table(people)])
        let layout = try #require(schema.table)
        #expect(layout.target.labels == ["yes", "no"])
        #expect(
            layout.columns == [
                .categorical("plan", categories: ["pro", "team"], missing: .refuse),
                .categorical(
                    "age",
                    categories: ["20", "40", "60"],
                    otherSlot: false,
                    missingIndicator: true
                ),
                .numeric(
                    "spend",
                    scaling: .minMax(lower: 1.5, upper: 3.5),
                    missing: .zero,
                    missingIndicator: true,
                    fill: 2.5,
                    range: ValueRange(lower: 0, upper: 9)
                ),
            ]
        )
    }

    @Test("fitting looks at no row that is held out, nor types at fewer than all")
    func heldOutRows() throws {
        let split = try DataSplit(share: 0.3)
        let declaration = TableDeclaration(target: "y", task: .binary)
        let usual = [String](repeating: "5,even,0", count: 150)
        let odd = (0..<200).map { "\(1_000_000 + $0),odd,1" }
        let all = table("x,c,y\n" + (odd + usual).joined(separator: "\n"))
        let whole = try Dataset.table(
            all,
            schema: TableInference.schema(declaration, sources: [all])
        )
        // Rows that are held out have values that would show.
        let held = split.split(whole).taken.filter { $0 < 200 }.map { odd[Int($0)] }
        #expect(held.count > 30 && held.count < 100)
        let source = table("x,c,y\n" + (usual + held).joined(separator: "\n"))
        let schema = try TableInference.schema(declaration, sources: [source], holdout: split)
        #expect(
            schema.table?.columns == [
                .numeric(
                    "x",
                    scaling: .standardise(mean: 5, deviation: 1),
                    fill: 5,
                    range: ValueRange(lower: 5, upper: 5)
                ),
                .categorical("c", categories: ["even"], otherSlot: false),
            ]
        )
        let set = try Dataset.table(source, schema: schema)
        let (kept, taken) = split.split(set)
        #expect(kept.allSatisfy { $0 < 150 } && !kept.isEmpty)
        #expect(taken.suffix(held.count) == (150..<150 + held.count).map { Int32($0) }[...])
    }

    @Test("a column of many values keeps the most frequent, in an order of its own")
    func manyCategories() throws {
        var lines = ["c,y"]
        for index in 0..<100 {
            for _ in 0...(index % 3) { lines.append("v\(index),\(index % 2)") }
        }
        let text = lines.joined(separator: "\n")
        let declaration = TableDeclaration(target: "y", task: .classification)
        let schema = try TableInference.schema(declaration, sources: [table(text)])
        let column = try #require(schema.table?.columns.first)
        let categories = try #require(column.categories)
        #expect(categories.count == 64 && column.otherSlot == true)
        // 33 values come three times, 33 twice: sorted by name within, the last two are left out.
        #expect(categories.prefix(3) == ["v11", "v14", "v17"])
        let set = try Dataset.table(table(text), schema: schema)
        #expect(set.rawValues.count { $0 == 64 } == 34 + 2 * 2)
    }

    @Test("classes that are integers are sorted by value, others by name")
    func labelOrder() throws {
        let declaration = TableDeclaration(target: "y", task: .classification)
        for (values, labels) in [
            (["10", "9", "-1", "9"], ["-1", "9", "10"]), (["b", "10", "9"], ["10", "9", "b"]),
        ] {
            let text = "x,y\n" + values.map { "1,\($0)" }.joined(separator: "\n")
            let schema = try TableInference.schema(declaration, sources: [table(text)])
            #expect(schema.table?.target.labels == labels)
        }
    }

    @Test("a number is a target for regression")
    func regression() throws {
        let declaration = TableDeclaration(target: "y", task: .regression)
        let source = table("y,x\n1.5,1\n?,2\n-2e3,3\n")
        let schema = try TableInference.schema(declaration, sources: [source])
        #expect(schema.table?.target.labels == nil)
        let set = try Dataset.table(source, schema: schema)
        #expect(set.labels == .values([1.5, -2000]) && set.skippedRows == 1)
        #expect(set.origin(of: 1).row == 2)
        #expect(message(declaration, [table("y,x\nabc,1\n")]).contains("line 2: column \"y\""))
        #expect(message(declaration, [table("y,x\n1e39,1\n")]).contains("not a finite number"))
    }

    @Test("files may order their columns differently, and may lack a header")
    func severalFiles() throws {
        let declaration = TableDeclaration(target: "y", task: .classification)
        let sources = [table("a,b,y\n1,x,0\n"), table("y,b,extra,a\n1,z,?,3\n", name: "b")]
        let schema = try TableInference.schema(declaration, sources: sources)
        var set = try Dataset.table(sources[0], schema: schema)
        try set.append(try Dataset.table(sources[1], schema: schema))
        #expect(set.rowCount == 2 && set.labels == .classes([0, 1]))
        #expect(set.origin(of: 1) == RowOrigin(source: sources[1].identity, row: 0))
        let plain = DelimitedOptions(hasHeader: false)
        let unnamed = TableDeclaration(target: "column_2", task: .classification)
        let bare = table("1,a\n2,b\n")
        let found = try TableInference.schema(unnamed, sources: [bare], options: plain)
        #expect(found.table?.columns.map(\.name) == ["column_1"])
        #expect(try Dataset.table(bare, schema: found, options: plain).rowCount == 2)
    }

    @Test("numbers may be written as data files do")
    func numberForms() throws {
        let texts = [
            "+5", ".5", "5.", "007", "-0.25", "1E3", " 42 ", "1e-50", "-.5e+1", "16777217.000001",
            "00000000000000000000000000000000000000000001", "1234567890123456789012345",
        ]
        let numbers: [Float] = [
            5, 0.5, 5, 7, -0.25, 1000, 42, 0, -5, 16_777_218, 1, 1_234_567_946_798_590_058_299_392,
        ]
        let declaration = TableDeclaration(
            target: "y",
            task: .regression,
            columns: [ColumnDeclaration(name: "x", type: .numeric)]
        )
        let source = table("x,y\n" + texts.map { "\($0),1" }.joined(separator: "\n"))
        let schema = try TableInference.schema(declaration, sources: [source])
        #expect(try Dataset.table(source, schema: schema).rawValues == numbers)
        for bad in ["1e", "e5", ".", "+", "-", "1 2", "0x10", "inf", "1,5", "--1", "1.2.3", "5%"] {
            let text = "x,y\n\"\(bad)\",1\n"
            #expect(message(declaration, [table(text)]).contains("line 2: column \"x\""), "\(bad)")
        }
    }

    @Test("bad files and declarations are refused with the reason")
    func refusals() {
        let classes = TableDeclaration(target: "y", task: .classification)
        let cases: [(String, String)] = [
            ("", "CSV line 1: the file is empty"), ("a,b\n1,2\n", "there is no column \"y\""),
            ("a,a,y\n", "column 2 has the name of another one"),
            ("a,y\n1,0\n2\n", "CSV line 3: 1 fields where"),
            ("a,y\n1,0\n\n2,1,3\n", "CSV line 4: 3 fields where there are 2 columns"),
            ("a,y\n1,0\n", "has 1 classes"), ("a,y\n", "has 0 classes"), ("y\n0\n1\n", "columns"),
            ("a,y\n1e400,0\n2,1\n", "CSV line 2: column \"a\""),
        ]
        for (text, part) in cases {
            #expect(message(classes, [table(text)]).contains(part), "\(text)")
        }
        let many = "a,y\n" + (0...1000).map { "1,c\($0)" }.joined(separator: "\n")
        #expect(message(classes, [table(many)]).contains("more than 1000 classes"))
        let binary = TableDeclaration(target: "y", task: .binary)
        #expect(message(binary, [table("a,y\n1,0\n1,1\n1,2\n")]).contains("exactly 2"))
        let labelled = TableDeclaration(target: "y", task: .binary, labels: ["0", "1"])
        let stranger = message(labelled, [table("a,y\n1,0\n1,2\n")])
        #expect(stranger == "CSV line 3: column \"y\": the value is not among the labels")
        let refusing = TableDeclaration(
            target: "y",
            task: .binary,
            columns: [ColumnDeclaration(name: "a", missing: .refuse)]
        )
        #expect(message(refusing, [table("a,y\n1,0\nNA,1\n")]).contains("line 3: column \"a\""))
        for column in [
            ColumnDeclaration(name: "y"),
            ColumnDeclaration(name: "a", categories: [], range: ValueRange(lower: 0, upper: 1)),
            ColumnDeclaration(name: "a", type: .numeric, categories: ["1"]),
        ] {
            let declaration = TableDeclaration(target: "y", task: .binary, columns: [column])
            #expect(message(declaration, [table("a,y\n1,0\n1,1\n")]).hasPrefix("schema: columns."))
        }
        #expect(message(classes, []).contains("no files"))
    }
}
