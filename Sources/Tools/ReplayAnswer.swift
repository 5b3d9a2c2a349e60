internal import Features

/// What the server said: the predicted class or value of each row, and who answered.
struct ReplayAnswer: Equatable {
    enum Row: Equatable {
        case predictedClass(Int)
        case value(Double)
    }

    private(set) var rows: [Row] = []
    private(set) var version = ""

    /// Reads the answer to `POST /predict`.
    ///
    /// - Throws: `FeatureError` when it is no such answer.
    init(_ body: [UInt8]) throws(FeatureError) {
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
