"""CPU time a row and memory growth of one peer, as one JSON line. A process of its own for each."""

import argparse
import json
import resource
import time

import numpy


def memory():
    """Resident bytes now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def alibi_mmd(reference, window):
    import torch
    from alibi_detect.cd.pytorch.mmd_online import MMDDriftOnlineTorch

    torch.set_num_threads(1)

    class Uncalibrated(MMDDriftOnlineTorch):
        def _configure_thresholds(self):
            self.thresholds = [torch.tensor(numpy.inf)] * self.window_size

    detector = Uncalibrated(reference, 1e4, window, verbose=False)
    return detector.predict


def alibi_lsdd(reference, window):
    import torch
    from alibi_detect.cd import LSDDDriftOnline

    torch.set_num_threads(1)
    # Its thresholds cannot be left out without taking its set-up apart, so few are simulated.
    detector = LSDDDriftOnline(reference[:1000], 100, window, backend="pytorch", n_bootstraps=1000, verbose=False)
    return detector.predict


def alibi_cvm(reference, window):
    from alibi_detect.cd import CVMDriftOnline

    class Uncalibrated(CVMDriftOnline):
        def _configure_thresholds(self):
            self.thresholds = numpy.full((2 * self.max_ws, 1), numpy.inf)

    detector = Uncalibrated(reference[:, :10], 1e4, [window], n_bootstraps=10, verbose=False)
    return lambda row: detector.predict(row[:10])


def frouros_mmd(reference, window):
    from frouros.detectors.data_drift import MMDStreaming

    detector = MMDStreaming(window_size=window)
    detector.fit(X=reference)
    return lambda row: detector.update(value=row)


def qt_ewma(reference, window):
    """As NumPy code would do it, row by row; compiled it costs what a table look-up does."""
    import online

    tree = online.QuantTree(reference)
    state = {"z": tree.shares.copy()}

    def update(row):
        z = state["z"] * 0.97
        z[tree.bins(row[None, :])[0]] += 0.03
        state["z"] = z
        return ((z - tree.shares) ** 2 / tree.shares).sum()

    return update


def river_adwin(reference, window):
    from river import drift

    detectors = [drift.ADWIN() for _ in range(reference.shape[1])]

    def update(row):
        for detector, value in zip(detectors, row.tolist()):
            detector.update(value)

    return update


def river_kswin(reference, window):
    from river import drift

    detectors = [drift.KSWIN(seed=1) for _ in range(reference.shape[1])]

    def update(row):
        for detector, value in zip(detectors, row.tolist()):
            detector.update(value)

    return update


PEERS = {
    "alibi mmd online": (alibi_mmd, True),
    "alibi lsdd online": (alibi_lsdd, True),
    "alibi cvm online": (alibi_cvm, True),
    "frouros mmd streaming": (frouros_mmd, True),
    "qt-ewma in numpy": (qt_ewma, True),
    "river adwin, each column": (river_adwin, False),
    "river kswin, each column": (river_kswin, False),
}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--folder", required=True)
    options.add_argument("--peer", required=True)
    options.add_argument("--window", type=int, default=50)
    options.add_argument("--seconds", type=float, default=60)
    options = options.parse_args()
    reference = numpy.load(f"{options.folder}/fashion/reference-seen.npy")[:2000]
    rows = numpy.load(f"{options.folder}/fashion/clean-seen.npy")
    make, multivariate = PEERS[options.peer]
    update = make(reference, options.window)
    marks, figures, total, spent = [1000, 10_000, 100_000], [], 0, 0.0
    before = memory()
    while total < marks[-1] and spent < options.seconds:
        start = time.process_time()
        for _ in range(1000):
            update(rows[total % len(rows)])
            total += 1
        last = time.process_time() - start
        spent += last
        if total in marks or total == 1000:
            figures.append({"rows": total, "microseconds_a_row": last * 1e3, "bytes_grown": memory() - before})
    figures.append({"rows": total, "microseconds_a_row": last * 1e3, "bytes_grown": memory() - before})
    print(json.dumps({"peer": options.peer, "window": options.window, "multivariate": multivariate, "figures": figures}))


if __name__ == "__main__":
    main()
