"""A runtime for MLServer that answers with ONNX Runtime, in the server's own process."""

import os

import numpy
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Model(MLModel):
    async def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        return True

    async def predict(self, payload):
        row = self.decode(payload.inputs[0], default_codec=NumpyCodec).astype(numpy.float32)
        probabilities = self.session.run(None, {"image": row.reshape(1, 784)})[0]
        return InferenceResponse(
            model_name=self.name,
            outputs=[NumpyCodec.encode_output("probabilities", probabilities)],
        )
