import Compression
import Testing

@Suite("Decompressing piece by piece") struct GzipInflaterTests {
    @Test("pieces of any size give the same bytes", arguments: [1, 2, 7, 64, 1000, 100_000])
    func pieces(size: Int) throws {
        let bytes = sample(20_000)
        let packed = try Gzip.compress(bytes) + Gzip.compress(bytes)
        var inflater = try GzipInflater(outputBytesMax: 40_000)
        var output: [UInt8] = []
        for start in stride(from: 0, to: packed.count, by: size) {
            let piece = packed[start..<min(start + size, packed.count)]
            try inflater.inflate(piece.span, appendingTo: &output)
        }
        try inflater.finish()
        #expect(output == bytes + bytes)
        #expect(inflater.inputBytes == packed.count)
        #expect(inflater.outputBytes == output.count)
    }

    @Test("steps into a small output take the input in constant memory", arguments: [1, 3, 100])
    func steps(room: Int) throws {
        let bytes = sample(500) + [UInt8](repeating: 0, count: 5000)
        let packed = try Gzip.compress(bytes)
        var inflater = try GzipInflater(outputBytesMax: bytes.count)
        var output: [UInt8] = []
        var offset = 0
        var isDone = false
        while !isDone {
            let piece = try [UInt8](capacity: room) { free in
                let rest = packed.span.extracting(droppingFirst: offset)
                let progress = try inflater.step(rest, into: &free)
                offset += progress.inputBytes
                isDone = offset == packed.count && progress.outputBytes < room
            }
            output += piece
        }
        try inflater.finish()
        #expect(output == bytes)
    }

    @Test("an empty piece changes nothing, before and after the end")
    func emptyPieces() throws {
        let nothing: [UInt8] = []
        var inflater = try GzipInflater(outputBytesMax: 100)
        var output: [UInt8] = []
        try inflater.inflate(nothing.span, appendingTo: &output)
        #expect(throws: CompressionError.truncated(format: .gzip, offset: 0)) {
            try inflater.finish()
        }
        let packed = madeByGzip
        try inflater.inflate(packed.span, appendingTo: &output)
        try inflater.inflate(nothing.span, appendingTo: &output)
        try inflater.finish()
        #expect(output.count == 7)
    }

    @Test("what was appended before stays")
    func appends() throws {
        var inflater = try GzipInflater(outputBytesMax: 7)
        var output: [UInt8] = [1, 2, 3]
        let packed = madeByGzip
        try inflater.inflate(packed.span, appendingTo: &output)
        #expect(output == [1, 2, 3] + Array("leeway\n".utf8))
    }
}
