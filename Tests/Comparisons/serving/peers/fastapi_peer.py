"""FastAPI with orjson and ONNX Runtime, as one would write it for speed: no Pydantic on the way."""

import os

import numpy
import onnxruntime
import orjson
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = FastAPI()


def answer(row):
    probabilities = session.run(None, {"image": row})[0][0]
    best = int(probabilities.argmax())
    body = {"class": best, "label": str(best), "probabilities": probabilities}
    return Response(
        orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json"
    )


@app.post("/predict")
async def predict(request: Request):
    body = orjson.loads(await request.body())
    return answer(numpy.array(body["image"], dtype=numpy.float32).reshape(1, 784))


@app.post("/raw")
async def raw(request: Request):
    pixels = numpy.frombuffer(await request.body(), dtype=numpy.uint8)
    return answer(pixels.reshape(1, 784).astype(numpy.float32) / 255)
