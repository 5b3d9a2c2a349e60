internal import Compression
package import Drift

/// Draws a map of changes as a PNG (ISO/IEC 15948): the hold-out's mean image, the live one, and
/// where they differ, from left to right.
///
/// In the third, blue has become less and red more; full colour is the greatest change there is.
package struct PixelPicture {
    private let map: PixelMap

    /// Takes the map.
    package init(map: PixelMap) { self.map = map }

    /// Points of a picture's longer side, about.
    private static let side = 224
    /// Points between two pictures.
    private static let gap = 8

    private typealias Colour = (red: UInt8, green: UInt8, blue: UInt8)

    /// The bytes of the file.
    ///
    /// - Returns: A whole PNG file.
    /// - Throws: `CompressionError`.
    package func png() throws -> [UInt8] {
        let (rows, columns) = (map.frame.rows, map.frame.columns)
        let scale = max(1, Self.side / max(rows, columns))
        let panels = panels()
        let width = panels.count * columns * scale + (panels.count - 1) * Self.gap
        var raw: [UInt8] = []
        raw.reserveCapacity(rows * scale * (width * 3 + 1))
        for line in 0..<rows * scale {
            raw.append(0)
            for (number, panel) in panels.enumerated() {
                if number > 0 { raw += [UInt8](repeating: 255, count: Self.gap * 3) }
                for point in 0..<columns * scale {
                    let colour = panel[line / scale * columns + point / scale]
                    raw += [colour.red, colour.green, colour.blue]
                }
            }
        }
        return try Self.file(width: width, height: rows * scale, raw)
    }

    private func panels() -> [[Colour]] {
        let (reference, live) = (map.grey(map.reference), map.grey(map.live))
        let change = map.grey(map.change)
        let low = min(reference.min() ?? 0, live.min() ?? 0)
        let high = max(reference.max() ?? 1, live.max() ?? 1)
        let greatest = change.reduce(0) { max($0, abs($1)) }
        func shade(_ value: Float) -> Colour {
            let level = Self.byte(high > low ? (value - low) / (high - low) : 0)
            return (level, level, level)
        }
        func tint(_ value: Float) -> Colour {
            let part = greatest > 0 ? value / greatest : 0
            let rest = Self.byte(1 - abs(part))
            return part >= 0 ? (255, rest, rest) : (rest, rest, 255)
        }
        return [reference.map(shade), live.map(shade), change.map(tint)]
    }

    private static func byte(_ part: Float) -> UInt8 {
        UInt8(clamping: Int((min(1, max(0, part)) * 255).rounded()))
    }

    private static func file(width: Int, height: Int, _ raw: [UInt8]) throws -> [UInt8] {
        var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
        // 8 bits a colour, red, green and blue, no interlacing.
        file += chunk("IHDR", word(width) + word(height) + [8, 2, 0, 0, 0])
        file += chunk("IDAT", try Gzip.compress(raw.span, format: .zlib))
        file += chunk("IEND", [])
        return file
    }

    private static func chunk(_ kind: String, _ content: [UInt8]) -> [UInt8] {
        let body = Array(kind.utf8) + content
        return word(content.count) + body + word(Int(checksum(body)))
    }

    private static func word(_ number: Int) -> [UInt8] {
        let word = UInt32(truncatingIfNeeded: number)
        return [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }
    }

    /// The cyclic redundancy check of the format, bit by bit: a picture is small.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
        }
        return ~sum
    }
}
