"""Triton through PyTriton: a model in Python that answers with ONNX Runtime."""

import os
import sys

import numpy
import onnxruntime
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)


@batch
def infer(image):
    rows = image.astype(numpy.float32)
    return [session.run(None, {"image": rows})[0]]


port = int(sys.argv[1])
config = TritonConfig(http_port=port, grpc_port=port + 1, metrics_port=port + 2)
with Triton(config=config) as triton:
    triton.bind(
        model_name="digits",
        infer_func=infer,
        inputs=[Tensor(name="image", dtype=numpy.float32, shape=(784,))],
        outputs=[Tensor(name="probabilities", dtype=numpy.float32, shape=(10,))],
        config=ModelConfig(max_batch_size=32),
    )
    triton.serve()
