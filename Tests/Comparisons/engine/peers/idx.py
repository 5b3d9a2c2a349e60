"""Reads the MNIST files, in their IDX format."""

import gzip
import pathlib

import numpy as np


def images(folder, part):
    """The pixels of `train` or `t10k` as rows from 0 to 1 in float32, and the labels."""
    folder = pathlib.Path(folder)
    with gzip.open(folder / f"{part}-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(folder / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return pixels.astype(np.float32) / np.float32(255), labels.astype(np.int64)
