import Compression
import Testing

@Suite("Compressed bytes that are not right") struct BadInputTests {
    @Test("every cut of a good text is truncated", arguments: CompressionFormat.allCases)
    func cuts(format: CompressionFormat) throws {
        let packed = try Gzip.compress(sample(300), format: format)
        for count in 0..<packed.count {
            let expected = CompressionError.truncated(format: format, offset: count)
            #expect(fault(Array(packed[..<count]), format: format) == expected)
        }
    }

    @Test("a wrong checksum or length is corrupt")
    func trailer() {
        for index in (madeByGzip.count - 8)..<madeByGzip.count {
            var bytes = madeByGzip
            bytes[index] ^= 0x40
            #expect(fault(bytes)?.code == "compressed_data_corrupt")
        }
    }

    @Test("what is not gzip at all is corrupt from its first bytes")
    func notGzip() throws {
        for text in ["plain,text\n", "PK\u{3}\u{4}", "\u{0}\u{0}\u{0}\u{0}"] {
            #expect(fault(Array(text.utf8))?.code == "compressed_data_corrupt")
        }
        let zlib = try Gzip.compress(sample(50), format: .zlib)
        #expect(fault(zlib)?.code == "compressed_data_corrupt")
        #expect(fault(madeByGzip, format: .zlib)?.code == "compressed_data_corrupt")
    }

    @Test("bytes after the end are refused, zero padding too")
    func trailing() throws {
        let count = madeByGzip.count
        for tail in [[0], [0, 0, 0, 0], [0x1f, 0x00], Array("more".utf8)] as [[UInt8]] {
            let found = fault(madeByGzip + tail)
            let expected: CompressionError =
                tail.count > 1
                ? .trailingBytes(format: .gzip, offset: count)
                : .truncated(format: .gzip, offset: count + 1)
            #expect(found == expected)
        }
        let zlib = try Gzip.compress(sample(50), format: .zlib)
        let expected = CompressionError.trailingBytes(format: .zlib, offset: zlib.count)
        #expect(fault(zlib + zlib, format: .zlib) == expected)
    }

    @Test("a further member that is cut short is truncated")
    func furtherMemberCut() {
        let bytes = madeByGzip + madeByGzip.dropLast(3)
        #expect(fault(bytes) == .truncated(format: .gzip, offset: bytes.count))
    }

    @Test("a further member that is damaged is corrupt")
    func furtherMemberDamaged() {
        var bytes = madeByGzip + madeByGzip
        bytes[madeByGzip.count + 2] = 9
        #expect(fault(bytes)?.code == "compressed_data_corrupt")
    }

    @Test("a zlib text that wants a dictionary is corrupt")
    func dictionary() {
        #expect(
            fault([0x78, 0xbb, 0, 0, 0, 1, 3, 0], format: .zlib)?.code == "compressed_data_corrupt"
        )
    }

    @Test("random damage gives an error or the right bytes, and never more than the limit")
    func fuzz() throws {
        var random = TestRandom(state: 2)
        let bytes = sample(2000)
        let good = try Gzip.compress(bytes)
        for _ in 0..<400 {
            var damaged = good
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] =
                    UInt8.random(in: 0...255, using: &random)
            }
            let output = try? Gzip.decompress(damaged, outputBytesMax: 2000)
            // Damage in the header (a time, a flag that says nothing) need not be seen.
            #expect(output == nil || output == bytes)
        }
    }

    @Test("errors say what failed and what to do")
    func words() {
        let text = "\(CompressionError.truncated(format: .gzip, offset: 12))"
        #expect(text.hasPrefix("decompress gzip: the data ends after 12 compressed bytes"))
        let errors: [CompressionError] = [
            .corrupt(format: .gzip, offset: 1, reason: "x"), .truncated(format: .zlib, offset: 1),
            .trailingBytes(format: .gzip, offset: 1), .outputTooLarge(bytesMax: 5), .outOfMemory,
        ]
        #expect(Set(errors.map(\.code)).count == errors.count)
    }
}
