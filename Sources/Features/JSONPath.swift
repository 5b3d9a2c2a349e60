/// Finds the path of a byte in a JSON text, after the fact.
///
/// The reader keeps no path while it reads, so that a good request pays nothing for the errors of
/// a bad one. When something is wrong, the text before it has been read already and is well
/// formed, so one plain walk over its punctuation is enough to know where it stands.
enum JSONPath {
    /// One open array or object.
    private struct Level {
        let isObject: Bool
        var index = 0
        var key: Range<Int>?
        var expectsKey: Bool
    }

    /// How much of a key is repeated in an error, in bytes.
    static let keyBytesMax = 64

    /// The place of byte `byte` of `bytes`.
    static func place(_ byte: Int, in bytes: Span<UInt8>) -> JSONPlace {
        let limit = min(byte, bytes.count)
        var levels: [Level] = []
        var position = 0
        while position < limit {
            let start = position
            position += 1
            switch bytes[start] {
            case UInt8(ascii: "["):
                levels.append(Level(isObject: false, expectsKey: false))
            case UInt8(ascii: "{"):
                levels.append(Level(isObject: true, expectsKey: true))
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                _ = levels.popLast()
            case UInt8(ascii: ","):
                guard let last = levels.indices.last else { break }
                levels[last].index += 1
                levels[last].key = nil
                levels[last].expectsKey = levels[last].isObject
            case UInt8(ascii: "\""):
                position = endOfString(from: position, limit: limit, in: bytes)
                guard let last = levels.indices.last, levels[last].expectsKey else { break }
                levels[last].key = position <= limit ? start + 1..<position - 1 : nil
                levels[last].expectsKey = false
            default:
                break
            }
        }
        return JSONPlace(path: text(of: levels, in: bytes), byte: byte)
    }

    /// The position after the closing quote, or beyond `limit` when it lies there.
    private static func endOfString(from start: Int, limit: Int, in bytes: Span<UInt8>) -> Int {
        var position = start
        while position < limit, bytes[position] != UInt8(ascii: "\"") {
            position += bytes[position] == UInt8(ascii: "\\") ? 2 : 1
        }
        return position + 1
    }

    private static func text(of levels: [Level], in bytes: Span<UInt8>) -> String {
        var path = ""
        for level in levels {
            if !level.isObject {
                path += "[\(level.index)]"
            } else if let key = level.key {
                path += (path.isEmpty ? "" : ".") + excerpt(key, of: bytes)
            }
        }
        return path.isEmpty ? "body" : path
    }

    /// The bytes of a range as text: shortened, repaired to UTF-8, without control characters.
    static func excerpt(_ range: Range<Int>, of bytes: Span<UInt8>) -> String {
        let end = min(range.upperBound, range.lowerBound + keyBytesMax)
        var kept: [UInt8] = []
        for position in range.lowerBound..<max(end, range.lowerBound) {
            kept.append(bytes[position] < 0x20 ? UInt8(ascii: "?") : bytes[position])
        }
        return String(decoding: kept, as: UTF8.self) + (end < range.upperBound ? "…" : "")
    }
}
