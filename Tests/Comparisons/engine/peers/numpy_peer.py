"""Inference, matrix products and a whole training by NumPy on its OpenBLAS."""

import functools
import time

import idx
import numpy as np
import threadpoolctl
from numpy_training import accuracy, train
from peer import answer, microseconds


@functools.cache
def call(network, batch):
    """A forward pass with everything allocated before."""
    randoms = np.random.default_rng(1)
    widths = [int(width) for width in network.split("-")]
    layers = []
    for rows, columns in zip(widths, widths[1:]):
        matrix = (randoms.standard_normal((rows, columns)) * np.sqrt(2 / rows)).astype(np.float32)
        bias, output = np.zeros(columns, np.float32), np.empty((batch, columns), np.float32)
        layers.append((matrix, bias, output))
    inputs = randoms.random((batch, widths[0]), np.float32)

    def forward():
        values = inputs
        for index, (matrix, bias, output) in enumerate(layers):
            np.matmul(values, matrix, out=output)
            output += bias
            if index < len(layers) - 1:
                np.maximum(output, 0, out=output)
            values = output
        values -= values.max(axis=1, keepdims=True)
        np.exp(values, out=values)
        values /= values.sum(axis=1, keepdims=True)

    return forward


def infer(network, batch, seconds):
    """Times a batch."""
    return microseconds(call(network, batch), seconds)


def sgemm(size, seconds):
    """The rate of a product of two square matrices, and the kernels that OpenBLAS chose."""
    randoms = np.random.default_rng(1)
    a, b = (randoms.random((size, size), np.float32) for _ in range(2))
    c = np.empty_like(a)
    timed = microseconds(lambda: np.matmul(a, b, out=c), seconds)
    rates = {name: 2 * size**3 / value / 1e3 for name, value in timed.items()}
    pool = next(p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas")
    return {
        "gflops": rates["median"],
        "gflops_max": rates["minimum"],
        "kernels": f"{pool['internal_api']} {pool['version']} {pool.get('architecture')}",
        "threads": pool["num_threads"],
    }


def whole(mnist, epochs, batch, seed):
    """Trains 784-64-10 on MNIST: the seconds, and the accuracy on the test set."""
    images, labels = idx.images(mnist, "train")
    started = time.perf_counter()
    network = train(images, labels, hidden=64, epochs=epochs, batch=batch, seed=seed)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "accuracy": accuracy(network, *idx.images(mnist, "t10k"))}


answer({"infer": infer, "sgemm": sgemm, "whole": whole})
