internal import HTTPTransport
internal import ModelStore
internal import NIOCore
internal import NeuralNetwork

/// What stays the same in every answer of one version, rendered once.
struct PredictionResponse {
    private let task: ModelTask
    /// Each class's `"class":9,"label":"Ankle boot"`, ready to be copied.
    private let classes: [ByteBuffer]
    /// `,"model":"fashion","version":"3","request_id":`.
    private let tail: ByteBuffer

    init(_ model: ActiveModel) {
        task = model.bundle.manifest.task
        classes = model.bundle.manifest.labels.enumerated().map { index, label in
            var bytes = ByteBuffer()
            bytes.writeString("\"class\":\(index),\"label\":")
            bytes.writeJSON(label)
            return bytes
        }
        var tail = ByteBuffer()
        tail.writeStaticString(",\"model\":")
        tail.writeJSON(model.name)
        tail.writeStaticString(",\"version\":")
        tail.writeJSON(String(model.version))
        tail.writeStaticString(",\"request_id\":")
        self.tail = tail
    }

    /// Writes the body of an answer.
    ///
    /// - Parameters:
    ///   - outputs: The network's answers; all finite.
    ///   - wasBatch: Whether the request used the form of several rows.
    ///   - requestName: What the request is called.
    ///   - body: Where the text goes; it is empty.
    func write(
        _ outputs: borrowing InferenceScratch,
        wasBatch: Bool,
        requestName: RequestName,
        into body: inout ByteBuffer
    ) {
        let width = outputs.outputWidth
        body.writeInteger(UInt8(ascii: "{"))
        if wasBatch { body.writeStaticString("\"predictions\":[") }
        for row in 0..<outputs.rowCount {
            if row > 0 { body.writeInteger(UInt8(ascii: ",")) }
            if wasBatch { body.writeInteger(UInt8(ascii: "{")) }
            writeRow(
                outputs.probabilities.extracting(row * width..<(row + 1) * width),
                outputs.predictedClass(row: row),
                into: &body
            )
            if wasBatch { body.writeInteger(UInt8(ascii: "}")) }
        }
        if wasBatch { body.writeInteger(UInt8(ascii: "]")) }
        body.writeImmutableBuffer(tail)
        body.writeInteger(UInt8(ascii: "\""))
        requestName.write(to: &body)
        body.writeStaticString("\"}\n")
    }

    private func writeRow(_ outputs: Span<Float>, _ predicted: Int, into body: inout ByteBuffer) {
        if task == .regression {
            body.writeStaticString("\"value\":")
            body.writeJSON(outputs[0])
            return
        }
        if predicted < classes.count { body.writeImmutableBuffer(classes[predicted]) }
        body.writeStaticString(",\"probabilities\":[")
        if task == .binary {
            body.writeJSON(1 - outputs[0])
            body.writeInteger(UInt8(ascii: ","))
        }
        for index in outputs.indices {
            if index > 0 { body.writeInteger(UInt8(ascii: ",")) }
            body.writeJSON(outputs[index])
        }
        body.writeInteger(UInt8(ascii: "]"))
    }
}
