internal import Features
internal import ModelStore
internal import NIOCore

/// What a version tells of itself in the words of each protocol; written for each answer anew,
/// since nobody asks for it as often as for predictions.
struct ModelDescription {
    let model: ActiveModel

    private var manifest: Manifest { model.bundle.manifest }

    /// A tensor as protocols describe it; -1 stands for any number of rows.
    struct Tensor {
        let name: String
        let datatype: TensorDatatype
        let shape: [Int]
    }

    /// The inputs: an image's one, or one a column.
    var inputs: [Tensor] {
        guard let table = manifest.schema.table else {
            let shape = [-1, manifest.schema.rawWidth]
            return [Tensor(name: "image", datatype: .float32, shape: shape)]
        }
        return table.columns.map {
            let type = $0.type == .categorical ? TensorDatatype.bytes : .float32
            return Tensor(name: $0.name, datatype: type, shape: [-1])
        }
    }

    /// The outputs in their order.
    var outputs: [Tensor] {
        TensorOutput.all(of: manifest.task).map {
            let shape = $0 == .probabilities ? [-1, manifest.labels.count] : [-1]
            return Tensor(name: $0.name, datatype: $0.datatype, shape: shape)
        }
    }

    // MARK: Open Inference Protocol

    /// `GET /v2/models/{model}`.
    func writeMetadata(into body: inout ByteBuffer) {
        body.writeStaticString("{\"name\":")
        body.writeJSON(model.name)
        body.writeString(",\"versions\":[\"\(model.version)\"],\"platform\":\"leeway_mlp\"")
        body.writeStaticString(",\"inputs\":")
        write(inputs, into: &body)
        body.writeStaticString(",\"outputs\":")
        write(outputs, into: &body)
        body.writeString(",\"properties\":{\"task\":\"\(manifest.task.rawValue)\",\"digest\":")
        body.writeJSON(model.bundle.digest)
        body.writeStaticString("}}\n")
    }

    private func write(_ tensors: [Tensor], into body: inout ByteBuffer) {
        body.writeList(tensors) { body, tensor in
            body.writeStaticString("{\"name\":")
            body.writeJSON(tensor.name)
            body.writeString(",\"datatype\":\"\(tensor.datatype.rawValue)\",\"shape\":[")
            body.writeString(tensor.shape.map(String.init).joined(separator: ","))
            body.writeStaticString("]}")
        }
    }

    /// `GET /v2/models/{model}/config`: what Triton's tools read before they send a load.
    func writeConfiguration(rowsMax: Int, into body: inout ByteBuffer) {
        body.writeStaticString("{\"name\":")
        body.writeJSON(model.name)
        body.writeString(",\"platform\":\"leeway_mlp\",\"backend\":\"leeway\"")
        body.writeString(",\"max_batch_size\":\(rowsMax),\"input\":")
        writeConfiguration(inputs, into: &body)
        body.writeStaticString(",\"output\":")
        writeConfiguration(outputs, into: &body)
        body.writeStaticString("}\n")
    }

    /// The extents here leave out the rows.
    private func writeConfiguration(_ tensors: [Tensor], into body: inout ByteBuffer) {
        body.writeList(tensors) { body, tensor in
            body.writeStaticString("{\"name\":")
            body.writeJSON(tensor.name)
            let type = tensor.datatype == .bytes ? "STRING" : tensor.datatype.rawValue
            body.writeString(",\"data_type\":\"TYPE_\(type)\",\"dims\":[")
            let extents = tensor.shape.count > 1 ? tensor.shape.dropFirst() : [1]
            body.writeString(extents.map(String.init).joined(separator: ","))
            body.writeStaticString("]}")
        }
    }

    // MARK: KServe V1 and TensorFlow Serving

    /// `GET /v1/models/{model}`: TensorFlow Serving's members, and KServe's beside them.
    func writeStatus(into body: inout ByteBuffer) {
        body.writeStaticString("{\"name\":")
        body.writeJSON(model.name)
        body.writeString(
            ",\"ready\":true,\"model_version_status\":[{\"version\":\"\(model.version)\","
        )
        body.writeStaticString("\"state\":\"AVAILABLE\",\"status\":")
        body.writeStaticString("{\"error_code\":\"OK\",\"error_message\":\"\"}}]}\n")
    }

    /// `GET /v1/models/{model}/metadata`.
    func writeSignatures(into body: inout ByteBuffer) {
        body.writeStaticString("{\"model_spec\":{\"name\":")
        body.writeJSON(model.name)
        body.writeString(",\"signature_name\":\"\",\"version\":\"\(model.version)\"},")
        body.writeStaticString("\"metadata\":{\"signature_def\":{\"signature_def\":{")
        body.writeJSON(InstancesDecoder.signature)
        body.writeStaticString(":{\"inputs\":{")
        writeSignature(inputs, into: &body)
        body.writeStaticString("},\"outputs\":{")
        // By rows and by columns alike, there is one output without further words.
        writeSignature(Array(outputs.prefix(1)), into: &body)
        body.writeStaticString("},\"method_name\":\"tensorflow/serving/predict\"}}}}}\n")
    }

    private func writeSignature(_ tensors: [Tensor], into body: inout ByteBuffer) {
        for (index, tensor) in tensors.enumerated() {
            if index > 0 { body.writeInteger(UInt8(ascii: ",")) }
            body.writeJSON(tensor.name)
            let type = tensor.datatype == .bytes ? "DT_STRING" : "DT_FLOAT"
            body.writeString(":{\"dtype\":\"\(type)\",\"tensor_shape\":{\"dim\":")
            body.writeList(tensor.shape) { $0.writeString("{\"size\":\"\($1)\",\"name\":\"\"}") }
            body.writeStaticString(",\"unknown_rank\":false},\"name\":")
            body.writeJSON(tensor.name)
            body.writeStaticString("}")
        }
    }
}

extension ByteBuffer {
    /// Writes an array, each element by a closure.
    mutating func writeList<Element>(
        _ elements: [Element],
        _ write: (inout ByteBuffer, Element) -> Void
    ) {
        writeInteger(UInt8(ascii: "["))
        for (index, element) in elements.enumerated() {
            if index > 0 { writeInteger(UInt8(ascii: ",")) }
            write(&self, element)
        }
        writeInteger(UInt8(ascii: "]"))
    }
}
