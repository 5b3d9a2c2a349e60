"""Batch tests by sample size: `leeway drift check` beside Alibi Detect's KSDrift (BBSDs).

BBSDs is the best of "Failing Loudly": a Kolmogorov–Smirnov test of each softmax output, Bonferroni
over the ten. There the reference has as many rows as the sample ("equal"); a server has the whole
hold-out ("whole"), which is what `leeway drift check` has, too. Runs in .venv-alibi.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import tempfile

import numpy

import images as im
from prepare import KINDS, POOL
from streams import CELLS, pools

SIZES = [10, 20, 50, 100, 200, 500, 1000, 10_000]
LEVEL = 0.05


def sample(cell, number, size, labels):
    """Row numbers of a batch; cell −1 is without any shift."""
    random = numpy.random.default_rng((13, cell + 1, number, size))
    if cell < 0:
        return random.choice(POOL, size, replace=False)
    mixture = im.Mixture(*CELLS[cell], labels)
    rows, changed = mixture.draw(size, random)
    return rows + numpy.where(changed, KINDS.index(mixture.kind) * POOL, 0)


class Leeway:
    def __init__(self, program, folder, pictures, options=()):
        self.command = [program, "drift", "check", "--config", f"{folder}/leeway.yaml", "--json", *options]
        self.pictures = pictures
        self.file = tempfile.NamedTemporaryFile(suffix=".idx")

    def __call__(self, rows, number):
        im.write_idx(self.file.name, self.pictures[rows])
        done = subprocess.run([*self.command, self.file.name], capture_output=True, text=True)
        if done.returncode not in (0, 5):
            raise SystemExit(f"{self.command}: {done.stderr}")
        found = json.loads(done.stdout)
        assert found["drift"] == (done.returncode == 5)
        return found["drift"]


class Bbsds:
    def __init__(self, reference, softmax, equal):
        self.reference, self.softmax, self.equal = reference, softmax, equal

    def __call__(self, rows, number):
        from alibi_detect.cd import KSDrift

        reference = self.reference
        if self.equal:
            chosen = numpy.random.default_rng((17, number, len(rows))).choice(len(reference), len(rows), replace=False)
            reference = reference[chosen]
        detector = KSDrift(reference, p_val=LEVEL, correction="bonferroni")
        return bool(detector.predict(self.softmax[rows])["data"]["is_drift"])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--leeway", required=True)
    options.add_argument("--folder", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--results", required=True)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--nulls", type=int, default=100)
    options = options.parse_args()
    folder = f"{options.folder}/{options.data}"
    labels = im.read_idx(f"{folder}/clean-labels.idx")
    pictures = numpy.concatenate([im.read_idx(f"{folder}/{kind}.idx") for kind in KINDS])
    softmax = pools(folder, "softmax")
    reference = numpy.load(f"{folder}/reference-softmax.npy")
    methods = {
        "leeway drift check": Leeway(options.leeway, folder, pictures),
        "alibi bbsds, equal": Bbsds(reference, softmax, True),
        "alibi bbsds, whole": Bbsds(reference, softmax, False),
    }
    path = pathlib.Path(options.results) / f"power-{options.data}.csv"
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["data", "method", "rows", "shift", "fraction", "detected", "trials"])
        for size in SIZES:
            for cell in range(-1, len(CELLS)):
                trials = options.nulls if cell < 0 else options.seeds
                if size == SIZES[-1]:
                    trials = min(trials, 50)
                found = dict.fromkeys(methods, 0)
                for number in range(trials):
                    rows = sample(cell, number, size, labels)
                    for name, method in methods.items():
                        found[name] += method(rows, number)
                shift, fraction = CELLS[cell] if cell >= 0 else ("none", 0)
                for name, count in found.items():
                    table.writerow([options.data, name, size, shift, fraction, count, trials])
                file.flush()
            print(f"{options.data}: {size} rows done", flush=True)


if __name__ == "__main__":
    main()
