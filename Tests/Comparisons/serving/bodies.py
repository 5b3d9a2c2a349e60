"""What is asked: images of the test set in the form of each server, and the network as ONNX."""

import gzip
import json
import pathlib
import struct

COUNT = 16


def images(folder):
    """The first images of MNIST's test set."""
    data = gzip.decompress((pathlib.Path(folder) / "t10k-images-idx3-ubyte.gz").read_bytes())
    return [data[16 + 784 * index : 16 + 784 * (index + 1)] for index in range(COUNT)]


def scaled(image):
    """The pixels divided by 255, in binary64, as every client writes them."""
    return [pixel / 255 for pixel in image]


def dense(value):
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode()


def predict(image, **more):
    """`{"image": […]}`: about 5 kB."""
    return dense({**more, "image": scaled(image)})


def tensor(image):
    """The same in the Open Inference Protocol."""
    facts = {"name": "image", "shape": [1, 784], "datatype": "FP32"}
    return dense({"inputs": [{**facts, "data": scaled(image)}]})


def binary_tensor(image):
    """A binary tensor of binary32 after its JSON, and the length of that."""
    facts = {"name": "image", "shape": [1, 784], "datatype": "FP32"}
    tensor = {**facts, "parameters": {"binary_data_size": 3136}}
    header = dense({"parameters": {"binary_data_output": True}, "inputs": [tensor]})
    return header + struct.pack("<784f", *scaled(image)), len(header)


def write_onnx(weights, path):
    """Writes a network exported by Leeway (safetensors, Keras' layout) as ONNX."""
    import numpy
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    data = pathlib.Path(weights).read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, facts in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in facts["data_offsets"])
            values = numpy.frombuffer(data[start:end], dtype="<f4").reshape(facts["shape"])
            tensors[name] = numpy_helper.from_array(values.copy(), name)
    nodes, last = [], "image"
    layers = len(tensors) // 2
    for layer in range(layers):
        kernel, bias = f"layers.{layer}.kernel", f"layers.{layer}.bias"
        nodes.append(helper.make_node("Gemm", [last, kernel, bias], [f"sum{layer}"]))
        final = layer + 1 == layers
        last = "probabilities" if final else f"out{layer}"
        nodes.append(helper.make_node("Softmax" if final else "Relu", [f"sum{layer}"], [last]))
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 784])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 10])],
        list(tensors.values()),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))
