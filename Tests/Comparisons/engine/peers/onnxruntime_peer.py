"""Inference by ONNX Runtime's CPU provider, with the settings that its documentation calls fast."""

import functools
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from peer import answer, microseconds

folder = tempfile.TemporaryDirectory(prefix="leeway-comparison-")


@functools.cache
def exported(network):
    """The file of a network with random weights: Gemm and Relu a layer, Softmax at the end."""
    randoms = np.random.default_rng(1)
    widths = [int(width) for width in network.split("-")]
    nodes, weights, last = [], [], "input"
    for index, (rows, columns) in enumerate(zip(widths, widths[1:])):
        # As PyTorch exports a linear layer: the weights by output, then transposed.
        matrix = randoms.standard_normal((columns, rows), np.float32) * np.sqrt(2 / rows)
        weights.append(numpy_helper.from_array(matrix.astype(np.float32), f"w{index}"))
        weights.append(numpy_helper.from_array(np.zeros(columns, np.float32), f"b{index}"))
        nodes.append(
            helper.make_node("Gemm", [last, f"w{index}", f"b{index}"], [f"z{index}"], transB=1)
        )
        kind, last = ("Relu", f"a{index}") if index < len(widths) - 2 else ("Softmax", "output")
        nodes.append(helper.make_node(kind, [f"z{index}"], [last]))
    return saved(network, nodes, weights, widths[0], widths[-1])


def saved(name, nodes, weights, inputs, outputs):
    """Writes a model with one input and one output, rows by values; gives its path."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", inputs])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", outputs])],
        weights,
    )
    # An older form than the library's newest, which every runtime of late reads.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path = pathlib.Path(folder.name) / f"{name}.onnx"
    onnx.save(model, path)
    return str(path)


@functools.cache
def calls(path, batch, threads, inputs):
    """The two ways to run a session with everything allocated before: `run` and `io_binding`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_free_dimension_override_by_name("batch", batch)
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rows = np.random.default_rng(2).random((batch, inputs), np.float32)
    feed = {"input": rows}
    binding = session.io_binding()
    binding.bind_ortvalue_input("input", onnxruntime.OrtValue.ortvalue_from_numpy(rows))
    output = np.empty(session.run(None, feed)[0].shape, np.float32)
    binding.bind_ortvalue_output("output", onnxruntime.OrtValue.ortvalue_from_numpy(output))
    return {
        "run": lambda: session.run(None, feed),
        "io_binding": lambda: session.run_with_iobinding(binding),
    }


def infer(network, batch, threads, seconds):
    """Times a batch both ways, and gives the faster one."""
    inputs = int(network.split("-")[0])
    timed = {
        way: microseconds(call, seconds / 2)
        for way, call in calls(exported(network), batch, threads, inputs).items()
    }
    way = min(timed, key=lambda way: timed[way]["median"])
    return {**timed[way], "way": way}


def empty(seconds):
    """What a run costs that computes nothing: Python's binding and the session's own steps."""
    node = helper.make_node("Identity", ["input"], ["output"])
    return microseconds(calls(saved("empty", [node], [], 1, 1), 1, 1, 1)["io_binding"], seconds)


answer({"infer": infer, "empty": empty})
