internal import Features
internal import HTTPTransport
internal import ModelStore
internal import NIOCore
internal import NeuralNetwork

/// What became of one label.
enum FeedbackOutcome: Sendable, Equatable {
    /// The row is not, or no longer, remembered.
    case unknown
    /// The row has its label already: the first one stands.
    case repeated(model: String)
    /// The model has no such label; the row waits for another one.
    case labelInvalid(model: String, expected: String)
    /// The row, with what came true.
    case joined(LabelledRow)
}

/// A row that was predicted, with what came true.
struct LabelledRow: Sendable, Equatable {
    let model: String
    let schema: FeatureSchema
    let labels: [String]
    let truth: Truth
    let prediction: RememberedRow
    let name: RowName

    enum Truth: Sendable, Equatable {
        case `class`(Int)
        case value(Double)
    }

    /// Whether the answer was right; nil for a regression.
    var isCorrect: Bool? {
        switch truth {
        case .class(let truth): truth == prediction.predicted
        case .value: nil
        }
    }
}

/// One model's ring on one event loop, and how labels are understood there.
struct LabelledModel {
    let meaning: Meaning
    let ring: RecentPredictions

    /// What rows and labels of a version mean.
    struct Meaning: Sendable {
        let name: String
        let task: ModelTask
        let labels: [String]
        let schema: FeatureSchema

        init(_ model: ActiveModel) {
            let manifest = model.bundle.manifest
            (name, task, labels) = (model.name, manifest.task, manifest.labels)
            schema = manifest.schema
        }

        /// Whether a row that the other version answered can be judged by this one's labels.
        func isShared(with other: Meaning) -> Bool {
            other.task == task && other.labels == labels && other.schema.readsSameRows(as: schema)
        }
    }

    private var task: ModelTask { meaning.task }
    private var labels: [String] { meaning.labels }

    /// Joins a label with its row.
    func join(_ item: FeedbackItem) -> FeedbackOutcome {
        let truth = truth(item.label)
        let key = RequestKey(Array(item.request.utf8).span)
        switch ring.take(key, row: item.row, if: truth != nil) {
        case .unknown: return .unknown
        case .repeated: return .repeated(model: meaning.name)
        case .found(let row):
            guard let truth else {
                return .labelInvalid(model: meaning.name, expected: expected)
            }
            return .joined(
                LabelledRow(
                    model: meaning.name,
                    schema: meaning.schema,
                    labels: labels,
                    truth: truth,
                    prediction: row,
                    name: RowName(key, row: item.row)
                )
            )
        }
    }

    private var classes: Int { task == .binary ? 2 : labels.count }

    private func truth(_ label: FeedbackItem.Label) -> LabelledRow.Truth? {
        switch (task, label) {
        case (.regression, .number(let value)):
            return value.isFinite ? .value(value) : nil
        case (.regression, .name):
            return nil
        case (_, .name(let name)):
            return labels.firstIndex(of: name).map { .class($0) }
        case (_, .number(let number)):
            guard let index = Int(exactly: number), (0..<classes).contains(index) else {
                return nil
            }
            return .class(index)
        }
    }

    private var expected: String {
        guard task != .regression else { return "a number" }
        // A long list would tell less than its beginning.
        let names = labels.prefix(20).joined(separator: ", ") + (labels.count > 20 ? ", …" : "")
        return "an index below \(classes)" + (labels.isEmpty ? "" : " or one of \(names)")
    }
}

/// The answer to `POST /feedback`.
struct FeedbackAnswer {
    let items: [FeedbackItem]
    let outcomes: [FeedbackOutcome]

    /// The whole answer: a single item that is not taken is an error.
    func response(
        to request: HTTPRequest,
        wasBatch: Bool,
        failed: (_ code: String) -> Void
    ) -> HTTPResponse {
        var body = ByteBuffer()
        if wasBatch {
            writeBatch(to: &body)
        } else if let item = items.first, let outcome = outcomes.first {
            if let failure = outcome.failure {
                failed(failure.code)
                return failure.response(to: request, route: request.route)
            }
            write(item, outcome, to: &body)
            body.writeStaticString("\n")
        }
        return HTTPResponse(status: .ok, body: body, route: request.route)
    }

    /// `{"joined":1,"results":[…]}`, in the order of the items.
    func writeBatch(to body: inout ByteBuffer) {
        let joined = outcomes.reduce(0) { $0 + ($1.isJoined ? 1 : 0) }
        body.writeString("{\"joined\":\(joined),\"results\":[")
        for index in items.indices where index < outcomes.count {
            if index > 0 { body.writeStaticString(",") }
            write(items[index], outcomes[index], to: &body)
        }
        body.writeStaticString("]}\n")
    }

    /// The object of one item.
    func write(_ item: FeedbackItem, _ outcome: FeedbackOutcome, to body: inout ByteBuffer) {
        body.writeStaticString("{\"request_id\":")
        body.writeJSON(item.request)
        body.writeString(",\"row\":\(item.row),\"status\":\"\(outcome.word)\"")
        switch outcome {
        case .unknown: break
        case .repeated(let model): write(model: model, to: &body)
        case .labelInvalid(let model, let expected):
            write(model: model, to: &body)
            body.writeStaticString(",\"expected\":")
            body.writeJSON(expected)
        case .joined(let row):
            write(model: row.model, to: &body)
            body.writeString(",\"version\":\"\(row.prediction.version)\"")
            if let isCorrect = row.isCorrect { body.writeString(",\"correct\":\(isCorrect)") }
        }
        body.writeStaticString("}")
    }

    private func write(model: String, to body: inout ByteBuffer) {
        body.writeStaticString(",\"model\":")
        body.writeJSON(model)
    }
}

extension FeedbackOutcome {
    /// The word in answers and metrics.
    var word: String {
        switch self {
        case .unknown: "unknown"
        case .repeated: "repeated"
        case .labelInvalid: "label_invalid"
        case .joined: "joined"
        }
    }

    var isJoined: Bool {
        if case .joined = self { true } else { false }
    }

    /// The model that the item was for; nil when no row was found.
    var model: String? {
        switch self {
        case .unknown: nil
        case .repeated(let model), .labelInvalid(let model, _): model
        case .joined(let row): row.model
        }
    }

    /// Why a single item is not taken; nil when it is.
    var failure: PredictionFailure? {
        switch self {
        case .joined: nil
        case .unknown: .feedbackUnknown
        case .repeated: .feedbackRepeated
        case .labelInvalid(_, let expected): .feedbackLabel(expected: expected)
        }
    }
}
