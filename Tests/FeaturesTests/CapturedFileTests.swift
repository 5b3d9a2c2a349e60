import Features
import Testing

@Suite("Captured rows as files") struct CapturedFileTests {
    private func source(_ bytes: [UInt8]) throws -> SourceIdentity {
        SourceIdentity(digest: [UInt8](repeating: 7, count: 32))
    }

    @Test("rows of a table read back as the same rows, whatever their texts hold")
    func table() throws {
        let labels = ["no", "ye,s"]
        let schema = try FeatureSchema(
            .table(
                TableLayout(
                    columns: [
                        .numeric("si\"ze", scaling: .constant(divisor: 1)),
                        .categorical("plan", categories: ["a,b", "line\nbreak", "c"]),
                    ],
                    target: TargetColumn(name: "left", labels: labels)
                )
            )
        )
        let rows: [(raw: [Float], truth: Double)] = [
            ([0.1, 0], 1), ([-3e-20, 1], 0), ([.nan, 2], 0), ([123_456.79, .nan], 1),
            // A category that nobody knows by name any more is left out.
            ([5, 3], 1),
        ]
        let files = CapturedFile.files(schema, labels: labels, rows: rows)
        #expect(files.map(\.suffix) == ["csv"] && files[0].rowCount == 4)
        let read = try Dataset.table(
            TableSource(bytes: files[0].bytes, identity: source(files[0].bytes)),
            schema: schema,
            options: DelimitedOptions()
        )
        #expect(read.rowCount == 4)
        for row in 0..<4 {
            var raw = [Float](repeating: 0, count: 2)
            var target = raw.mutableSpan
            read.raw(row: row, into: &target, at: 0)
            for (found, expected) in zip(raw, rows[row].raw) {
                #expect(found == expected || found.isNaN && expected.isNaN)
            }
        }
        guard case .classes(let classes) = read.labels else {
            Issue.record("no classes")
            return
        }
        #expect(classes == [1, 0, 0, 1])
    }

    @Test("values of a regression read back as the same values")
    func regression() throws {
        let schema = try FeatureSchema(
            .table(
                TableLayout(
                    columns: [.numeric("a", scaling: .constant(divisor: 1))],
                    target: TargetColumn(name: "b", labels: nil)
                )
            )
        )
        let files = CapturedFile.files(schema, labels: [], rows: [([1], 0.1), ([2], -7e9)])
        let read = try Dataset.table(
            TableSource(bytes: files[0].bytes, identity: source(files[0].bytes)),
            schema: schema,
            options: DelimitedOptions()
        )
        guard case .values(let values) = read.labels else {
            Issue.record("no values")
            return
        }
        #expect(values == [0.1, -7e9])
    }

    @Test("images read back as the same pixels, bytes or not")
    func images() throws {
        let schema = try imageSchema([2, 3])
        let whole: [(raw: [Float], truth: Double)] = [
            ([0, 1, 2, 253, 254, 255], 2), ([9, 8, 7, 6, 5, 4], 0),
        ]
        let broken: [(raw: [Float], truth: Double)] = [([0.5, -1, 1e9, 0, 1, 2], 1)]
        for rows in [whole, broken] {
            let files = CapturedFile.files(schema, labels: ["a", "b", "c"], rows: rows)
            #expect(files.map(\.suffix) == ["labels-idx1", "images-idx3"])
            let images = try IDXFile(files[1].bytes)
            #expect(images.element == (rows.count == 2 ? .unsigned8 : .float32))
            let read = try Dataset.images(
                images,
                labels: IDXFile(files[0].bytes),
                schema: schema,
                classes: 3,
                source: source(files[1].bytes)
            )
            for row in rows.indices {
                var raw = [Float](repeating: 0, count: 6)
                var target = raw.mutableSpan
                read.raw(row: row, into: &target, at: 0)
                #expect(raw == rows[row].raw)
            }
            guard case .classes(let classes) = read.labels else {
                Issue.record("no classes")
                return
            }
            #expect(classes.map(Double.init) == rows.map(\.truth))
        }
        #expect(CapturedFile.files(schema, labels: ["a", "b"], rows: []).isEmpty)
    }
}
