/// The element types of the Open Inference Protocol.
package enum TensorDatatype: String, CaseIterable, Sendable {
    /// One byte, 0 or 1.
    case bool = "BOOL"
    /// Unsigned integers.
    case uint8 = "UINT8"
    case uint16 = "UINT16"
    case uint32 = "UINT32"
    case uint64 = "UINT64"
    /// Signed integers.
    case int8 = "INT8"
    case int16 = "INT16"
    case int32 = "INT32"
    case int64 = "INT64"
    /// Floating point of IEEE 754; FP16 has no form in JSON.
    case float16 = "FP16"
    case float32 = "FP32"
    case float64 = "FP64"
    /// The upper half of a binary32; it has no form in JSON.
    case bfloat16 = "BF16"
    /// Texts, each with its length before it.
    case bytes = "BYTES"

    /// Bytes of an element; nil where it varies.
    package var size: Int? {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .bytes: nil
        }
    }

    /// The values of a type of integers, as binary32 rounds them; nil for the others.
    var integers: ClosedRange<Float>? {
        switch self {
        case .uint8: 0...255
        case .uint16: 0...65_535
        case .uint32: 0...4_294_967_296
        case .uint64: 0...18_446_744_073_709_551_616
        case .int8: -128...127
        case .int16: -32_768...32_767
        case .int32: -2_147_483_648...2_147_483_648
        case .int64: -9_223_372_036_854_775_808...9_223_372_036_854_775_808
        case .bool, .float16, .float32, .float64, .bfloat16, .bytes: nil
        }
    }

    /// Whether elements may be written in JSON.
    package var hasJSONForm: Bool { self != .float16 && self != .bfloat16 }

    /// The type of this name.
    package init?(_ name: Span<UInt8>) {
        for type in Self.allCases where name.equals(type.rawValue) {
            self = type
            return
        }
        return nil
    }
}

/// Little-endian elements as numbers: each becomes the nearest binary32.
///
/// Bounds: the loop reads `range.count × size` bytes from `offset` on and writes the elements of
/// `range`; that both lie within their spans is a precondition of ``read(_:_:at:into:range:)``.
enum TensorBytes {
    /// Reads as many elements as a range has.
    ///
    /// - Precondition: `type` has a size, `bytes` holds that many elements at `offset`, and `values`
    ///   the range.
    static func read(
        _ type: TensorDatatype,
        _ bytes: Span<UInt8>,
        at offset: Int,
        into values: inout MutableSpan<Float>,
        range: Range<Int>
    ) {
        guard let size = type.size else { return }
        precondition(offset >= 0 && offset + range.count * size <= bytes.count)
        precondition(range.lowerBound >= 0 && range.upperBound <= values.count)
        unsafe bytes.withUnsafeBytes { source in
            unsafe values.withUnsafeMutableBufferPointer { target in
                let source = unsafe UnsafeRawBufferPointer(rebasing: source[offset...])
                let target = unsafe UnsafeMutableBufferPointer(rebasing: target[range])
                unsafe convert(type, source, target)
            }
        }
    }

    private static func convert(
        _ type: TensorDatatype,
        _ source: UnsafeRawBufferPointer,
        _ target: UnsafeMutableBufferPointer<Float>
    ) {
        switch type {
        case .bool: unsafe patterns(source, target) { (bits: UInt8) in bits == 0 ? 0 : 1 }
        case .uint8: unsafe patterns(source, target) { (bits: UInt8) in Float(bits) }
        case .uint16: unsafe patterns(source, target) { (bits: UInt16) in Float(bits) }
        case .uint32: unsafe patterns(source, target) { (bits: UInt32) in Float(bits) }
        case .uint64: unsafe patterns(source, target) { (bits: UInt64) in Float(bits) }
        case .int8: unsafe patterns(source, target) { (bits: Int8) in Float(bits) }
        case .int16: unsafe patterns(source, target) { (bits: Int16) in Float(bits) }
        case .int32: unsafe patterns(source, target) { (bits: Int32) in Float(bits) }
        case .int64: unsafe patterns(source, target) { (bits: Int64) in Float(bits) }
        case .float16: unsafe patterns(source, target) { (bits: UInt16) in half(bits) }
        case .bfloat16:
            unsafe patterns(source, target) { (bits: UInt16) in
                Float(bitPattern: UInt32(bits) << 16)
            }
        case .float32: unsafe patterns(source, target) { (bits: UInt32) in Float(bitPattern: bits) }
        case .float64:
            unsafe patterns(source, target) { (bits: UInt64) in Float(Double(bitPattern: bits)) }
        case .bytes: break
        }
    }

    @inline(__always)
    private static func patterns<Pattern: FixedWidthInteger & BitwiseCopyable>(
        _ source: UnsafeRawBufferPointer,
        _ target: UnsafeMutableBufferPointer<Float>,
        _ number: (Pattern) -> Float
    ) {
        guard let bytes = source.baseAddress, let values = target.baseAddress else { return }
        for index in 0..<target.count {
            let pattern = unsafe bytes.loadUnaligned(
                fromByteOffset: index &* MemoryLayout<Pattern>.size,
                as: Pattern.self
            )
            unsafe values[index] = number(Pattern(littleEndian: pattern))
        }
    }

    /// A binary16 as the same number; done by hand, since not every platform has the type.
    @inline(__always)
    private static func half(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let rest = UInt32(bits & 0x7FFF)
        if rest >= 0x7C00 { return Float(bitPattern: sign | 0x7F80_0000 | (rest & 0x3FF) << 13) }
        // The exponent is moved up by 112, in one multiplication that makes subnormals right, too.
        let magnitude = Float(bitPattern: rest << 13) * Float(bitPattern: 0x7780_0000)
        return Float(bitPattern: sign | magnitude.bitPattern)
    }
}
