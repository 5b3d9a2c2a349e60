import Compression
import Testing

@Suite("Whole gzip and zlib texts") struct GzipTests {
    @Test("bytes come back at every size and level", arguments: CompressionFormat.allCases)
    func roundTrip(format: CompressionFormat) throws {
        for count in [0, 1, 100, 4096, 70_000] {
            let bytes = sample(count)
            for level in [-3, 1, 6, 9, 40] {
                let packed = try Gzip.compress(bytes, format: format, level: level)
                let back = try Gzip.decompress(packed, format: format, outputBytesMax: count)
                #expect(back == bytes)
            }
        }
    }

    @Test("what the gzip program made is read")
    func foreignText() throws {
        let back = try Gzip.decompress(madeByGzip, outputBytesMax: 7)
        #expect(String(decoding: back, as: UTF8.self) == "leeway\n")
    }

    @Test("compressing makes repetitive bytes much smaller, and the same each time")
    func smaller() throws {
        let bytes = [UInt8](repeating: 7, count: 100_000)
        let packed = try Gzip.compress(bytes)
        #expect(packed.count < 1000)
        #expect(try Gzip.compress(bytes) == packed)
    }

    @Test("members that follow one another give their contents in order")
    func members() throws {
        let parts = [sample(10), [], sample(3000), [1]]
        let packed = try parts.flatMap { try Gzip.compress($0) }
        let back = try Gzip.decompress(packed, outputBytesMax: 1 << 20)
        #expect(back == parts.flatMap { $0 })
    }

    @Test("content of exactly the limit passes and one byte more does not")
    func limit() throws {
        let packed = try Gzip.compress(sample(1000))
        #expect(try Gzip.decompress(packed, outputBytesMax: 1000).count == 1000)
        #expect(fault(packed, outputBytesMax: 999) == .outputTooLarge(bytesMax: 999))
        #expect(fault(packed, outputBytesMax: 0) == .outputTooLarge(bytesMax: 0))
        #expect(fault(packed, outputBytesMax: -1) == .outputTooLarge(bytesMax: 0))
        #expect(try Gzip.decompress(packed, outputBytesMax: .max).count == 1000)
        #expect(try Gzip.decompress(try Gzip.compress([]), outputBytesMax: 0).isEmpty)
    }

    @Test("the limit counts all members together")
    func limitOverMembers() throws {
        let packed = try Gzip.compress(sample(600)) + Gzip.compress(sample(600))
        #expect(fault(packed, outputBytesMax: 1199) == .outputTooLarge(bytesMax: 1199))
        #expect(fault(packed, outputBytesMax: 1200) == nil)
    }

    @Test("a bomb is stopped at the limit, not unpacked")
    func bomb() throws {
        let packed = try Gzip.compress([UInt8](repeating: 0, count: 8 << 20))
        var inflater = try GzipInflater(outputBytesMax: 10_000)
        var output: [UInt8] = []
        #expect(throws: CompressionError.outputTooLarge(bytesMax: 10_000)) {
            try inflater.inflate(packed.span, appendingTo: &output)
        }
        #expect(output.count <= 10_001 + 512)
    }

    @Test("the magic bytes tell gzip")
    func magic() {
        // Asked outside the macro, which cannot take a span as an argument.
        let texts: [[UInt8]] = [madeByGzip, [0x1f, 0x8b], [], [0x1f, 0x8b, 7, 0]]
        let answers = texts.map { Gzip.isGzip($0.span) }
        #expect(answers == [true, false, false, false])
    }
}
