"""Streams of rows, measured run lengths and delays: what all detectors have in common.

A stream is a line of numbers: row r of pool k is k * POOL + r. Null streams draw from the clean
pool alone; shifted streams do so for BEFORE rows, then draw as the shift says. No row of a pool
was fitted, and none is in the reference.
"""

import csv
import pathlib

import numpy

import images as im
from prepare import KINDS, POOL

BEFORE, AFTER = 1000, 5000
# Rows at the start of a null stream in which a detector fills its window.
WARM_UP = 250
RUN_LENGTH = 10_000
CELLS = [(shift, fraction) for shift in im.SHIFTS for fraction in im.FRACTIONS]


def null_streams(count, length, seed=7):
    random = numpy.random.default_rng(seed)
    return random.integers(0, POOL, (count, length)).astype(numpy.int32)


def shifted_stream(cell, number, labels, seed=11, after=AFTER):
    shift, fraction = CELLS[cell]
    random = numpy.random.default_rng((seed, cell, number))
    mixture = im.Mixture(shift, fraction, labels)
    before = random.integers(0, POOL, BEFORE)
    rows, changed = mixture.draw(after, random)
    after = rows + numpy.where(changed, KINDS.index(mixture.kind) * POOL, 0)
    return numpy.concatenate([before, after]).astype(numpy.int32)


def pools(folder, suffix):
    """All pools, one after another, as the numbers of a stream count them."""
    return numpy.concatenate([numpy.load(pathlib.Path(folder) / f"{kind}-{suffix}.npy") for kind in KINDS])


class Records:
    """Where the running maximum of a detector's statistic rose: (rows since the start, value)."""

    def __init__(self, rows, values):
        self.rows, self.values = numpy.asarray(rows), numpy.asarray(values)

    @classmethod
    def of(cls, path):
        top = numpy.maximum.accumulate(path)
        rises = numpy.flatnonzero(numpy.diff(top, prepend=-numpy.inf) > 0)
        return cls(rises + 1, top[rises])

    def first(self, threshold):
        """The row at which the statistic first reached the threshold; None if it never did."""
        index = numpy.searchsorted(self.values, threshold)
        return int(self.rows[index]) if index < len(self.rows) else None


def measured_run_length(records, threshold, length):
    """The mean rows to an alarm, as censored exponential times give it, and the alarms."""
    firsts = [record.first(threshold) for record in records]
    alarms = sum(first is not None for first in firsts)
    return sum(first or length for first in firsts) / max(alarms, 1), alarms


def threshold_for(records, length, target=RUN_LENGTH):
    """The least threshold whose measured run length is the target."""
    candidates = numpy.unique(numpy.concatenate([record.values for record in records]))
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if measured_run_length(records, candidates[middle], length)[0] >= target:
            high = middle
        else:
            low = middle + 1
    return float(candidates[low]), *measured_run_length(records, candidates[low], length)


class Results:
    """The tables of one data set: run lengths and delays."""

    def __init__(self, folder, data, runner):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.data = data
        self.run_file = open(folder / f"run-length-{data}-{runner}.csv", "w", newline="")
        self.delay_file = open(folder / f"delay-{data}-{runner}.csv", "w", newline="")
        self.run, self.delay = csv.writer(self.run_file), csv.writer(self.delay_file)
        self.run.writerow(["data", "detector", "threshold", "measured_run_length", "alarms", "streams", "rows"])
        self.delay.writerow(["data", "detector", "shift", "fraction", "seed", "delay", "outcome"])

    def run_length(self, detector, threshold, length, alarms, streams, rows):
        self.run.writerow([self.data, detector, f"{threshold:.6g}", f"{length:.0f}", alarms, streams, rows])
        self.run_file.flush()
        print(f"{self.data} {detector}: threshold {threshold:.6g}, run length {length:.0f} ({alarms} alarms)", flush=True)

    def shifted(self, detector, cell, number, before, after):
        """`before`: alarmed before the change; `after`: rows to the alarm, None when there was none."""
        outcome = "early" if before else "missed" if after is None else "alarm"
        delay = "" if before else AFTER if after is None else after
        self.delay.writerow([self.data, detector, *CELLS[cell], number, delay, outcome])
        self.delay_file.flush()


def measure(results, detector, statistic, labels, seeds, null_count, null_length):
    """Calibrates a detector on null streams, then runs it on every cell.

    `statistic(stream, stop)` gives the statistic after each row of the stream; it may end once the
    statistic has passed `stop` after row BEFORE.
    """
    nulls = null_streams(null_count, null_length)
    records = [Records.of(statistic(stream, None)[WARM_UP:]) for stream in nulls]
    rows = null_length - WARM_UP
    threshold, length, alarms = threshold_for(records, rows)
    results.run_length(detector, threshold, length, alarms, null_count, rows)
    for cell in range(len(CELLS)):
        for number in range(seeds):
            path = statistic(shifted_stream(cell, number, labels), threshold)
            before = (path[WARM_UP:BEFORE] >= threshold).any()
            after = Records.of(path[BEFORE:]).first(threshold)
            results.shifted(detector, cell, number, before, after)
