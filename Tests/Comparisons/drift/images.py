"""Images, the shifts of "Failing Loudly" (Rabanser, Günnemann and Lipton, NeurIPS 2019), and IDX files.

The ten shifts are made from the paper's description: Gaussian noise of three strengths, affine
image changes of three strengths, adversarial images (one step of the gradient's sign), a class
knocked out, and the two mixed ones. Each is applied to a part of the rows (0.1, 0.5 or all).
"""

import gzip
import pathlib
import struct

import numpy
from scipy import ndimage

# Standard deviations of the noise in grey levels.
NOISE = {"small_noise": 1.0, "medium_noise": 10.0, "large_noise": 100.0}
# Rotation in degrees, offsets as parts of the width, shear in radians, zoom, flips; all at most.
AFFINE = {
    "small_image": (10, 0.05, 0.1, 0.1, False, False),
    "medium_image": (40, 0.2, 0.2, 0.2, True, False),
    "large_image": (90, 0.4, 0.3, 0.4, True, True),
}
# The step of the adversarial images, as a part of the range of a pixel.
ADVERSARIAL_STEP = 0.1
SHIFTS = [
    *NOISE,
    *AFFINE,
    "adversarial",
    "knock_out",
    "medium_image+knock_out",
    "only_zero+medium_image",
]
FRACTIONS = [0.1, 0.5, 1.0]


def read_idx(path):
    """An IDX file of bytes, compressed or not, as an array."""
    path = pathlib.Path(path)
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rank = data[3]
    shape = struct.unpack(f">{rank}I", data[4 : 4 + 4 * rank])
    return numpy.frombuffer(data, numpy.uint8, offset=4 + 4 * rank).reshape(shape)


def write_idx(path, array):
    """Writes bytes as an IDX file."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    pathlib.Path(path).write_bytes(header + numpy.ascontiguousarray(array, numpy.uint8).tobytes())


def noisy(images, deviation, random):
    changed = images + random.normal(0, deviation, images.shape)
    return numpy.clip(numpy.rint(changed), 0, 255).astype(numpy.uint8)


def affine(images, strength, random):
    rotation, offset, shear, zoom, flips_columns, flips_rows = strength
    side = images.shape[1]
    middle = (side - 1) / 2
    result = numpy.empty_like(images)
    for index, image in enumerate(images):
        angle = numpy.deg2rad(random.uniform(-rotation, rotation))
        slant = random.uniform(-shear, shear)
        scale = random.uniform(1 - zoom, 1 + zoom, 2)
        matrix = numpy.array([[numpy.cos(angle), -numpy.sin(angle)], [numpy.sin(angle), numpy.cos(angle)]])
        matrix = matrix @ numpy.array([[1, -numpy.sin(slant)], [0, numpy.cos(slant)]]) @ numpy.diag(scale)
        moved = random.uniform(-offset, offset, 2) * side
        start = numpy.array([middle, middle]) - matrix @ (numpy.array([middle, middle]) + moved)
        changed = ndimage.affine_transform(image.astype(numpy.float32), matrix, start, order=1, mode="nearest")
        if flips_columns and random.random() < 0.5:
            changed = changed[:, ::-1]
        if flips_rows and random.random() < 0.5:
            changed = changed[::-1]
        result[index] = numpy.clip(numpy.rint(changed), 0, 255)
    return result


def adversarial(images, network):
    """One step along the sign of the gradient of the loss of the model's own answer."""
    pixels = images.reshape(len(images), -1).astype(numpy.float32) / 255
    step = numpy.sign(network.input_gradient(pixels)) * ADVERSARIAL_STEP
    changed = numpy.clip((pixels + step) * 255, 0, 255)
    return numpy.rint(changed).astype(numpy.uint8).reshape(images.shape)


def changed_images(kind, images, network, seed):
    """All images as one of the five kinds of changes leaves them."""
    random = numpy.random.default_rng(seed)
    if kind in NOISE:
        return noisy(images, NOISE[kind], random)
    if kind in AFFINE:
        return affine(images, AFFINE[kind], random)
    return adversarial(images, network)


class Mixture:
    """Which rows a shifted stream draws from: (pool of images, allowed rows, probability)."""

    def __init__(self, shift, fraction, labels):
        self.kind = "clean"
        self.changed = 0.0
        self.weights = numpy.ones(len(labels))
        if "knock_out" in shift:
            self.weights[labels == 0] = 1 - fraction
        if "only_zero" in shift:
            self.weights[labels != 0] = 0
        for part in shift.split("+"):
            if part in NOISE or part in AFFINE or part == "adversarial":
                self.kind = part
                # In the mixed shift with a knock-out, the paper changes half of the images.
                self.changed = 0.5 if "knock_out" in shift else fraction
        self.weights /= self.weights.sum()

    def draw(self, count, random):
        """Row numbers, and which of them come from the changed images."""
        rows = random.choice(len(self.weights), count, p=self.weights)
        return rows, random.random(count) < self.changed
