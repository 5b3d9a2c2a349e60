"""The training that Leeway does, in NumPy: float32, ReLU, softmax, Adam with Keras' constants."""

import numpy as np


def train(images, labels, hidden, epochs, batch, seed, rate=0.001):
    """Fits one hidden layer; gives its weights and biases."""
    randoms = np.random.default_rng(seed)
    shapes = [(images.shape[1], hidden), (hidden,), (hidden, 10), (10,)]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    # One vector of all parameters: Adam is then a handful of calls a step, not four handfuls.
    theta, gradient, m, v = np.zeros((4, ends[-1]), np.float32)
    parts = [np.split(vector, ends[:-1]) for vector in (theta, gradient)]
    (w1, b1, w2, b2), (dw1, db1, dw2, db2) = (
        [part.reshape(shape) for part, shape in zip(each, shapes)] for each in parts
    )
    for w in (w1, w2):
        w[:] = randoms.uniform(-1, 1, w.shape) * np.sqrt(6 / sum(w.shape))
    targets, step = np.eye(10, dtype=np.float32)[labels], 0
    for _ in range(epochs):
        order = randoms.permutation(len(images))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            x, y, step = images[rows], targets[rows], step + 1
            a = np.maximum(x @ w1 + b1, 0)
            z = a @ w2 + b2
            p = np.exp(z - z.max(axis=1, keepdims=True))
            d = (p / p.sum(axis=1, keepdims=True) - y) / np.float32(len(rows))
            np.matmul(a.T, d, out=dw2)
            d.sum(axis=0, out=db2)
            d = (d @ w2.T) * (a > 0)
            np.matmul(x.T, d, out=dw1)
            d.sum(axis=0, out=db1)
            m += (gradient - m) * np.float32(0.1)
            v += (gradient * gradient - v) * np.float32(0.001)
            pace = np.float32(rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step))
            theta -= pace * m / (np.sqrt(v) + np.float32(1e-7))
    return w1, b1, w2, b2


def accuracy(network, images, labels):
    """The share of images that get their label."""
    w1, b1, w2, b2 = network
    return float(np.mean((np.maximum(images @ w1 + b1, 0) @ w2 + b2).argmax(axis=1) == labels))
