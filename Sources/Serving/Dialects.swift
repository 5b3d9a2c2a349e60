internal import Features
internal import HTTPTransport
internal import ModelStore
internal import NIOCore

/// What turns the bodies of all dialects into rows, for one version.
struct Decoders {
    private let predict: PredictDecoder
    private let instances: InstancesDecoder
    private let tensors: TensorDecoder
    private let plain: PlainDecoder
    private let invocations: InstancesDecoder

    init(_ manifest: Manifest, rowsMax: Int) {
        predict = PredictDecoder(schema: manifest.schema, rowsMax: rowsMax)
        instances = InstancesDecoder(predict)
        plain = PlainDecoder(predict)
        invocations = InstancesDecoder(predict, takesFrames: true)
        let outputs = TensorOutput.all(of: manifest.task)
        tensors = TensorDecoder(
            predict,
            outputs: outputs.map(\.name),
            classified: outputs.firstIndex(of: .probabilities)
        )
    }

    /// Reads the body of a request.
    func decode(
        _ request: HTTPRequest,
        _ dialect: Dialect,
        _ form: BodyForm,
        into batch: inout FeatureBatch
    ) throws(PredictionFailure) {
        let headerBytes = dialect == .tensors ? try request.inferenceHeaderBytes() : nil
        let datatype = form == .octets ? try request.datatype() : nil
        let body = request.body.readableBytesUInt8Span
        do throws(FeatureError) {
            switch (dialect, form) {
            case (.tensors, _): try tensors.decode(body, headerBytes: headerBytes, into: &batch)
            case (.predict, .json): try predict.decode(body, into: &batch)
            case (.invocations, .json): try invocations.decode(body, into: &batch)
            case (_, .json): try instances.decode(body, into: &batch)
            case (_, .text):
                try plain.decodeText(body, header: request.textHeader, into: &batch)
            case (_, .octets): try plain.decodeBytes(body, datatype: datatype, into: &batch)
            }
        } catch {
            throw .input(error)
        }
    }
}

/// What turns answers into the bodies of all dialects, for one version.
struct Encoders {
    private let predict: PredictEncoder
    private let instances: InstancesEncoder
    private let tensors: TensorEncoder

    init(_ model: ActiveModel) {
        predict = PredictEncoder(model)
        instances = InstancesEncoder(tail: predict.tail)
        tensors = TensorEncoder(model)
    }

    /// The form of an answer's body.
    enum Written {
        /// All of it is JSON.
        case json
        /// All of it is comma-separated text.
        case text
        /// So much of it is JSON, and binary data follows.
        case binary(headerBytes: Int)
    }

    /// Writes the body of an answer; all its numbers are finite.
    ///
    /// - Parameters:
    ///   - rows: The network's answers.
    ///   - batch: The request's rows and options.
    ///   - dialect: In whose words.
    ///   - request: What was asked.
    ///   - body: Where the bytes go; it is empty.
    ///   - spare: More room, kept from answer to answer.
    /// - Returns: The form that it has.
    func write(
        _ rows: borrowing AnswerRows,
        _ batch: borrowing FeatureBatch,
        _ dialect: Dialect,
        _ request: HTTPRequest,
        into body: inout ByteBuffer,
        _ spare: inout ByteBuffer
    ) -> Written {
        switch dialect {
        case .predict:
            predict.write(
                rows,
                wasBatch: batch.wasBatch,
                requestName: request.name,
                into: &body
            )
        case .invocations where request.head.field("accept", is: "text/csv"):
            instances.writeText(rows, into: &body)
            return .text
        case .instances, .invocations:
            instances.write(
                rows,
                isColumnar: batch.options.isColumnar,
                requestName: request.name,
                into: &body
            )
        case .tensors:
            let length = tensors.write(rows, batch.options, request.body, into: &body, &spare)
            return length.map { .binary(headerBytes: $0) } ?? .json
        }
        return .json
    }
}
