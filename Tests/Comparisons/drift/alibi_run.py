"""Alibi Detect's online MMD and CVM, and QT-EWMA: run lengths and delays. Runs in .venv-alibi."""

import argparse
import time

import numpy
from scipy.spatial.distance import cdist

import images as im
import online
from prepare import KINDS
from streams import BEFORE, Results, measure, pools, shifted_stream

# The kernel matrix of all 10,000 reference rows would take 800 MB and each step five times as long.
MMD_REFERENCE = 2000
CVM_REFERENCE = 2000


def limit(stop):
    return numpy.inf if stop is None else stop


class MMD:
    def __init__(self, reference, rows, window):
        self.reference = reference[:MMD_REFERENCE].astype(numpy.float64)
        self.rows, self.window = rows.astype(numpy.float64), window
        distances = cdist(self.reference, self.reference, "sqeuclidean")
        n = len(distances)
        # The library's median heuristic: sigma² is half the median of all n² squared distances.
        median = numpy.sort(distances.ravel())[n * (n - 1) // 2 + n]
        self.gamma = 1 / median
        kernel = numpy.exp(-self.gamma * distances)
        self.inside = (kernel.sum() - n) / (n * (n - 1))
        parts = [self.rows[i : i + 4000] for i in range(0, len(rows), 4000)]
        self.means = numpy.concatenate(
            [numpy.exp(-self.gamma * cdist(part, self.reference, "sqeuclidean")).mean(1) for part in parts]
        )

    def __call__(self, stream, stop):
        return online.mmd(self.rows[stream], self.means[stream], self.inside, self.gamma, self.window, limit(stop), BEFORE)


class CVM:
    def __init__(self, reference, rows, window):
        ordered = numpy.sort(reference[:CVM_REFERENCE], axis=0)
        self.rows, self.window = rows, numpy.array([window])
        features = range(ordered.shape[1])
        self.below = numpy.stack([numpy.searchsorted(ordered[:, f], rows[:, f], "left") for f in features], 1)
        self.at_most = numpy.stack([numpy.searchsorted(ordered[:, f], rows[:, f], "right") for f in features], 1)
        self.distribution = numpy.stack(
            [numpy.searchsorted(ordered[:, f], ordered[:, f], "right") / len(ordered) for f in features]
        )

    def __call__(self, stream, stop):
        return online.cvm(self.rows[stream], self.below[stream], self.at_most[stream], self.distribution, self.window, limit(stop), BEFORE)


class QT:
    """Each stream has one of five trees, since a tree's luck is great."""

    def __init__(self, reference, rows):
        self.trees = [online.QuantTree(reference, seed=seed) for seed in range(5)]
        self.bins = [tree.bins(rows) for tree in self.trees]

    def __call__(self, stream, stop):
        which = int(stream.sum()) % len(self.trees)
        return online.qt_ewma(self.bins[which][stream], self.trees[which].shares, 0.03, limit(stop), BEFORE)


def library_check(reference, softmax_reference, rows, softmax, labels):
    """The greatest difference between the library's statistics and ours, over one stream each."""
    import torch
    from alibi_detect.cd import CVMDriftOnline
    from alibi_detect.cd.pytorch.mmd_online import MMDDriftOnlineTorch

    class Uncalibrated(MMDDriftOnlineTorch):
        """Thresholds are those of equal measured run length, so none are simulated."""

        def _configure_thresholds(self):
            self.thresholds = [torch.tensor(numpy.inf)] * self.window_size

        def _configure_ref_subset(self):
            self.ref_inds = torch.arange(self.n)
            self.init_test_inds = torch.arange(self.window_size)
            self._initialise_state()
            kernel = self.k_xx.clone()
            kernel.fill_diagonal_(0)
            self.k_xx_sub_sum = kernel.sum() / (self.n * (self.n - 1))

    torch.set_num_threads(1)
    stream = shifted_stream(13, 0, labels)[BEFORE - 600 : BEFORE + 400]
    found = []
    for window in (50, 200):
        library = Uncalibrated(reference[:MMD_REFERENCE].astype(numpy.float64), 1e4, window, verbose=False)
        own = MMD(reference, rows, window)(stream, None)
        start = time.process_time()
        theirs = numpy.array([library.score(row) for row in rows[stream].astype(numpy.float64)])
        spent = (time.process_time() - start) / len(stream)
        found.append(("mmd", window, numpy.abs(theirs - own)[window:].max(), spent))
    small = softmax_reference[:500]

    class Plain(CVMDriftOnline):
        def _configure_thresholds(self):
            self.thresholds = numpy.full((2 * self.max_ws, 1), numpy.inf)

    for window in (50, 200):
        library = Plain(small, 1e4, [window], n_bootstraps=10, verbose=False)
        own = CVM(small, softmax, window)(stream, None)
        start = time.process_time()
        theirs = numpy.array([library.score(row).max() for row in softmax[stream]])
        spent = (time.process_time() - start) / len(stream)
        found.append(("cvm", window, numpy.nanmax(numpy.abs(theirs - own)[window:]), spent))
    return found


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--folder", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--results", required=True)
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--nulls", type=int, default=80)
    options.add_argument("--cvm", type=int, nargs="*", default=[50, 200], help="CVM's windows; it is slow")
    options = options.parse_args()
    folder = f"{options.folder}/{options.data}"
    labels = im.read_idx(f"{folder}/clean-labels.idx")
    reference, softmax_reference = numpy.load(f"{folder}/reference-seen.npy"), numpy.load(f"{folder}/reference-softmax.npy")
    rows, softmax = pools(folder, "seen"), pools(folder, "softmax")
    for name, window, difference, spent in library_check(reference, softmax_reference, rows, softmax, labels):
        print(f"alibi {name} window {window}: greatest difference {difference:.2e}, {spent * 1e6:.0f} us a row", flush=True)
    results = Results(options.results, options.data, "alibi")
    detectors = {"qt-ewma": (QT(reference, rows), 20_000), "qt-ewma softmax": (QT(softmax_reference + 0.0, softmax), 20_000)}
    for window in (20, 50, 200):
        detectors[f"alibi mmd {window}"] = (MMD(reference, rows, window), 20_000)
        detectors[f"alibi mmd {window} softmax"] = (MMD(softmax_reference, softmax, window), 20_000)
    for window in options.cvm:
        detectors[f"alibi cvm {window} softmax"] = (CVM(softmax_reference, softmax, window), 10_000)
    for name, (statistic, length) in detectors.items():
        start = time.time()
        measure(results, name, statistic, labels, options.seeds, options.nulls, length)
        print(f"  {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
