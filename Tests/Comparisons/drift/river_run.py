"""River's ADWIN, KSWIN and Page-Hinkley, and Frouros' IncrementalKSTest. Runs in .venv-river.

Each is univariate, so it watches the confidence alone, or all ten log-odds and the confidence at
once: the first alarm of any counts, and the parameter is tuned so that this has the wanted run
length. ADWIN and Page-Hinkley change their state with their parameter, so it is found by trying.
"""

import argparse
import math
import time

import numpy
from river import drift

import images as im
from streams import (
    BEFORE,
    RUN_LENGTH,
    WARM_UP,
    CELLS,
    Results,
    measure,
    measured_run_length,
    null_streams,
    pools,
    shifted_stream,
    Records,
)


class Tuned:
    """A detector that says only yes or no, made anew for each stream with a parameter."""

    def __init__(self, make, rows, parameters):
        self.make, self.rows, self.parameters = make, rows, parameters

    def first(self, stream, parameter, start):
        """The rows from `start` to the first alarm, and whether one came before."""
        values = self.rows[stream]
        detectors = [self.make(parameter, values.shape[1]) for _ in range(values.shape[1])]
        columns = values.T.tolist()
        for t in range(len(stream)):
            found = False
            for detector, column in zip(detectors, columns):
                detector.update(column[t])
                found |= detector.drift_detected
            if found and t >= WARM_UP:
                return t
        return None

    def run_length(self, parameter, nulls):
        records = []
        for stream in nulls:
            found = self.first(stream, parameter, WARM_UP)
            records.append(Records([] if found is None else [found - WARM_UP + 1], [] if found is None else [1.0]))
        return measured_run_length(records, 0.5, nulls.shape[1] - WARM_UP)

    def tune(self, nulls):
        """The most eager of the parameters (given from eager to patient) with the run length."""
        low, high = 0, len(self.parameters) - 1
        while low < high:
            middle = (low + high) // 2
            if self.run_length(self.parameters[middle], nulls)[0] >= RUN_LENGTH:
                high = middle
            else:
                low = middle + 1
        return self.parameters[low], *self.run_length(self.parameters[low], nulls)


def kswin(rows):
    """KSWIN's p-value as a statistic, −ln p; its own rule D > 0.1 is kept."""

    def statistic(stream, stop):
        detector = drift.KSWIN(alpha=1e-300, window_size=100, stat_size=30, seed=1)
        path = numpy.zeros(len(stream))
        for t, value in enumerate(rows[stream].tolist()):
            detector.update(value)
            p = getattr(detector, "p_value", 1.0)
            path[t] = -math.log(max(p, 1e-300))
            if stop is not None and t >= BEFORE and path[t] >= stop:
                return path[: t + 1]
        return path

    return statistic


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--folder", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--results", required=True)
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--nulls", type=int, default=30)
    options.add_argument("--without-kswin", action="store_true", help="it takes most of the time")
    options = options.parse_args()
    folder = f"{options.folder}/{options.data}"
    labels = im.read_idx(f"{folder}/clean-labels.idx")
    confidence = pools(folder, "softmax").max(1, keepdims=True).astype(float)
    several = numpy.hstack([pools(folder, "seen")[:, :10].astype(float), confidence])
    deltas = [float(d) for d in numpy.geomspace(0.999, 1e-6, 25)]
    lambdas = [float(v) for v in numpy.geomspace(0.05, 500, 41)]

    def adwin(delta, count):
        return drift.ADWIN(delta=delta / count)

    def page_hinkley(threshold, count):
        return drift.PageHinkley(min_instances=30, delta=0.005, threshold=threshold)

    results = Results(options.results, options.data, "river")
    nulls = null_streams(options.nulls, 20_000)
    tuned = {
        "river adwin": Tuned(adwin, confidence, deltas),
        "river adwin all": Tuned(adwin, several, deltas),
        "river page-hinkley": Tuned(page_hinkley, confidence, lambdas),
        "river page-hinkley all": Tuned(page_hinkley, several, lambdas),
    }
    for name, detector in tuned.items():
        start = time.time()
        parameter, length, alarms = detector.tune(nulls)
        results.run_length(name, parameter, length, alarms, len(nulls), nulls.shape[1] - WARM_UP)
        for cell in range(len(CELLS)):
            for number in range(options.seeds):
                found = detector.first(shifted_stream(cell, number, labels), parameter, BEFORE)
                early = found is not None and found < BEFORE
                after = None if found is None or early else found - BEFORE + 1
                results.shifted(name, cell, number, early, after)
        print(f"  {time.time() - start:.0f} s", flush=True)
    if options.without_kswin:
        return
    start = time.time()
    measure(results, "river kswin", kswin(confidence[:, 0]), labels, min(options.seeds, 5), min(options.nulls, 20), 10_000)
    print(f"  {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
