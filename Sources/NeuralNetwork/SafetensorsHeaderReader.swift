/// Reads exactly the JSON that a safetensors header may be, and refuses everything else.
///
/// The grammar has a fixed depth, so that nothing here recurses; the caller has limited the length.
struct SafetensorsHeaderReader {
    /// What a header says.
    struct Content {
        var metadata: [String: String] = [:]
        var entries: [SafetensorsEntry] = []
    }

    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Reads the whole header.
    mutating func read() throws(SafetensorsError) -> Content {
        guard bytes.first == UInt8(ascii: "{") else { throw malformed("{") }
        var content = Content()
        var names: Set<String> = []
        try object { (reader, name) throws(SafetensorsError) in
            guard names.insert(name).inserted else { throw .duplicateName(name) }
            if name == SafetensorsFile.metadataName {
                content.metadata = try reader.metadata()
            } else {
                content.entries.append(try reader.entry(name))
            }
        }
        skipSpace()
        guard position == bytes.count else { throw malformed("the end of the header") }
        return content
    }

    private mutating func metadata() throws(SafetensorsError) -> [String: String] {
        var result: [String: String] = [:]
        try object { (reader, key) throws(SafetensorsError) in
            guard result[key] == nil else { throw .duplicateName(key) }
            result[key] = try reader.string()
        }
        return result
    }

    private mutating func entry(_ name: String) throws(SafetensorsError) -> SafetensorsEntry {
        var type: String?
        var shape: [Int]?
        var offsets: [Int]?
        try object { (reader, key) throws(SafetensorsError) in
            switch key {
            case "dtype" where type == nil: type = try reader.string()
            case "shape" where shape == nil: shape = try reader.integers()
            case "data_offsets" where offsets == nil: offsets = try reader.integers()
            default: throw reader.malformed("dtype, shape and data_offsets, each once")
            }
        }
        guard let type, let shape, let offsets, offsets.count == 2 else {
            throw malformed("a tensor with dtype, shape and two data_offsets")
        }
        guard let known = SafetensorsType(rawValue: type) else {
            throw .unsupportedType(tensor: name, type: type)
        }
        guard shape.count <= SafetensorsFile.dimensionsMax else {
            throw .tooManyDimensions(tensor: name, dimensionsMax: SafetensorsFile.dimensionsMax)
        }
        return SafetensorsEntry(
            name: name,
            type: known,
            shape: shape,
            begin: offsets[0],
            end: offsets[1]
        )
    }

    /// Reads an object; `member` is called after each name and colon and reads the value.
    private mutating func object(
        _ member: (inout Self, String) throws(SafetensorsError) -> Void
    ) throws(SafetensorsError) {
        try expect("{")
        if taken("}") { return }
        repeat {
            let name = try string()
            try expect(":")
            try member(&self, name)
        } while taken(",")
        try expect("}")
    }

    private mutating func integers() throws(SafetensorsError) -> [Int] {
        var result: [Int] = []
        try expect("[")
        if taken("]") { return result }
        repeat { result.append(try integer()) } while taken(",")
        try expect("]")
        return result
    }

    /// Digits only: no sign, fraction, exponent or leading zero.
    private mutating func integer() throws(SafetensorsError) -> Int {
        skipSpace()
        let first = position
        var value = 0
        while position < bytes.count, case 0x30...0x39 = bytes[position] {
            let (tens, tooGreat) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = tens.addingReportingOverflow(Int(bytes[position] - 0x30))
            guard !tooGreat, !overflow else { throw malformed("an integer below 2^63") }
            value = sum
            position += 1
        }
        guard position > first else { throw malformed("an integer that is not negative") }
        guard position == first + 1 || bytes[first] != 0x30 else {
            throw malformed("an integer without leading zeros")
        }
        return value
    }

    private mutating func string() throws(SafetensorsError) -> String {
        try expect("\"")
        let first = position
        var text: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let result = String(validating: text, as: UTF8.self) else {
                    position = first
                    throw malformed("a string in UTF-8")
                }
                return result
            case UInt8(ascii: "\\"):
                text.append(contentsOf: Array(String(try escaped()).utf8))
            case 0..<0x20:
                throw malformed("no control character in a string")
            default:
                text.append(byte)
            }
        }
        throw malformed("the end of a string")
    }

    /// What stands for a character after a backslash.
    private mutating func escaped() throws(SafetensorsError) -> Unicode.Scalar {
        guard position < bytes.count else { throw malformed("an escaped character") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicode()
        default: throw malformed("a known escape")
        }
    }

    /// `\uXXXX`, or a high and a low surrogate in two of them.
    private mutating func unicode() throws(SafetensorsError) -> Unicode.Scalar {
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { throw malformed("a pair of surrogates") }
        position += 2
        let second = try hexadecimal()
        guard 0xDC00...0xDFFF ~= second,
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw malformed("a pair of surrogates") }
        return scalar
    }

    private mutating func hexadecimal() throws(SafetensorsError) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard position < bytes.count,
                let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue
            else { throw malformed("four hexadecimal digits") }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private mutating func expect(_ character: Unicode.Scalar) throws(SafetensorsError) {
        guard taken(character) else { throw malformed("\(character)") }
    }

    /// Takes a character if it is the next one after spaces.
    private mutating func taken(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard position < bytes.count, UInt32(bytes[position]) == character.value else {
            return false
        }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) {
            position += 1
        }
    }

    private func malformed(_ expected: String) -> SafetensorsError {
        .malformedHeader(byteOffset: 8 + position, expected: expected)
    }
}
