"""mosec with ONNX Runtime: its Rust front over plain HTTP, one worker process in Python."""

import os

import msgspec
import numpy
import onnxruntime
from mosec import Server, Worker


class Model(Worker):
    def __init__(self):
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)

    def deserialize(self, data):
        if len(data) == 784:
            pixels = numpy.frombuffer(data, dtype=numpy.uint8)
            return pixels.astype(numpy.float32) / 255
        return numpy.array(msgspec.json.decode(data)["image"], dtype=numpy.float32)

    def serialize(self, data):
        return msgspec.json.encode(data)

    def forward(self, rows):
        answers = self.session.run(None, {"image": numpy.stack(rows)})[0]
        best = answers.argmax(axis=1).tolist()
        return [
            {"class": index, "label": str(index), "probabilities": row}
            for index, row in zip(best, answers.tolist())
        ]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Model, num=1, max_batch_size=32, max_wait_time=1)
    server.run()
