"""Evidently and NannyML as they are used: one verdict for each chunk of rows, with their defaults.

Evidently calls a data set drifted when half of its columns are; NannyML alerts for each column. For
both, "any" column counts beside Evidently's own rule. Written are the chunks called drifted without
any shift (the mean rows to a false alarm follow from them) and with each shift.
"""

import argparse
import csv
import os
import pathlib
import time
import warnings

import numpy
import pandas

import images as im
from power_run import sample
from streams import CELLS, pools

# NannyML reports its use to its makers unless told not to.
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

COLUMNS = [f"p{index}" for index in range(10)]


class Evidently:
    names = ["evidently, half of the columns", "evidently, any column"]

    def __init__(self, reference, size):
        self.reference = reference

    def __call__(self, chunk):
        from evidently import Report
        from evidently.presets import DataDriftPreset

        found = Report([DataDriftPreset()]).run(chunk, self.reference).dict()
        value = next(m["value"] for m in found["metrics"] if "DriftedColumnsCount" in m.get("metric_name", m.get("metric_id", "")))
        return [value["share"] >= 0.5, value["count"] > 0]


class NannyML:
    names = ["nannyml, any column"]

    def __init__(self, reference, size):
        import nannyml

        self.calculator = nannyml.UnivariateDriftCalculator(
            column_names=COLUMNS, continuous_methods=["jensen_shannon"], chunk_size=size
        ).fit(reference)

    def __call__(self, chunk):
        found = self.calculator.calculate(chunk).to_df(multilevel=True)
        alerts = found.loc[:, [column for column in found.columns if column[-1] == "alert"]]
        return [bool(alerts.to_numpy().any())]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--folder", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--results", required=True)
    options.add_argument("--peer", choices=["evidently", "nannyml"], required=True)
    options.add_argument("--seeds", type=int, default=2)
    options.add_argument("--nulls", type=int, default=50)
    options.add_argument("--sizes", type=int, nargs="*", default=[100, 200, 1000])
    options = options.parse_args()
    warnings.filterwarnings("ignore")
    folder = f"{options.folder}/{options.data}"
    labels = im.read_idx(f"{folder}/clean-labels.idx")
    softmax = pools(folder, "softmax").astype(float)
    reference = pandas.DataFrame(numpy.load(f"{folder}/reference-softmax.npy").astype(float), columns=COLUMNS)
    path = pathlib.Path(options.results) / f"power-{options.data}-{options.peer}.csv"
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["data", "method", "rows", "shift", "fraction", "detected", "trials"])
        for size in options.sizes:
            peer = (Evidently if options.peer == "evidently" else NannyML)(reference, size)
            spent, chunks = 0.0, 0
            for cell in range(-1, len(CELLS)):
                trials = options.nulls if cell < 0 else options.seeds
                counts = numpy.zeros(len(peer.names), int)
                for number in range(trials):
                    chunk = pandas.DataFrame(softmax[sample(cell, number, size, labels)], columns=COLUMNS)
                    start = time.process_time()
                    counts += peer(chunk)
                    spent += time.process_time() - start
                    chunks += 1
                shift, fraction = CELLS[cell] if cell >= 0 else ("none", 0)
                for name, count in zip(peer.names, counts):
                    table.writerow([options.data, name, size, shift, fraction, count, trials])
                file.flush()
            print(f"{options.data} {options.peer}: {size} rows, {spent / chunks * 1e3:.0f} ms a chunk", flush=True)


if __name__ == "__main__":
    main()
