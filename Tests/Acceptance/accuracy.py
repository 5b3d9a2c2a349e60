#!/usr/bin/env python3
"""Test accuracy in the mean of five seeds: Fashion-MNIST >= 0.865, MNIST >= 0.970.

Fashion-MNIST comes from Debian's package through config/quickstart.yaml as it is; MNIST through
config/mnist.yaml, whose public mirrors are replaced by a folder. That folder is --mnist, else
LEEWAY_DATA/mnist, else shared/data/mnist beside the checkout; without one it is skipped.
"""

import os
import pathlib
import re
import statistics

from common import Leeway, Report, Workspace, arguments

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
FASHION_MIN = 0.865
MNIST_MIN = 0.970


def measure(options, report, space, configuration, name, least):
    """Trains with each seed into a store of its own, and judges the mean accuracy."""
    accuracies, seconds = [], []
    for seed in range(1, options.seeds + 1):
        environment = {
            "LEEWAY_MODELS_0_TRAINING_SEED": str(seed),
            "LEEWAY_STATE": str(space / f"{name}-{seed}"),
        }
        outcome = Leeway(options, configuration, environment).retrain()
        accuracies.append(outcome["evaluation"]["accuracy"])
        seconds.append(outcome["training"]["seconds"])
        rows = outcome["rows"]
    report.figure(f"{name}: rows fitted, held out", f"{rows['train']}, {rows['holdout']}")
    report.figure(f"{name}: accuracy of each seed", " ".join(f"{a:.4f}" for a in accuracies))
    report.figure(f"{name}: seconds of training", " ".join(f"{s:.1f}" for s in seconds))
    different = len(set(accuracies)) > 1
    report.check(f"{name}: the seeds make a difference", different or options.seeds == 1)
    mean = statistics.mean(accuracies)
    report.check(f"{name}: mean of {options.seeds} seeds >= {least}", mean >= least, f"{mean:.4f}")


def mnist_folder(options):
    """The folder with the four MNIST files; None when there is none."""
    places = [options.mnist]
    if data := os.environ.get("LEEWAY_DATA"):
        places.append(f"{data}/mnist")
    places.append(options.root.parent / "shared/data/mnist")
    for place in places:
        if place and (pathlib.Path(place) / "train-images-idx3-ubyte.gz").exists():
            return pathlib.Path(place).resolve()
    return None


def main():
    options = arguments(
        __doc__.splitlines()[0],
        mnist=(None, "folder with the MNIST files"),
        seeds=(5, "how many seeds"),
    )
    report = Report("test accuracy")
    with Workspace(options) as space:
        if FASHION.exists():
            quickstart = options.root / "config/quickstart.yaml"
            measure(options, report, space, quickstart, "fashion", FASHION_MIN)
        else:
            report.note(f"skipped: {FASHION}: Debian's dataset-fashion-mnist is not installed")
        if folder := mnist_folder(options):
            # Only the place changes: the digests of the configuration are demanded as ever.
            text = (options.root / "config/mnist.yaml").read_text()
            text, count = re.subn(r"https://\S+/", f"file://{folder}/", text)
            report.check("config/mnist.yaml names public https:// mirrors", count >= 4, count)
            configuration = space / "mnist.yaml"
            configuration.write_text(text)
            measure(options, report, space, configuration, "mnist", MNIST_MIN)
        else:
            report.note("skipped: no MNIST files: say --mnist FOLDER")
    report.end()


if __name__ == "__main__":
    main()
