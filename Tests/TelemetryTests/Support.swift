import FoundationEssentials
import Glibc
import Telemetry
import TestSupport
import Testing

/// The whole exposition of a registry as text.
func exposition(_ registry: MetricRegistry) -> String {
    var bytes: [UInt8] = []
    registry.write(.text, into: &bytes)
    return String(decoding: bytes, as: UTF8.self)
}

/// A finished line of JSON.
func json(_ build: (inout JSONLine) -> Void) -> String {
    var line = JSONLine()
    build(&line)
    line.finish()
    return line.text
}

/// Opens a file for writing, runs the body with its descriptor, and gives what was written.
func written(
    _ body: (LogSink) throws -> Void,
    capacityBytes: Int = 1 << 16
) throws -> String {
    let directory = try TemporaryDirectory()
    let path = directory.path("log")
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    try #require(descriptor >= 0)
    defer { _ = close(descriptor) }
    let sink = try LogSink(descriptor: descriptor, capacityBytes: capacityBytes)
    try body(sink)
    sink.shutdown()
    return String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
}

/// The two ends of a pipe, closed with their owner.
struct Pipe: ~Copyable {
    let readEnd: Int32
    let writeEnd: Int32

    init() throws {
        var ends: InlineArray<2, Int32> = [-1, -1]
        var span = ends.mutableSpan
        // Bounds: the call fills exactly two descriptors.
        let result = unsafe span.withUnsafeMutableBufferPointer { unsafe pipe($0.baseAddress) }
        try #require(result == 0)
        readEnd = ends[0]
        writeEnd = ends[1]
    }

    deinit {
        _ = close(readEnd)
        _ = close(writeEnd)
    }
}

/// Any JSON value, read by a decoder that is not ours.
enum JSONValue: Decodable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let bool = try? value.decode(Bool.self) {
            self = .bool(bool)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let string = try? value.decode(String.self) {
            self = .string(string)
        } else if let array = try? value.decode([JSONValue].self) {
            self = .array(array)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    /// Reads a text, or throws the decoder's error.
    static func parse(_ text: String) throws -> JSONValue {
        try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))
    }

    /// A member of an object.
    subscript(name: String) -> JSONValue? {
        if case .object(let members) = self { members[name] } else { nil }
    }
}
