/// A file in the IDX format, as MNIST and its relatives are published.
///
/// ```
/// offset  size       field
/// 0       2          zero
/// 2       1          element type: 08 UInt8, 09 Int8, 0B Int16, 0C Int32, 0D Float32, 0E Float64
/// 3       1          number of dimensions, d
/// 4       4 × d      extents, UInt32 big-endian, slowest first
/// 4 + 4d  product    elements, big-endian, row-major; nothing follows them
/// ```
package struct IDXFile: Sendable {
    /// The types of elements.
    package enum Element: UInt8, Sendable {
        /// Bytes, as in images and labels.
        case unsigned8 = 0x08
        /// Signed bytes.
        case signed8 = 0x09
        /// 16-bit integers.
        case int16 = 0x0B
        /// 32-bit integers.
        case int32 = 0x0C
        /// binary32 numbers.
        case float32 = 0x0D
        /// binary64 numbers.
        case float64 = 0x0E

        /// The size of one element in bytes.
        package var byteCount: Int {
            switch self {
            case .unsigned8, .signed8: 1
            case .int16: 2
            case .int32, .float32: 4
            case .float64: 8
            }
        }
    }

    /// The type of the elements.
    package let element: Element
    /// The extents, slowest first; the first one counts the items.
    package let dimensions: [Int]
    /// The number of elements.
    package let elementCount: Int
    /// The whole file.
    let bytes: [UInt8]
    /// Where the elements begin.
    let offset: Int

    /// The most dimensions that are read.
    package static let dimensionsMax = 5

    /// Reads the header and checks that the bytes are exactly what it promises.
    ///
    /// - Parameter bytes: The whole file, unpacked; kept without a copy.
    /// - Throws: ``FeatureError/invalidIDX(problem:)``.
    package init(_ bytes: consuming [UInt8]) throws(FeatureError) {
        guard bytes.count >= 4 else {
            throw .invalidIDX(problem: "\(bytes.count) bytes are too few for a header")
        }
        guard bytes[0] == 0, bytes[1] == 0 else {
            let packed = bytes[0] == 0x1F && bytes[1] == 0x8B
            let problem = packed ? "it is still packed by gzip" : "it does not begin with 00 00"
            throw .invalidIDX(problem: problem)
        }
        guard let element = Element(rawValue: bytes[2]) else {
            throw .invalidIDX(
                problem: "the element type 0x\(String(bytes[2], radix: 16)) is unknown"
            )
        }
        let rank = Int(bytes[3])
        guard (1...Self.dimensionsMax).contains(rank) else {
            let problem = "\(rank) dimensions: 1 to \(Self.dimensionsMax) can be read"
            throw .invalidIDX(problem: problem)
        }
        let offset = 4 + 4 * rank
        guard bytes.count >= offset else { throw .invalidIDX(problem: "the header is cut off") }
        var dimensions: [Int] = []
        var product = 1
        for index in 0..<rank {
            let extent = Int(UInt32(Self.bigEndian(bytes, 4 + 4 * index, 4)))
            dimensions.append(extent)
            let (next, overflow) = product.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw .invalidIDX(problem: "the extents are impossibly large") }
            product = next
        }
        let (size, overflow) = product.multipliedReportingOverflow(by: element.byteCount)
        guard !overflow, size == bytes.count - offset else {
            let promised = overflow ? "impossibly many" : "\(size)"
            let problem = "the header promises \(promised) bytes of data, there are "
            throw .invalidIDX(problem: problem + "\(bytes.count - offset)")
        }
        self.element = element
        self.dimensions = dimensions
        elementCount = product
        self.bytes = bytes
        self.offset = offset
    }

    /// How many items there are: the first extent.
    package var itemCount: Int { dimensions.first ?? 0 }

    /// All elements as binary32; what is too large becomes infinite, which validation finds.
    package func floats() -> [Float] {
        let size = element.byteCount
        return (0..<elementCount).map { index in
            let bits = Self.bigEndian(bytes, offset + index * size, size)
            switch element {
            case .unsigned8: return Float(UInt8(truncatingIfNeeded: bits))
            case .signed8: return Float(Int8(truncatingIfNeeded: bits))
            case .int16: return Float(Int16(truncatingIfNeeded: bits))
            case .int32: return Float(Int32(truncatingIfNeeded: bits))
            case .float32: return Float(bitPattern: UInt32(truncatingIfNeeded: bits))
            case .float64: return Float(Double(bitPattern: bits))
            }
        }
    }

    /// All elements as integers, for labels.
    ///
    /// - Throws: ``FeatureError/invalidIDX(problem:)`` when they are fractions by type.
    package func integers() throws(FeatureError) -> [Int32] {
        guard element != .float32, element != .float64 else {
            throw .invalidIDX(problem: "class labels must be integers, the elements are floats")
        }
        let size = element.byteCount
        return (0..<elementCount).map { index in
            let bits = Self.bigEndian(bytes, offset + index * size, size)
            switch element {
            case .unsigned8: return Int32(UInt8(truncatingIfNeeded: bits))
            case .signed8: return Int32(Int8(truncatingIfNeeded: bits))
            case .int16: return Int32(Int16(truncatingIfNeeded: bits))
            default: return Int32(truncatingIfNeeded: bits)
            }
        }
    }

    /// `size` bytes as a big-endian integer; within the bounds by the check in `init`.
    private static func bigEndian(_ bytes: [UInt8], _ start: Int, _ size: Int) -> UInt64 {
        var bits: UInt64 = 0
        for index in start..<start + size { bits = bits << 8 | UInt64(bytes[index]) }
        return bits
    }
}
