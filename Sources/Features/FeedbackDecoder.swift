/// What came true for one row that was predicted before.
package struct FeedbackItem: Sendable, Equatable {
    /// What the request was called in its answer.
    package var request: String
    /// The row of the request, from 0.
    package var row: Int
    /// The true label, or the true value.
    package var label: Label
    /// The model, where the client names it.
    package var model: String?

    /// A class by its name or number, or a value.
    package enum Label: Sendable, Equatable {
        /// The name of a class.
        case name(String)
        /// The index of a class, or the value of a regression.
        case number(Double)
    }

    /// Says what came true.
    package init(request: String, row: Int = 0, label: Label, model: String? = nil) {
        self.request = request
        self.row = row
        self.label = label
        self.model = model
    }
}

/// Reads the body of `POST /feedback`.
///
/// One item is `{"request_id": "…", "label": "Ankle boot"}`, where the label is a name, an index or
/// (regression) a value; `"row": 2` says which row of a request of several. `"model"` may be given,
/// too. Several items are `{"feedback": [{…}, …]}`.
package struct FeedbackDecoder: Sendable {
    /// The most items in one request.
    package let itemsMax: Int

    /// The longest id of a request, in bytes.
    package static let requestBytesMax = 64

    /// Prepares to decode.
    package init(itemsMax: Int) { self.itemsMax = itemsMax }

    /// Reads a whole body.
    ///
    /// - Returns: The items, at least one, and whether they came in the form of several.
    /// - Throws: what is wrong with the body, with path and byte.
    package func decode(
        _ body: Span<UInt8>
    ) throws(FeatureError) -> (items: [FeedbackItem], wasBatch: Bool) {
        var reader = JSONReader(body)
        var list: [FeedbackItem]?
        var draft = Draft()
        try reader.beginObject()
        while let key = try reader.nextKey() {
            if reader.matches(key, "feedback") {
                guard list == nil else { throw PredictDecoder.repeated(key, reader) }
                guard draft.isEmpty else { throw Self.unknown(key, reader, Self.members) }
                list = try readList(&reader)
            } else if list != nil {
                throw Self.unknown(key, reader, "nothing beside feedback")
            } else {
                try draft.read(key, &reader)
            }
        }
        try reader.finish()
        if let list { return (list, true) }
        return ([try draft.item()], false)
    }

    private func readList(_ reader: inout JSONReader) throws(FeatureError) -> [FeedbackItem] {
        var items: [FeedbackItem] = []
        let place = reader.place
        try reader.beginArray()
        while try reader.nextElement() {
            guard items.count < itemsMax else { throw .tooManyRows(rowsMax: itemsMax) }
            var draft = Draft()
            try reader.beginObject()
            while let key = try reader.nextKey() { try draft.read(key, &reader) }
            items.append(try draft.item())
        }
        guard !items.isEmpty else { throw .noRows(place) }
        return items
    }

    private static let members = "request_id, row, label or model"

    private static func unknown(
        _ key: JSONText,
        _ reader: borrowing JSONReader,
        _ expected: String
    ) -> FeatureError {
        let name = JSONPath.excerpt(key.range, of: reader.bytes)
        return .unknownKey(reader.place(key.range.lowerBound - 1), key: name, expected: expected)
    }

    /// An item whose members are being read.
    private struct Draft {
        var request: String?
        var row: Int?
        var label: FeedbackItem.Label?
        var model: String?

        var isEmpty: Bool { request == nil && row == nil && label == nil && model == nil }

        mutating func read(
            _ key: JSONText,
            _ reader: inout JSONReader
        ) throws(FeatureError) {
            if reader.matches(key, "request_id") {
                guard request == nil else { throw PredictDecoder.repeated(key, reader) }
                request = try readRequest(&reader)
            } else if reader.matches(key, "label") {
                guard label == nil else { throw PredictDecoder.repeated(key, reader) }
                label = try FeedbackItem.Label.read(&reader)
            } else if reader.matches(key, "row") {
                guard row == nil else { throw PredictDecoder.repeated(key, reader) }
                row = try readRow(&reader)
            } else if reader.matches(key, "model") {
                guard model == nil else { throw PredictDecoder.repeated(key, reader) }
                model = try reader.readString()
            } else {
                throw FeedbackDecoder.unknown(key, reader, FeedbackDecoder.members)
            }
        }

        private func readRequest(_ reader: inout JSONReader) throws(FeatureError) -> String {
            reader.skipWhitespace()
            let place = reader.place
            let request = try reader.readString()
            let range = 1...FeedbackDecoder.requestBytesMax
            guard range.contains(request.utf8.count) else {
                throw .wrongLength(
                    place,
                    expected: "an id of 1 to \(FeedbackDecoder.requestBytesMax) bytes",
                    found: "\(request.utf8.count)"
                )
            }
            return request
        }

        private func readRow(_ reader: inout JSONReader) throws(FeatureError) -> Int {
            reader.skipWhitespace()
            let place = reader.place
            let row = try reader.readWhole()
            guard row >= 0, row <= Int(Int32.max) else {
                throw .wrongType(place, expected: "a row's number from 0", found: "\(row)")
            }
            return row
        }

        func item() throws(FeatureError) -> FeedbackItem {
            guard let request else { throw .missingKey(expected: #""request_id": "…""#) }
            guard let label else { throw .missingKey(expected: #""label": …"#) }
            return FeedbackItem(request: request, row: row ?? 0, label: label, model: model)
        }
    }
}

extension FeedbackItem.Label {
    /// Reads a string or a number.
    static func read(
        _ reader: inout JSONReader
    ) throws(FeatureError) -> FeedbackItem.Label {
        switch try reader.peek() {
        case .string: return .name(try reader.readString())
        case .number: return .number(try reader.readDouble())
        case let found:
            throw .wrongType(
                reader.place,
                expected: "a label's name or a number",
                found: found.phrase
            )
        }
    }
}
