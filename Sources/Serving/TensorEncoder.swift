internal import Features
internal import HTTPTransport
internal import ModelStore
internal import NIOCore

/// Writes the answers of the Open Inference Protocol, in JSON, in binary form, or in both.
struct TensorEncoder {
    /// `{"model_name":"fashion","model_version":"3"`.
    private let head: ByteBuffer
    /// Each class's label as plain text.
    private let labels: [String]
    private let outputs: [TensorOutput]
    /// Of each output `{"name":"class","datatype":"INT64","shape":[`.
    private let openings: [ByteBuffer]
    /// The same for the output of probabilities when it is asked for as texts of classes.
    private let classOpening: ByteBuffer

    init(_ model: ActiveModel) {
        var head = ByteBuffer()
        head.writeStaticString("{\"model_name\":")
        head.writeJSON(model.name)
        head.writeStaticString(",\"model_version\":")
        head.writeJSON(String(model.version))
        self.head = head
        labels = model.bundle.manifest.labels
        outputs = TensorOutput.all(of: model.bundle.manifest.task)
        openings = outputs.map { Self.opening($0, $0.datatype) }
        classOpening = Self.opening(.probabilities, .bytes)
    }

    private static func opening(_ output: TensorOutput, _ datatype: TensorDatatype) -> ByteBuffer {
        ByteBuffer(
            string: "{\"name\":\"\(output.name)\",\"datatype\":\"\(datatype.rawValue)\",\"shape\":["
        )
    }

    /// Writes the body of an answer: the JSON, and after it the outputs that shall be binary.
    ///
    /// - Parameters:
    ///   - rows: The network's answers; all finite.
    ///   - options: Which outputs are wanted, and how.
    ///   - request: The body of the request, which holds its id.
    ///   - body: Where the bytes go; it is empty.
    ///   - binary: Room for the binary outputs until the JSON is whole.
    /// - Returns: The length of the JSON; nil when nothing follows it.
    func write(
        _ rows: borrowing AnswerRows,
        _ options: RequestOptions,
        _ request: ByteBuffer,
        into body: inout ByteBuffer,
        _ binary: inout ByteBuffer
    ) -> Int? {
        binary.clear()
        body.writeImmutableBuffer(head)
        if let range = options.identifier,
            let text = request.getSlice(
                at: request.readerIndex + range.lowerBound,
                length: range.count
            )
        {
            body.writeStaticString(",\"id\":")
            body.writeImmutableBuffer(text)
        }
        body.writeStaticString(",\"outputs\":[")
        if options.outputs.isEmpty {
            for index in outputs.indices {
                if index > 0 { body.writeInteger(UInt8(ascii: ",")) }
                write(rows, RequestedOutput(index: index), options, &body, &binary)
            }
        } else {
            for (place, output) in options.outputs.enumerated() {
                if place > 0 { body.writeInteger(UInt8(ascii: ",")) }
                write(rows, output, options, &body, &binary)
            }
        }
        if let explanation = rows.explanation {
            body.writeInteger(UInt8(ascii: ","))
            write(explanation, rows.rowCount, isBinary: options.isBinary, &body, &binary)
        }
        body.writeStaticString("]}")
        guard binary.readableBytes > 0 else { return nil }
        let length = body.readableBytes
        body.writeImmutableBuffer(binary)
        return length
    }

    /// One output: its description, and its elements in one of the two forms.
    private func write(
        _ rows: borrowing AnswerRows,
        _ requested: RequestedOutput,
        _ options: RequestOptions,
        _ body: inout ByteBuffer,
        _ binary: inout ByteBuffer
    ) {
        let output = outputs[requested.index]
        let classCount = min(requested.classCount, rows.classCount)
        let isBinary = requested.isBinary ?? options.isBinary
        let width = classCount > 0 ? classCount : output == .probabilities ? rows.classCount : nil
        let start = binary.readableBytes
        if isBinary {
            if classCount > 0 {
                writeBinaryClasses(rows, classCount, &binary)
            } else {
                writeBinaryNumbers(rows, output, &binary)
            }
        }
        let size = binary.readableBytes - start
        let opening = classCount > 0 ? classOpening : openings[requested.index]
        // The literals and three numbers have 110 bytes at the most.
        body.write(atMost: opening.readableBytes + 128) { body in
            body.write(opening)
            body.write(decimal: rows.rowCount)
            if let width {
                body.write(",")
                body.write(decimal: width)
            }
            if isBinary {
                body.write("],\"parameters\":{\"binary_data_size\":")
                body.write(decimal: size)
                body.write("}}")
            } else {
                body.write("],\"data\":[")
            }
        }
        if !isBinary {
            if classCount > 0 {
                writeClasses(rows, classCount, &body)
            } else {
                writeNumbers(rows, output, &body)
            }
            body.writeStaticString("]}")
        }
    }

    /// What led to the answers, as one more output: FP32 `[n, features]`.
    private func write(
        _ explanation: Explanation,
        _ rowCount: Int,
        isBinary: Bool,
        _ body: inout ByteBuffer,
        _ binary: inout ByteBuffer
    ) {
        body.writeStaticString("{\"name\":\"attributions\",\"datatype\":\"FP32\",\"shape\":[")
        body.writeString("\(rowCount),\(explanation.width)")
        body.writeStaticString("],\"parameters\":{")
        explanation.writeMembers(to: &body)
        guard isBinary else {
            body.writeStaticString("},\"data\":[")
            for index in explanation.values.indices {
                if index > 0 { body.writeInteger(UInt8(ascii: ",")) }
                body.writeJSON(explanation.values[index])
            }
            body.writeStaticString("]}")
            return
        }
        body.writeString(",\"binary_data_size\":\(4 * explanation.values.count)}}")
        for value in explanation.values {
            binary.writeInteger(value.bitPattern, endianness: .little)
        }
    }

    // MARK: Numbers

    private func writeNumbers(
        _ rows: borrowing AnswerRows,
        _ output: TensorOutput,
        _ body: inout ByteBuffer
    ) {
        for row in 0..<rows.rowCount {
            if row > 0 { body.writeInteger(UInt8(ascii: ",")) }
            switch output {
            case .probabilities:
                for index in 0..<rows.classCount {
                    if index > 0 { body.writeInteger(UInt8(ascii: ",")) }
                    body.writeJSON(rows.probability(row: row, of: index))
                }
            case .class: body.writeString("\(rows.predictedClass(row: row))")
            case .value: body.writeJSON(rows.outputs[row])
            }
        }
    }

    private func writeBinaryNumbers(
        _ rows: borrowing AnswerRows,
        _ output: TensorOutput,
        _ binary: inout ByteBuffer
    ) {
        binary.write(atMost: rows.rowCount * max(8, 4 * rows.classCount)) { binary in
            for row in 0..<rows.rowCount {
                switch output {
                case .probabilities:
                    for index in 0..<rows.classCount {
                        let value = rows.probability(row: row, of: index)
                        binary.write(littleEndian: value.bitPattern)
                    }
                case .class: binary.write(littleEndian: Int64(rows.predictedClass(row: row)))
                case .value: binary.write(littleEndian: rows.outputs[row].bitPattern)
                }
            }
        }
    }

    // MARK: Classes

    private func writeClasses(
        _ rows: borrowing AnswerRows,
        _ count: Int,
        _ body: inout ByteBuffer
    ) {
        for row in 0..<rows.rowCount {
            for (place, index) in best(rows, row, count).enumerated() {
                if row + place > 0 { body.writeInteger(UInt8(ascii: ",")) }
                body.writeJSON(text(rows, row, index))
            }
        }
    }

    private func writeBinaryClasses(
        _ rows: borrowing AnswerRows,
        _ count: Int,
        _ binary: inout ByteBuffer
    ) {
        for row in 0..<rows.rowCount {
            for index in best(rows, row, count) {
                let text = text(rows, row, index)
                binary.writeInteger(UInt32(clamping: text.utf8.count), endianness: .little)
                binary.writeString(text)
            }
        }
    }

    /// `<probability>:<index>:<label>`.
    private func text(_ rows: borrowing AnswerRows, _ row: Int, _ index: Int) -> String {
        let label = labels.indices.contains(index) ? ":\(labels[index])" : ""
        return "\(rows.probability(row: row, of: index)):\(index)\(label)"
    }

    /// The most probable classes, best first; of equals the first.
    private func best(_ rows: borrowing AnswerRows, _ row: Int, _ count: Int) -> [Int] {
        var order: [(value: Float, index: Int)] = []
        for index in 0..<rows.classCount {
            order.append((rows.probability(row: row, of: index), index))
        }
        order.sort { ($0.value, $1.index) > ($1.value, $0.index) }
        return order.prefix(count).map(\.index)
    }
}

/// The output tensors of a model.
enum TensorOutput: String, Sendable {
    /// FP32 `[n, C]`.
    case probabilities
    /// INT64 `[n]`.
    case `class`
    /// FP32 `[n]`.
    case value

    var name: String { rawValue }

    var datatype: TensorDatatype { self == .class ? .int64 : .float32 }

    /// Those of a task, in the order in which they are told.
    static func all(of task: ModelTask) -> [TensorOutput] {
        task == .regression ? [.value] : [.probabilities, .class]
    }
}
