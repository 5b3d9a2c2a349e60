/// Writes the JSON of a safetensors header, always the same for the same content.
struct SafetensorsHeaderWriter {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    /// Writes the texts, sorted by key; nothing when there are none.
    mutating func metadata(_ metadata: [String: String]) {
        guard !metadata.isEmpty else { return }
        name(SafetensorsFile.metadataName)
        for (index, entry) in metadata.sorted(by: { $0.key < $1.key }).enumerated() {
            text(index == 0 ? "{" : ",")
            string(entry.key)
            text(":")
            string(entry.value)
        }
        text("}")
    }

    /// Writes where a tensor lies.
    mutating func tensor(_ tensor: SafetensorsFile.Tensor, begin: Int, end: Int) {
        name(tensor.name)
        let shape = tensor.shape.map(String.init).joined(separator: ",")
        text("{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(begin),\(end)]}")
    }

    /// The whole header, padded so that the data after it begins at a multiple of 8.
    mutating func finish() -> [UInt8] {
        text("}")
        while bytes.count % 8 != 0 { text(" ") }
        return bytes
    }

    /// The name of a member, with what goes before and after it.
    private mutating func name(_ name: String) {
        if bytes.count > 1 { text(",") }
        string(name)
        text(":")
    }

    private mutating func text(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func string(_ string: String) {
        text("\"")
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                text("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
            default:
                bytes.append(byte)
            }
        }
        text("\"")
    }
}
