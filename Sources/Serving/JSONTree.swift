internal import NIOCore

/// A JSON document that is put together before it is written; for what is asked for rarely.
///
/// Members keep the order in which they were named.
enum JSONTree: Sendable {
    case object([(String, JSONTree)])
    case array([JSONTree])
    case string(String)
    case integer(Int)
    case number(Double)
    case boolean(Bool)

    /// Writes the document.
    func write(into body: inout ByteBuffer) {
        switch self {
        case .object(let members):
            body.writeStaticString("{")
            for (index, member) in members.enumerated() {
                if index > 0 { body.writeStaticString(",") }
                body.writeJSON(member.0)
                body.writeStaticString(":")
                member.1.write(into: &body)
            }
            body.writeStaticString("}")
        case .array(let elements):
            body.writeList(elements) { $1.write(into: &$0) }
        case .string(let text): body.writeJSON(text)
        case .integer(let value): body.writeString(String(value))
        case .number(let value): body.writeString(value.isFinite ? value.description : "0")
        case .boolean(let value): body.writeString(value ? "true" : "false")
        }
    }

    /// The same object with more members.
    func with(_ more: JSONTree) -> JSONTree {
        guard case .object(let members) = self, case .object(let others) = more else { return self }
        return .object(members + others)
    }
}

extension JSONTree: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral {
    init(dictionaryLiteral elements: (String, JSONTree)...) { self = .object(elements) }
    init(arrayLiteral elements: JSONTree...) { self = .array(elements) }
}

extension JSONTree: ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral, ExpressibleByFloatLiteral
{
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .integer(value) }
    init(booleanLiteral value: Bool) { self = .boolean(value) }
    init(floatLiteral value: Double) { self = .number(value) }
}
