package import Features

/// What the server said: the predicted class or value of each row, and who answered.
package struct ReplayAnswer: Sendable, Equatable {
    /// The answer to one row.
    package enum Row: Sendable, Equatable {
        /// The index of the class.
        case predictedClass(Int)
        /// The number, of a regression.
        case value(Double)
    }

    /// The answers in the order of the rows.
    package private(set) var rows: [Row] = []
    /// The version that answered.
    package private(set) var version = ""

    /// Reads the answer to `POST /predict`.
    ///
    /// - Throws: `FeatureError` when it is no such answer.
    package init(_ body: [UInt8]) throws(FeatureError) {
        var reader = JSONReader(body.span)
        try reader.beginObject()
        while let key = try reader.nextKey() {
            if reader.matches(key, "predictions") {
                try reader.beginArray()
                while try reader.nextElement() {
                    try reader.beginObject()
                    while let member = try reader.nextKey() {
                        try take(member, &reader)
                    }
                }
            } else {
                try take(key, &reader)
            }
        }
        try reader.finish()
    }

    private mutating func take(_ key: JSONText, _ reader: inout JSONReader) throws(FeatureError) {
        if reader.matches(key, "class") {
            rows.append(.predictedClass(Int(try reader.readInt64())))
        } else if reader.matches(key, "value") {
            rows.append(.value(try reader.readDouble()))
        } else if reader.matches(key, "version") {
            version = try reader.readString()
        } else {
            try reader.skipValue()
        }
    }
}
