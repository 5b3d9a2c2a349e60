// The safetensors format (Hugging Face), field by field; all numbers are little-endian.
//
//   offset  size  field
//   0       8     UInt64  N, the length of the header; at most 1 MiB here
//   8       N     the header: JSON in UTF-8 that begins with {, padded at its end with spaces
//                 {
//                   "__metadata__": {"key": "text", …},          optional, strings only
//                   "name": {"dtype": "F32",
//                            "shape": [outputs, inputs],         row-major, [] is one number
//                            "data_offsets": [begin, end]},      counted from the end of the header
//                   …
//                 }
//   8 + N         the data: the tensors fill it without gap or overlap
//
// Read are F32, F16, BF16 and F64 (rounded to F32); written is F32. The header is padded so that
// the data begins at a multiple of 8, as the reference implementation does.

/// Named tensors and texts in one file: no code, no pickle, nothing that depends on a machine.
package struct SafetensorsFile: Sendable, Equatable {
    /// Numbers with a name and a shape.
    package struct Tensor: Sendable, Equatable {
        /// What the tensor is called.
        package let name: String
        /// The length of each dimension, the slowest first.
        package let shape: [Int]
        /// The numbers, row-major.
        package let values: [Float]

        /// Puts a tensor together; that the values fill the shape is checked when it is written.
        package init(name: String, shape: [Int], values: [Float]) {
            self.name = name
            self.shape = shape
            self.values = values
        }
    }

    /// The longest header that is read or written.
    package static let headerBytesMax = 1 << 20
    /// The most dimensions of a tensor.
    package static let dimensionsMax = 8
    static let metadataName = "__metadata__"

    /// Texts about the file.
    package var metadata: [String: String]
    /// The tensors, in the order of their data.
    package var tensors: [Tensor]

    /// Puts a file together.
    package init(metadata: [String: String] = [:], tensors: [Tensor]) {
        self.metadata = metadata
        self.tensors = tensors
    }

    /// The tensor of a name.
    package subscript(name: String) -> Tensor? {
        tensors.first { $0.name == name }
    }
}

// MARK: - Reading

extension SafetensorsFile {
    /// Reads a whole file.
    ///
    /// - Throws: ``SafetensorsError``.
    package init(decoding bytes: [UInt8]) throws(SafetensorsError) {
        try self.init(decoding: bytes.span)
    }

    /// Reads a whole file; nothing is allocated that the length of the bytes does not bear out.
    ///
    /// - Throws: ``SafetensorsError``.
    package init(decoding bytes: Span<UInt8>) throws(SafetensorsError) {
        guard bytes.count >= 8 else { throw .truncated(bytes: bytes.count) }
        let length = Self.bits(bytes, at: 0, count: 8)
        guard length <= UInt64(Self.headerBytesMax) else {
            throw .headerTooLarge(bytesMax: Self.headerBytesMax)
        }
        let dataStart = 8 + Int(length)
        guard bytes.count >= dataStart else { throw .truncated(bytes: bytes.count) }
        var header = [UInt8]()
        header.reserveCapacity(Int(length))
        for index in 8..<dataStart { header.append(bytes[index]) }
        var reader = SafetensorsHeaderReader(header)
        let content = try reader.read()
        let entries = content.entries.sorted { ($0.begin, $0.end) < ($1.begin, $1.end) }
        try Self.check(entries, dataLength: bytes.count - dataStart)
        metadata = content.metadata
        tensors = entries.map { entry in
            Tensor(
                name: entry.name,
                shape: entry.shape,
                values: Self.values(of: entry, in: bytes, dataStart: dataStart)
            )
        }
    }

    /// Refuses offsets that leave gaps, overlap, lie outside, or do not fit the shapes.
    private static func check(
        _ entries: [SafetensorsEntry],
        dataLength: Int
    ) throws(SafetensorsError) {
        var end = 0
        for entry in entries {
            guard entry.begin == end else { throw .gapOrOverlap(tensor: entry.name) }
            guard entry.end >= entry.begin, entry.byteCount == entry.end - entry.begin else {
                throw .sizeMismatch(tensor: entry.name)
            }
            end = entry.end
        }
        guard end == dataLength else { throw .dataLength(found: dataLength, expected: end) }
    }

    private static func values(
        of entry: SafetensorsEntry,
        in bytes: Span<UInt8>,
        dataStart: Int
    ) -> [Float] {
        let size = entry.type.bytes
        var values = [Float]()
        values.reserveCapacity((entry.end - entry.begin) / size)
        for offset in stride(from: dataStart + entry.begin, to: dataStart + entry.end, by: size) {
            values.append(entry.type.value(bits(bytes, at: offset, count: size)))
        }
        return values
    }

    private static func bits(_ bytes: Span<UInt8>, at offset: Int, count: Int) -> UInt64 {
        var result: UInt64 = 0
        for index in 0..<count { result |= UInt64(bytes[offset + index]) << UInt64(8 * index) }
        return result
    }
}

/// The number types that are read.
enum SafetensorsType: String {
    case f64 = "F64"
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"

    /// The size of one number.
    var bytes: Int {
        switch self {
        case .f64: 8
        case .f32: 4
        case .f16, .bf16: 2
        }
    }

    /// The number that the lowest bits mean.
    func value(_ bits: UInt64) -> Float {
        switch self {
        case .f64: Float(Double(bitPattern: bits))
        case .f32: Float(bitPattern: UInt32(truncatingIfNeeded: bits))
        case .f16: Float(Float16(bitPattern: UInt16(truncatingIfNeeded: bits)))
        case .bf16: Float(bitPattern: UInt32(truncatingIfNeeded: bits) << 16)
        }
    }
}

/// What the header says of one tensor.
struct SafetensorsEntry {
    let name: String
    let type: SafetensorsType
    let shape: [Int]
    let begin: Int
    let end: Int

    /// How many bytes the shape needs; nil when that is more than a machine can address.
    var byteCount: Int? {
        SafetensorsFile.count(shape).flatMap { count in
            let (bytes, overflow) = count.multipliedReportingOverflow(by: type.bytes)
            return overflow ? nil : bytes
        }
    }
}

// MARK: - Writing

extension SafetensorsFile {
    /// The file's bytes; equal files give equal bytes.
    ///
    /// - Throws: ``SafetensorsError`` when a tensor does not fit its shape, a name occurs twice or
    ///   the header would be too long.
    package func encoded() throws(SafetensorsError) -> [UInt8] {
        let header = try header()
        var bytes = [UInt8]()
        bytes.reserveCapacity(tensors.reduce(8 + header.count) { $0 + 4 * $1.values.count })
        Self.append(UInt64(header.count), count: 8, to: &bytes)
        bytes.append(contentsOf: header)
        for tensor in tensors {
            for value in tensor.values {
                Self.append(UInt64(value.bitPattern), count: 4, to: &bytes)
            }
        }
        return bytes
    }

    private func header() throws(SafetensorsError) -> [UInt8] {
        var names: Set<String> = []
        var writer = SafetensorsHeaderWriter()
        writer.metadata(metadata)
        var begin = 0
        for tensor in tensors {
            guard tensor.name != Self.metadataName else { throw .reservedName }
            guard names.insert(tensor.name).inserted else { throw .duplicateName(tensor.name) }
            guard tensor.shape.count <= Self.dimensionsMax else {
                throw .tooManyDimensions(tensor: tensor.name, dimensionsMax: Self.dimensionsMax)
            }
            guard Self.count(tensor.shape) == tensor.values.count else {
                throw .valueCount(tensor: tensor.name)
            }
            let end = begin + 4 * tensor.values.count
            writer.tensor(tensor, begin: begin, end: end)
            begin = end
        }
        let bytes = writer.finish()
        guard bytes.count <= Self.headerBytesMax else {
            throw .headerTooLarge(bytesMax: Self.headerBytesMax)
        }
        return bytes
    }

    private static func append(_ bits: UInt64, count: Int, to bytes: inout [UInt8]) {
        for index in 0..<count {
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * index)))
        }
    }

    /// How many numbers a shape holds; nil for a negative length or when it overflows.
    static func count(_ shape: [Int]) -> Int? {
        var count = 1
        for length in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: length)
            guard length >= 0, !overflow else { return nil }
            count = product
        }
        return count
    }
}
