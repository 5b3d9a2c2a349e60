/// What a request says beside its rows, in any dialect.
///
/// It is part of a ``FeatureBatch`` and forgotten with it.
package struct RequestOptions: Sendable, Equatable {
    /// Whether the request was written by columns, so that the answer must be, too.
    package var isColumnar = false
    /// Where the request's own id stands in the body, with its quotes; nil when it has none.
    package var identifier: Range<Int>?
    /// The outputs that are wanted, in the client's order; empty for all.
    package var outputs: [RequestedOutput] = []
    /// Whether outputs come in binary form where they do not say otherwise themselves.
    package var isBinary = false
    /// How the answers shall be explained; nil for not at all.
    package var explanation: ExplanationMethod?
    /// The class whose logit is explained, by its label or its index; nil for the predicted one.
    package var explainedClass: FeedbackItem.Label?
    /// How long the client waits for the answer, in microseconds; nil when it did not say.
    package var timeoutMicroseconds: Int64?

    /// Says nothing.
    package init() {}

    /// Forgets all that was said, but keeps the memory.
    mutating func reset() {
        var empty = RequestOptions()
        swap(&empty.outputs, &outputs)
        empty.outputs.removeAll(keepingCapacity: true)
        self = empty
    }

    /// Words of other servers that mean nothing to a model without state, and are passed over.
    private static let ignored = [
        "priority", "sequence_id", "sequence_start", "sequence_end", "headers", "content_type",
        "triton_enable_empty_final_response",
    ]

    /// Reads the object `parameters` of a request, which comes next.
    ///
    /// - Parameters:
    ///   - reader: Stands before the object.
    ///   - hasTensors: Whether outputs may be asked for in binary form.
    /// - Throws: ``FeatureError/invalidParameter(_:problem:)`` for one that is not known.
    mutating func readParameters(
        _ reader: inout JSONReader,
        hasTensors: Bool = false
    ) throws(FeatureError) {
        var hasForm = false
        try reader.beginObject()
        while let key = try reader.nextKey() {
            if reader.matches(key, "timeout") {
                guard timeoutMicroseconds == nil else {
                    throw PredictDecoder.repeated(key, reader)
                }
                timeoutMicroseconds = try readTimeout(&reader)
            } else if reader.matches(key, "explain") {
                guard explanation == nil else { throw PredictDecoder.repeated(key, reader) }
                explanation = try readMethod(&reader)
            } else if reader.matches(key, "explain_class") {
                guard explainedClass == nil else { throw PredictDecoder.repeated(key, reader) }
                explainedClass = try FeedbackItem.Label.read(&reader)
            } else if hasTensors, reader.matches(key, "binary_data_output") {
                guard !hasForm else { throw PredictDecoder.repeated(key, reader) }
                hasForm = true
                isBinary = try reader.readBoolean()
            } else {
                try Self.pass(key, &reader)
            }
        }
    }

    private func readTimeout(_ reader: inout JSONReader) throws(FeatureError) -> Int64 {
        reader.skipWhitespace()
        let start = reader.position
        let value = Int64(try reader.readWhole())
        guard value >= 0 else {
            let problem = "a timeout is a number of microseconds, not below 0"
            throw .invalidParameter(reader.place(start), problem: problem)
        }
        return value
    }

    private func readMethod(
        _ reader: inout JSONReader
    ) throws(FeatureError) -> ExplanationMethod {
        reader.skipWhitespace()
        let start = reader.position
        let word = try reader.readString()
        guard let method = ExplanationMethod(rawValue: word) else {
            let known = ExplanationMethod.allCases.map(\.rawValue).joined(separator: " or ")
            throw .invalidParameter(reader.place(start), problem: "expected \(known)")
        }
        return method
    }

    /// Passes over a parameter that means nothing here, or refuses it.
    static func pass(
        _ key: JSONText,
        _ reader: inout JSONReader
    ) throws(FeatureError) {
        for word in ignored where reader.matches(key, word) { return try reader.skipValue() }
        let name = JSONPath.excerpt(key.range, of: reader.bytes)
        let place = reader.place(key.range.lowerBound - 1)
        throw .invalidParameter(place, problem: "no parameter is called \"\(name)\"")
    }
}

/// One output tensor that a request asks for.
package struct RequestedOutput: Sendable, Equatable {
    /// Its place among the model's outputs.
    package let index: Int
    /// Whether it shall come in binary form; nil when the request as a whole decides.
    package var isBinary: Bool?
    /// How many classes shall be told as text, best first; 0 for the tensor itself.
    package var classCount = 0

    /// Asks for an output.
    package init(index: Int, isBinary: Bool? = nil, classCount: Int = 0) {
        self.index = index
        self.isBinary = isBinary
        self.classCount = classCount
    }
}
