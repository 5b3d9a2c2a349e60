import Features
import Testing

@Suite("IDX files") struct IDXTests {
    private func file(_ type: UInt8, _ extents: [UInt32], _ data: [UInt8]) -> [UInt8] {
        let header = extents.flatMap { extent in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> $0) }
        }
        return [0, 0, type, UInt8(extents.count)] + header + data
    }

    private func problem(_ bytes: [UInt8]) -> String {
        failure { () throws(FeatureError) in _ = try IDXFile(bytes) }?.description ?? "none"
    }

    private let source = SourceIdentity(digest: [1, 2, 3])

    @Test("every element type is read, big-endian and signed where it is")
    func elementTypes() throws {
        let cases: [(UInt8, [UInt8], [Float])] = [
            (0x08, [0, 255], [0, 255]), (0x09, [0x80, 0x7F], [-128, 127]),
            (0x0B, [0x80, 0, 0x01, 0x02], [-32768, 258]),
            (0x0C, [0xFF, 0xFF, 0xFF, 0xFE, 0, 1, 0, 0], [-2, 65536]),
            (0x0D, [0x3F, 0xC0, 0, 0, 0xC0, 0, 0, 0], [1.5, -2]),
            (0x0E, [0x3F, 0xF8] + [0, 0, 0, 0, 0, 0] + [0xC0, 0, 0, 0, 0, 0, 0, 0], [1.5, -2]),
        ]
        for (type, data, values) in cases {
            let idx = try IDXFile(file(type, [2], data))
            #expect(idx.floats() == values, "type \(type)")
            #expect(idx.itemCount == 2 && idx.elementCount == 2)
            if type < 0x0D {
                #expect(try idx.integers() == values.map { Int32($0) })
            } else {
                #expect(throws: FeatureError.self) { try idx.integers() }
            }
        }
    }

    @Test("a header that lies is refused, and says how")
    func lies() {
        #expect(problem([]).contains("too few for a header"))
        #expect(problem([0, 0, 8]).contains("too few"))
        #expect(problem([0x1F, 0x8B, 8, 0]).contains("packed by gzip"))
        #expect(problem([1, 0, 8, 1, 0, 0, 0, 0]).contains("does not begin with 00 00"))
        #expect(problem(file(0x0A, [1], [0])).contains("type 0xa is unknown"))
        #expect(problem([0, 0, 8, 0]).contains("0 dimensions"))
        #expect(problem([0, 0, 8, 6] + [UInt8](repeating: 0, count: 24)).contains("6 dimensions"))
        #expect(problem([0, 0, 8, 2, 0, 0, 0, 1]).contains("cut off"))
        #expect(problem(file(8, [3], [1, 2])).contains("promises 3 bytes of data, there are 2"))
        #expect(problem(file(8, [2], [1, 2, 3])).contains("promises 2 bytes of data, there are 3"))
        #expect(problem(file(0x0C, [1], [0])).contains("promises 4 bytes"))
        let huge = [UInt32](repeating: .max, count: 5)
        #expect(problem(file(8, huge, [])).contains("impossibly large"))
        #expect(problem(file(0x0E, [.max, 1 << 31], [])).contains("impossibly many"))
        #expect(problem(file(8, [.max, 1 << 31], [])).contains("promises 9223372"))
    }

    @Test("no prefix of a file is taken for the whole, and no changed byte traps")
    func mutations() {
        let whole = file(0x0B, [2, 3], [UInt8](repeating: 7, count: 12))
        #expect(problem(whole) == "none")
        for length in whole.indices { #expect(problem(Array(whole[..<length])) != "none") }
        for index in whole.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = whole
                changed[index] = byte
                _ = failure { () throws(FeatureError) in
                    _ = try IDXFile(changed).floats()
                }
            }
        }
    }

    @Test("images and labels become a data set that stays bytes")
    func images() throws {
        let schema = try imageSchema([2, 2])
        let images = try IDXFile(file(8, [2, 2, 2], [0, 51, 102, 255, 1, 2, 3, 4]))
        let labels = try IDXFile(file(8, [2], [1, 0]))
        let set = try Dataset.images(
            images,
            labels: labels,
            schema: schema,
            classes: 2,
            source: source
        )
        #expect(set.rowCount == 2 && set.labels == .classes([1, 0]))
        guard case .bytes = set.values else {
            Issue.record("the pixels were widened")
            return
        }
        var raw = [Float](repeating: 0, count: 4)
        var target = raw.mutableSpan
        set.raw(row: 1, into: &target)
        #expect(raw == [1, 2, 3, 4])
        #expect(set.origin(of: 1) == RowOrigin(source: source, row: 1))
    }

    @Test("files that do not fit the schema, each other or the classes are refused")
    func mismatches() throws {
        let schema = try imageSchema([2, 2])
        func message(_ images: [UInt8], _ labels: [UInt8], classes: Int = 2) -> String {
            let error = failure { () throws(FeatureError) in
                _ = try Dataset.images(
                    IDXFile(images),
                    labels: IDXFile(labels),
                    schema: schema,
                    classes: classes,
                    source: source
                )
            }
            return error?.description ?? "none"
        }
        let two = file(8, [2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7])
        #expect(message(two, file(8, [2], [0, 1])) == "none")
        #expect(
            message(file(8, [2, 4], [0, 1, 2, 3, 4, 5, 6, 7]), file(8, [2], [0, 1])) == "none"
        )
        #expect(message(two, file(8, [3], [0, 1, 0])).contains("2 images but 3 labels"))
        #expect(message(two, file(8, [2, 1], [0, 1])).contains("2 dimensions"))
        #expect(message(two, file(0x0D, [2], [UInt8](repeating: 0, count: 8))).contains("integers"))
        let wrong = message(two, file(8, [2], [0, 9]))
        #expect(wrong.contains("1 labels are not among 2 classes: the first is 9 in row 1"))
        #expect(message(two, file(9, [2], [0, 0xFF])).contains("the first is -1"))
        #expect(message(two, file(8, [2], [0, 1]), classes: 1001).contains("must be 2 to 1000"))
        let shape = message(file(8, [1, 1, 4], [0, 1, 2, 3]), file(8, [1], [0]))
        #expect(shape.contains("images of [1, 4], the schema says [2, 2]"))
    }
}
