internal import Features
internal import HTTPTransport
internal import ModelStore
internal import NIOCore

/// Writes the answers of `:predict`: `predictions` by rows, or `outputs` by columns.
///
/// A row's answer is the list of its probabilities, as a network with one softmax output gives it
/// in TensorFlow Serving, or the value of a regression. Model, version and request id follow;
/// clients of those servers pass over them.
struct InstancesEncoder {
    /// `,"model":"fashion","version":"3","request_id":`.
    private let tail: ByteBuffer

    init(tail: ByteBuffer) { self.tail = tail }

    /// Writes the body of an answer.
    ///
    /// - Parameters:
    ///   - rows: The network's answers; all finite.
    ///   - isColumnar: Whether the request was written by columns.
    ///   - requestName: What the request is called.
    ///   - body: Where the text goes; it is empty.
    func write(
        _ rows: borrowing AnswerRows,
        isColumnar: Bool,
        requestName: RequestName,
        into body: inout ByteBuffer
    ) {
        // One output tensor without a name: its values by columns are the same list.
        body.writeStaticString(isColumnar ? "{\"outputs\":[" : "{\"predictions\":[")
        for row in 0..<rows.rowCount {
            if row > 0 { body.writeInteger(UInt8(ascii: ",")) }
            if rows.task == .regression {
                body.writeJSON(rows.outputs[row])
            } else {
                body.writeProbabilities(rows, row: row)
            }
        }
        body.writeInteger(UInt8(ascii: "]"))
        if let explanation = rows.explanation { explanation.writeAll(rows.rowCount, to: &body) }
        body.writeImmutableBuffer(tail)
        body.writeInteger(UInt8(ascii: "\""))
        requestName.write(to: &body)
        body.writeStaticString("\"}\n")
    }

    /// Writes a line a row, as SageMaker's own containers answer those who want `text/csv`: its
    /// probabilities, or the value of a regression.
    func writeText(_ rows: borrowing AnswerRows, into body: inout ByteBuffer) {
        for row in 0..<rows.rowCount {
            if rows.task == .regression { body.writeJSON(rows.outputs[row]) }
            for index in 0..<rows.classCount {
                if index > 0 { body.writeInteger(UInt8(ascii: ",")) }
                body.writeJSON(rows.probability(row: row, of: index))
            }
            body.writeInteger(UInt8(ascii: "\n"))
        }
    }
}

extension ByteBuffer {
    /// Writes the probabilities of a row as an array.
    mutating func writeProbabilities(_ rows: borrowing AnswerRows, row: Int) {
        // A binary32's shortest text has at most fifteen bytes.
        write(atMost: 16 * rows.classCount + 2) { writer in
            writer.write("[")
            for index in 0..<rows.classCount {
                if index > 0 { writer.write(",") }
                writer.write(ShortestFloat(rows.probability(row: row, of: index)).span)
            }
            writer.write("]")
        }
    }
}
