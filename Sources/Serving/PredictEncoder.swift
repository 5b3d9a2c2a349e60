internal import HTTPTransport
internal import ModelStore
internal import NIOCore

/// Writes the answers of `POST /predict`; what stays the same in all of a version is rendered once.
struct PredictEncoder {
    /// Each class's `"class":9,"label":"Ankle boot"`, ready to be copied.
    private let classes: [ByteBuffer]
    /// The names of a table's columns, for explanations.
    private let columns: [ByteBuffer]
    /// `,"model":"fashion","version":"3","request_id":`.
    let tail: ByteBuffer

    init(_ model: ActiveModel) {
        classes = model.bundle.manifest.labels.enumerated().map { index, label in
            var bytes = ByteBuffer()
            bytes.writeString("\"class\":\(index),\"label\":")
            bytes.writeJSON(label)
            return bytes
        }
        columns = Explanation.names(model.bundle.manifest.schema)
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
    ///   - rows: The network's answers; all finite.
    ///   - wasBatch: Whether the request used the form of several rows.
    ///   - requestName: What the request is called.
    ///   - body: Where the text goes; it is empty.
    func write(
        _ rows: borrowing AnswerRows,
        wasBatch: Bool,
        requestName: RequestName,
        into body: inout ByteBuffer
    ) {
        body.writeInteger(UInt8(ascii: "{"))
        if wasBatch { body.writeStaticString("\"predictions\":[") }
        for row in 0..<rows.rowCount {
            if row > 0 { body.writeInteger(UInt8(ascii: ",")) }
            if wasBatch { body.writeInteger(UInt8(ascii: "{")) }
            writeRow(rows, row, into: &body)
            if let explanation = rows.explanation {
                body.writeStaticString(",\"attributions\":")
                explanation.write(row: row, names: columns, to: &body)
            }
            if wasBatch { body.writeInteger(UInt8(ascii: "}")) }
        }
        if wasBatch { body.writeInteger(UInt8(ascii: "]")) }
        if let explanation = rows.explanation {
            body.writeStaticString(",\"explanation\":")
            explanation.writeFacts(to: &body)
        }
        body.writeImmutableBuffer(tail)
        body.writeInteger(UInt8(ascii: "\""))
        requestName.write(to: &body)
        body.writeStaticString("\"}\n")
    }

    private func writeRow(_ rows: borrowing AnswerRows, _ row: Int, into body: inout ByteBuffer) {
        if rows.task == .regression {
            body.writeStaticString("\"value\":")
            body.writeJSON(rows.outputs[row])
            return
        }
        let predicted = rows.predictedClass(row: row)
        if predicted < classes.count { body.writeImmutableBuffer(classes[predicted]) }
        body.writeStaticString(",\"probabilities\":")
        body.writeProbabilities(rows, row: row)
    }
}
