import Appliance
import Compression
import Drift
import FoundationEssentials
import Testing

@Suite("Pixel picture") struct PixelPictureTests {
    /// A map of 2×2 pictures; the last pixel has become brighter.
    private func map() throws -> PixelMap {
        let json = """
            {"frame": {"rows": 2, "columns": 2, "channels": 1, "planes": 1}, "rows": 20,
             "reference": [0, 0, 0, 50], "live": [0, 0, 0, 100], "change": [0, -1, 0, 2],
             "top": [{"row": 1, "column": 1, "channel": 0, "change": 2}]}
            """
        return try JSONDecoder().decode(PixelMap.self, from: Data(json.utf8))
    }

    @Test("three pictures stand side by side in a whole PNG file")
    func file() throws {
        let png = try PixelPicture(map: map()).png()
        #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
        func word(_ place: Int) -> Int { png[place..<place + 4].reduce(0) { $0 << 8 | Int($1) } }
        var place = 8
        var kinds: [String] = []
        var pixels: [UInt8] = []
        while place + 12 <= png.count {
            let length = word(place)
            let kind = String(decoding: png[place + 4..<place + 8], as: UTF8.self)
            if kind == "IDAT" { pixels += png[place + 8..<place + 8 + length] }
            kinds.append(kind)
            place += 12 + length
        }
        #expect(kinds == ["IHDR", "IDAT", "IEND"])
        #expect(place == png.count)
        // The sum of an empty end is known from the standard.
        #expect(png.suffix(4) == [0xAE, 0x42, 0x60, 0x82])
        let (width, height) = (word(16), word(20))
        #expect(width == 3 * 224 + 2 * 8 && height == 224)
        let raw = try Gzip.decompress(pixels, format: .zlib, outputBytesMax: 1 << 24)
        #expect(raw.count == height * (width * 3 + 1))
        func colour(_ x: Int, _ y: Int) -> [UInt8] {
            let start = y * (width * 3 + 1) + 1 + x * 3
            return Array(raw[start..<start + 3])
        }
        // Of the hold-out, of live images, and the change: more is red, less is blue.
        #expect(colour(0, 0) == [0, 0, 0] && colour(223, 223) == [128, 128, 128])
        #expect(colour(232 + 223, 223) == [255, 255, 255])
        #expect(colour(464, 0) == [255, 255, 255] && colour(464 + 223, 223) == [255, 0, 0])
        #expect(colour(464 + 223, 0) == [128, 128, 255])
        #expect(colour(226, 0) == [255, 255, 255])
    }
}
