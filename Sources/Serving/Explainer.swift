internal import Features
internal import ModelStore
internal import NIOCore
internal import NeuralNetwork

/// What a request's answers are explained by: one number a feature of each row.
struct Explanation: Sendable {
    let method: ExplanationMethod
    /// `rowCount × width`: pixels of an image, columns of a table.
    let values: [Float]
    /// Features of a row.
    let width: Int
    /// The classes whose logits are explained; 0 for a regression.
    let targets: [Int32]
    /// How far the sum of a row's shares is from what its logit differs by, at the most.
    let completenessError: Float

    /// `{"method":"integrated_gradients","baseline":"zeros","steps":64,"completeness_error":0.01}`.
    func writeFacts(to body: inout ByteBuffer) {
        body.writeStaticString("{")
        writeMembers(to: &body)
        body.writeStaticString("}")
    }

    /// The members of ``writeFacts(to:)``, without the braces.
    func writeMembers(to body: inout ByteBuffer) {
        body.writeString("\"method\":\"\(method.rawValue)\"")
        if method == .integratedGradients {
            body.writeString(",\"baseline\":\"zeros\",\"steps\":\(AttributionScratch.steps)")
            body.writeStaticString(",\"completeness_error\":")
            body.writeJSON(completenessError)
        }
    }

    /// The values of a row: an array, or by the names of the columns an object.
    func write(row: Int, names: [ByteBuffer], to body: inout ByteBuffer) {
        body.writeStaticString(names.isEmpty ? "[" : "{")
        for index in 0..<width {
            if index > 0 { body.writeStaticString(",") }
            if index < names.count {
                body.writeImmutableBuffer(names[index])
                body.writeStaticString(":")
            }
            body.writeJSON(values[row * width + index])
        }
        body.writeStaticString(names.isEmpty ? "]" : "}")
    }

    /// `,"attributions":[[…],…],"explanation":{…}`: rows as arrays, in the order of the schema.
    func writeAll(_ rowCount: Int, to body: inout ByteBuffer) {
        body.writeStaticString(",\"attributions\":[")
        for row in 0..<rowCount {
            if row > 0 { body.writeStaticString(",") }
            write(row: row, names: [], to: &body)
        }
        body.writeStaticString("],\"explanation\":")
        writeFacts(to: &body)
    }

    /// The names of a table's columns as JSON, each rendered once; none for an image.
    static func names(_ schema: FeatureSchema) -> [ByteBuffer] {
        (schema.table?.columns ?? []).map { column in
            var bytes = ByteBuffer()
            bytes.writeJSON(column.name)
            return bytes
        }
    }
}

/// Explains answers on one event loop; made when it is first asked for.
final class Explainer {
    private var scratch = AttributionScratch()
    private var inputs: [Float] = []

    /// Operations that one request may cost: some tens of milliseconds, in which the loop does
    /// nothing else.
    private static let operationsMax = 2_000_000_000
    /// The most rows, however small the network.
    private static let rowsMax = 64

    /// Explains rows.
    ///
    /// - Parameters:
    ///   - batch: The rows, and what was asked.
    ///   - bundle: The version.
    ///   - predicted: The class of a row.
    /// - Returns: The explanation; nil where none was asked for.
    /// - Throws: ``PredictionFailure/parameter(name:problem:)``.
    func explain(
        _ batch: FeatureBatch,
        _ bundle: ModelBundle,
        predicted: (_ row: Int) -> Int
    ) throws(PredictionFailure) -> Explanation? {
        guard let method = batch.options.explanation else { return nil }
        let (network, schema) = (bundle.network, bundle.manifest.schema)
        try Self.check(network, method, rows: batch.rowCount)
        let chosen = try Self.chosen(batch.options.explainedClass, bundle.manifest)
        let isValue = bundle.manifest.task == .regression
        let targets = (0..<batch.rowCount).map { row in
            isValue ? 0 : Int32(chosen ?? predicted(row))
        }
        // In a place of their own, so that the compiler sees that nothing overlaps.
        var room: [Float] = []
        swap(&room, &inputs)
        defer { swap(&room, &inputs) }
        Self.encode(batch, schema, into: &room)
        let count = batch.rowCount * schema.encodedWidth
        network.attribute(
            rows: room.span.extracting(0..<count),
            targets: targets.span,
            method: method == .gradient ? .gradient : .integratedGradients,
            scratch: &scratch
        )
        var values = [Float](repeating: 0, count: batch.rowCount * schema.rawWidth)
        let error = scratch.read { scratch in
            var target = values.mutableSpan
            schema.gather(
                scratch.attributions,
                areSlopes: method == .gradient,
                raw: batch.raw,
                inputs: room.span.extracting(0..<count),
                into: &target
            )
            return scratch.completenessError
        }
        guard error.isFinite, values.allSatisfy(\.isFinite) else {
            throw .parameter(name: "explain", problem: "the explanation is not a finite number")
        }
        return Explanation(
            method: method,
            values: values,
            width: schema.rawWidth,
            targets: targets,
            completenessError: error
        )
    }

    private static func encode(
        _ batch: FeatureBatch,
        _ schema: FeatureSchema,
        into room: inout [Float]
    ) {
        let missing = batch.rowCount * schema.encodedWidth - room.count
        if missing > 0 { room.append(contentsOf: repeatElement(0, count: missing)) }
        var target = room.mutableSpan
        schema.encode(raw: batch.raw, into: &target)
    }

    private static func check(
        _ network: MultilayerPerceptron,
        _ method: ExplanationMethod,
        rows: Int
    ) throws(PredictionFailure) {
        // Forward and backward are two operations a weight each; a single row goes back in the
        // company of fifteen empty ones.
        let each = method == .gradient ? 34 : 4 * (AttributionScratch.steps + 16)
        let most = min(Self.rowsMax, Self.operationsMax / max(1, each * network.parameterCount))
        guard rows > most else { return }
        let problem =
            most == 0
            ? "\(method.rawValue) takes too long for a network of this size"
            : "\(rows) rows: at most \(most) can be explained at once by \(method.rawValue)"
        throw .parameter(name: "explain", problem: problem)
    }

    /// The class that the request names; nil for the predicted one of each row.
    private static func chosen(
        _ label: FeedbackItem.Label?,
        _ manifest: Manifest
    ) throws(PredictionFailure) -> Int? {
        guard let label else { return nil }
        let classes = manifest.task == .binary ? 2 : manifest.labels.count
        let index: Int? =
            switch label {
            case .name(let name): manifest.labels.firstIndex(of: name)
            case .number(let number): Int(exactly: number)
            }
        guard manifest.task != .regression, let index, (0..<classes).contains(index) else {
            let problem = "expected a class's label or its index below \(classes)"
            throw .parameter(name: "explain_class", problem: problem)
        }
        return index
    }
}
