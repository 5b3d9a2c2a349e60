"""Leeway's monitor on the same streams, by `leeway bench drift-stream`: run lengths and delays."""

import argparse
import json
import pathlib
import struct
import subprocess

import numpy

import images as im
from prepare import KINDS
from streams import AFTER, BEFORE, CELLS, WARM_UP, Records, Results, null_streams, shifted_stream, threshold_for

# name: options of the monitor. Tolerance 0 is what the peers have; 0.05 is the default of a model.
VARIANTS = {
    "leeway": ["--tolerance", "0"],
    "leeway tolerance 0.05": ["--tolerance", "0.05"],
    "leeway blocks of 1": ["--tolerance", "0", "--block", "1"],
    "leeway blocks of 16": ["--tolerance", "0", "--block", "16"],
}
NULL_LENGTH = 20_000


def write_streams(path, lines):
    lines = numpy.ascontiguousarray(lines, ">i4")
    pathlib.Path(path).write_bytes(struct.pack(">BBBBII", 0, 0, 0x0C, 2, *lines.shape) + lines.tobytes())


def run(leeway, folder, streams, change, options):
    command = [leeway, "bench", "drift-stream", "--config", f"{folder}/leeway.yaml"]
    for kind in KINDS:
        command += ["--pool", f"{folder}/{kind}.idx"]
    command += ["--streams", streams, "--change", str(change), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            found = json.loads(line)
            rows, values = zip(*found["records"]) if found["records"] else ((), ())
            yield found["before"], Records(rows, values)
    if process.returncode:
        raise SystemExit(f"{command}: exit code {process.returncode}")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--leeway", required=True)
    options.add_argument("--folder", required=True)
    options.add_argument("--data", required=True)
    options.add_argument("--results", required=True)
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--nulls", type=int, default=80)
    options = options.parse_args()
    folder = f"{options.folder}/{options.data}"
    labels = im.read_idx(f"{folder}/clean-labels.idx")
    numbers = [(cell, number) for cell in range(len(CELLS)) for number in range(options.seeds)]
    write_streams(f"{folder}/null-streams.idx", null_streams(options.nulls, NULL_LENGTH))
    write_streams(f"{folder}/streams.idx", numpy.stack([shifted_stream(cell, number, labels) for cell, number in numbers]))
    results = Results(options.results, options.data, "leeway")
    for name, variant in VARIANTS.items():
        nulls = [record for _, record in run(options.leeway, folder, f"{folder}/null-streams.idx", WARM_UP, variant)]
        rows = NULL_LENGTH - WARM_UP
        threshold, length, alarms = threshold_for(nulls, rows)
        results.run_length(name, threshold, length, alarms, options.nulls, rows)
        stop = ["--stop", str(threshold + 0.01)]
        found = run(options.leeway, folder, f"{folder}/streams.idx", BEFORE, variant + stop)
        for (cell, number), (before, record) in zip(numbers, found):
            after = record.first(threshold)
            results.shifted(name, cell, number, before >= threshold, after if after is None else min(after, AFTER))


if __name__ == "__main__":
    main()
