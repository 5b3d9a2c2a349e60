"""Training by Keras on TensorFlow: `fit` with its defaults, on the cores that the process has."""

import functools
import os
import time

os.environ["KERAS_BACKEND"] = "tensorflow"

import idx
import keras
import numpy as np
import tensorflow
from peer import answer

# Not defaults, but faster where the program does not look at single steps.
TUNED = {"jit_compile": True, "steps_per_execution": 25}


def compiled(network, **options):
    """A network with ReLU inside and softmax at the end, ready for `fit` with Adam."""
    first, *hidden, last = (int(width) for width in network.split("-"))
    model = keras.Sequential(
        [keras.Input((first,))]
        + [keras.layers.Dense(width, activation="relu") for width in hidden]
        + [keras.layers.Dense(last, activation="softmax")]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", **options)
    return model


class Clock(keras.callbacks.Callback):
    """The seconds of each epoch."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.started)


@functools.cache
def fitting(network, batch, steps, tuned):
    """A model that has seen its first epoch, in which all is compiled, and random rows for it."""
    randoms = np.random.default_rng(1)
    rows = randoms.random((batch * steps, int(network.split("-")[0])), np.float32)
    labels = randoms.integers(0, 10, batch * steps)
    model = compiled(network, **(TUNED if tuned else {}))
    model.fit(rows, labels, batch_size=batch, epochs=1, verbose=0)
    return model, rows, labels


def steps(network, batch, steps, epochs, tuned):
    """The microseconds of a step in the steady state, in the mean of each of some epochs."""
    model, rows, labels = fitting(network, batch, steps, tuned)
    clock = Clock()
    model.fit(rows, labels, batch_size=batch, epochs=epochs, verbose=0, callbacks=[clock])
    each = sorted(seconds / steps * 1e6 for seconds in clock.seconds)
    return {"minimum": each[0], "median": each[len(each) // 2], "maximum": each[-1]}


def whole(mnist, epochs, batch, seed):
    """Trains 784-64-10 on MNIST: the seconds of `fit`, and the accuracy on the test set."""
    images, labels = data(mnist, "train")
    keras.utils.set_random_seed(seed)
    model = compiled("784-64-10")
    started = time.perf_counter()
    model.fit(images, labels, batch_size=batch, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - started
    images, labels = data(mnist, "t10k")
    guesses = model.predict(images, batch_size=1000, verbose=0).argmax(axis=1)
    keras.backend.clear_session()
    return {"seconds": seconds, "accuracy": float(np.mean(guesses == labels))}


@functools.cache
def data(mnist, part):
    """The MNIST files, read once."""
    return idx.images(mnist, part)


def devices():
    """What TensorFlow computes on."""
    return [device.name for device in tensorflow.config.list_physical_devices()]


answer({"steps": steps, "whole": whole, "devices": devices})
