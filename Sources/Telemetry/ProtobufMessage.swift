/// Writes messages in the wire format of Protocol Buffers, for the two that Leeway sends: metrics
/// to Prometheus, and spans to a collector.
///
/// Fields are written in the order of the calls; a field that equals its default is left out, as
/// proto3 does, unless `always` says that its being there means something.
package struct ProtobufMessage: Sendable {
    /// The message so far.
    package private(set) var bytes: [UInt8] = []

    /// Begins an empty message.
    package init() {}

    /// Forgets the message and keeps its memory.
    package mutating func reset() { bytes.removeAll(keepingCapacity: true) }

    private enum WireType: UInt64 {
        case varint = 0
        case fixed64 = 1
        case lengthDelimited = 2
    }

    /// Adds a number without a sign, a truth value or an enumeration.
    package mutating func add(_ field: Int, _ value: UInt64) {
        guard value != 0 else { return }
        key(field, .varint)
        varint(value)
    }

    /// Adds an `int64` or `int32`.
    package mutating func add(_ field: Int, _ value: Int64, always: Bool = false) {
        guard always || value != 0 else { return }
        key(field, .varint)
        varint(UInt64(bitPattern: value))
    }

    /// Adds a `sint64` or `sint32`.
    package mutating func add(_ field: Int, zigzag value: Int64) {
        add(field, Self.zigzag(value))
    }

    /// Adds a `double`.
    package mutating func add(_ field: Int, _ value: Double, always: Bool = false) {
        guard always || value.bitPattern != 0 else { return }
        key(field, .fixed64)
        fixed(value.bitPattern)
    }

    /// Adds a `fixed64`.
    package mutating func add(_ field: Int, fixed64 value: UInt64) {
        guard value != 0 else { return }
        key(field, .fixed64)
        fixed(value)
    }

    /// Adds a text.
    package mutating func add(_ field: Int, _ text: String, always: Bool = false) {
        guard always || !text.isEmpty else { return }
        key(field, .lengthDelimited)
        varint(UInt64(text.utf8.count))
        bytes.append(contentsOf: text.utf8)
    }

    /// Adds bytes.
    package mutating func add(_ field: Int, _ value: [UInt8]) {
        guard !value.isEmpty else { return }
        key(field, .lengthDelimited)
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// Adds packed `sint64`s.
    package mutating func add(_ field: Int, packedZigzags values: [Int64]) {
        guard !values.isEmpty else { return }
        add(field) { message in
            for value in values { message.varint(Self.zigzag(value)) }
        }
    }

    /// Adds a message within this one, be it empty.
    package mutating func add(_ field: Int, _ write: (inout ProtobufMessage) -> Void) {
        key(field, .lengthDelimited)
        delimited(write)
    }

    /// Writes a message with its length before it, as in a stream of messages.
    package mutating func delimited(_ write: (inout ProtobufMessage) -> Void) {
        let start = bytes.count
        write(&self)
        // The length is known only now; what was written moves by the few bytes that it takes.
        var length = UInt64(bytes.count - start)
        var prefix: [UInt8] = []
        while length >= 0x80 {
            prefix.append(UInt8(truncatingIfNeeded: length) | 0x80)
            length >>= 7
        }
        prefix.append(UInt8(truncatingIfNeeded: length))
        bytes.insert(contentsOf: prefix, at: start)
    }

    private mutating func key(_ field: Int, _ type: WireType) {
        varint(UInt64(UInt32(truncatingIfNeeded: field)) << 3 | type.rawValue)
    }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    private mutating func fixed(_ value: UInt64) {
        for shift in stride(from: 0, to: 64, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> UInt64(shift)))
        }
    }

    private static func zigzag(_ value: Int64) -> UInt64 {
        UInt64(bitPattern: value << 1 ^ value >> 63)
    }
}
