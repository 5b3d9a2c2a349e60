/// The name of a layer, ordered as a person would: numbers by their value.
struct LayerName: Comparable {
    /// A run of digits, or what stands between two of them.
    private enum Piece: Equatable {
        case text([UInt8])
        case number([UInt8])
    }

    private let pieces: [Piece]
    private let whole: [UInt8]

    init(_ name: String) {
        whole = Array(name.utf8)
        var pieces: [Piece] = []
        var rest = whole[...]
        while let first = rest.first {
            let isNumber = Self.isDigit(first)
            let run = rest.prefix { Self.isDigit($0) == isNumber }
            rest = rest.dropFirst(run.count)
            // Without leading zeros, the longer number is the greater one.
            pieces.append(isNumber ? .number(Array(run.drop { $0 == 0x30 })) : .text(Array(run)))
        }
        self.pieces = pieces
    }

    static func < (one: LayerName, other: LayerName) -> Bool {
        for (mine, theirs) in zip(one.pieces, other.pieces) where mine != theirs {
            switch (mine, theirs) {
            case (.number(let mine), .number(let theirs)):
                return mine.count == theirs.count
                    ? mine.lexicographicallyPrecedes(theirs) : mine.count < theirs.count
            case (.text(let mine), .text(let theirs)):
                return mine.lexicographicallyPrecedes(theirs)
            case (.number, .text): return true
            case (.text, .number): return false
            }
        }
        if one.pieces.count != other.pieces.count { return one.pieces.count < other.pieces.count }
        return one.whole.lexicographicallyPrecedes(other.whole)
    }

    /// What is left of the name when no number counts: the same for `dense`, `dense_1` and
    /// `dense_2`, for `fc1` and `fc2`, for `0` and `2`.
    var withoutNumbers: [UInt8] {
        var result: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .text(let text): result += text
            case .number: if result.last == UInt8(ascii: "_") { result.removeLast() }
            }
        }
        return result
    }

    /// Parts a tensor's name into its layer and the last word: `net/dense_1/kernel:0` into
    /// `net.dense_1` and `kernel`.
    static func parts(of tensor: String) -> (layer: String, part: String) {
        var name = tensor.utf8.map { $0 == UInt8(ascii: "/") ? UInt8(ascii: ".") : $0 }
        if name.suffix(2) == [UInt8(ascii: ":"), UInt8(ascii: "0")] { name.removeLast(2) }
        let dot = name.lastIndex(of: UInt8(ascii: "."))
        let layer = dot.map { name[..<$0] } ?? []
        let part = dot.map { name[($0 + 1)...] } ?? name[...]
        return (String(decoding: layer, as: UTF8.self), String(decoding: part, as: UTF8.self))
    }

    private static func isDigit(_ byte: UInt8) -> Bool { 0x30...0x39 ~= byte }
}
