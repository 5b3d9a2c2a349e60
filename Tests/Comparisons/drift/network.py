"""The served model outside of Leeway: its exported weights, and what every detector is shown."""

import json
import pathlib
import struct

import numpy

PROJECTIONS = 16


class Network:
    """A perceptron with one hidden layer of rectifiers, read from a safetensors file."""

    def __init__(self, path):
        data = pathlib.Path(path).read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
        self.weights = []
        for layer in range(2):
            pair = []
            for part in ("weight", "bias"):
                entry = header[f"layers.{layer}.{part}"]
                first, last = (8 + length + offset for offset in entry["data_offsets"])
                pair.append(numpy.frombuffer(data[first:last], numpy.float32).reshape(entry["shape"]))
            self.weights.append(pair)

    def hidden(self, pixels):
        (weight, bias), _ = self.weights
        return numpy.maximum(pixels @ weight.T + bias, 0)

    def logits(self, hidden):
        _, (weight, bias) = self.weights
        return hidden @ weight.T + bias

    def input_gradient(self, pixels):
        (first, _), (second, _) = self.weights
        hidden = self.hidden(pixels)
        logits = self.logits(hidden)
        error = softmax(logits)
        error[numpy.arange(len(error)), logits.argmax(1)] -= 1
        return ((error @ second) * (hidden > 0)) @ first


def softmax(logits):
    powers = numpy.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def frame_statistics(pixels):
    """Mean, deviation, share of zeros, and the centre of the light of each image."""
    side = int(pixels.shape[1] ** 0.5)
    rows, columns = numpy.divmod(numpy.arange(pixels.shape[1], dtype=numpy.float32), side)
    light = pixels.sum(1) + 1e-9
    return numpy.stack(
        [
            pixels.mean(1),
            pixels.std(1),
            (pixels == 0).mean(1),
            (pixels @ rows) / light,
            (pixels @ columns) / light,
        ],
        1,
    )


class Representation:
    """What detectors see of a row: 31 numbers, the same things that Leeway's streams look at.

    Log-odds of the ten classes, the hidden layer's first 16 principal components on training rows,
    and five statistics of the image. All columns are standardised by training rows.
    """

    def __init__(self, network, training):
        self.network = network
        hidden = network.hidden(training)
        self.mean = hidden.mean(0)
        _, _, directions = numpy.linalg.svd(hidden - self.mean, full_matrices=False)
        self.directions = directions[:PROJECTIONS]
        raw = self.raw(training)
        self.center, self.scale = raw.mean(0), raw.std(0) + 1e-9

    def raw(self, pixels):
        hidden = self.network.hidden(pixels)
        probabilities = softmax(self.network.logits(hidden))
        odds = numpy.log(numpy.clip(probabilities, 1e-12, 1)) - numpy.log(numpy.clip(1 - probabilities, 1e-12, 1))
        projected = (hidden - self.mean) @ self.directions.T
        return numpy.hstack([odds, projected, frame_statistics(pixels)])

    def of(self, images):
        pixels = images.reshape(len(images), -1).astype(numpy.float32) / 255
        return ((self.raw(pixels) - self.center) / self.scale).astype(numpy.float32)

    def probabilities(self, images):
        pixels = images.reshape(len(images), -1).astype(numpy.float32) / 255
        return softmax(self.network.logits(self.network.hidden(pixels))).astype(numpy.float32)
