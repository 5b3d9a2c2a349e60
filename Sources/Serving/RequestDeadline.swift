internal import HTTPTransport
internal import NIOCore

extension HTTPRequest {
    /// The longest wait that is kept; what asks for more waits as long as it takes.
    private static let microsecondsMax: Int64 = 3_600_000_000

    /// When the client no longer waits for an answer; nil when it did not say.
    ///
    /// It says so in microseconds in the body (`parameters.timeout` of the Open Inference Protocol)
    /// or in the query (`?timeout=`), or its proxy does in milliseconds in the field
    /// `X-Envoy-Expected-Rq-Timeout-Ms`; the shortest counts, and 0 is no limit.
    ///
    /// - Parameter body: What the body says, in microseconds.
    /// - Returns: The time, counted from the end of the request's head.
    /// - Throws: ``PredictionFailure/parameter(name:problem:)`` for a query that is no number.
    func deadline(_ body: Int64?) throws(PredictionFailure) -> NIODeadline? {
        var least = body.flatMap(Self.limit)
        if head.hasQuery, let text = head.queryValue("timeout") {
            guard let given = Int64(text), given >= 0 else {
                throw .parameter(
                    name: "timeout",
                    problem: "expected a number of microseconds, not below 0"
                )
            }
            least = Self.shorter(least, Self.limit(given))
        }
        if let given = head.milliseconds(of: "x-envoy-expected-rq-timeout-ms") {
            least = Self.shorter(least, Self.limit(given * 1000))
        }
        return least.map { timing.headComplete + .microseconds($0) }
    }

    private static func limit(_ microseconds: Int64) -> Int64? {
        microseconds > 0 && microseconds <= microsecondsMax ? microseconds : nil
    }

    private static func shorter(_ left: Int64?, _ right: Int64?) -> Int64? {
        guard let left, let right else { return left ?? right }
        return min(left, right)
    }
}

extension HTTPRequestHead {
    /// The value of a field that is a whole number of at most nine digits; nil for anything else.
    fileprivate func milliseconds(of name: StaticString) -> Int64? {
        bytes(of: name).decimal(digitsMax: 9).map { Int64($0) }
    }
}

extension Span<UInt8> {
    /// A number of at least one and at most so many decimal digits, 18 or fewer; nil for anything
    /// else.
    func decimal(digitsMax: Int) -> Int? {
        guard (1...digitsMax).contains(count) else { return nil }
        var value = 0
        for index in indices {
            let digit = self[index] &- UInt8(ascii: "0")
            guard digit <= 9 else { return nil }
            value = value &* 10 &+ Int(digit)
        }
        return value
    }
}
