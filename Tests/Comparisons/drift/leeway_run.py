"""Leeway's monitor on the same streams, by `leeway bench drift-stream`: run lengths and delays."""

import argparse
import csv
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
    "leeway": ["--tolerance", "0", "--block", "1"],
    "leeway tolerance 0.05": ["--tolerance", "0.05", "--block", "1"],
    "leeway blocks of 4": ["--tolerance", "0", "--block", "4"],
    "leeway blocks of 16": ["--tolerance", "0", "--block", "16"],
}
NULL_LENGTH = 20_000
# The defaults of a model, for most streams and for those of rare values.
TOLERANCE, RARE_TOLERANCE, RARE = 0.05, 0.01, ("tail", "quality")


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


# Rows of a cell by which it is seen how far the shift moves the streams.
DISTANCE_ROWS = 10_000


def write_distances(options, folder, labels):
    """For each cell the stream that surely moves farthest beyond its tolerance; below 0 none does."""
    pictures = numpy.concatenate([im.read_idx(f"{folder}/{kind}.idx") for kind in KINDS])
    path, rows = f"{folder}/cell.idx", []
    for cell, (shift, fraction) in enumerate(CELLS):
        drawn = shifted_stream(cell, 1_000_000, labels, after=DISTANCE_ROWS)[BEFORE:]
        im.write_idx(path, pictures[drawn])
        command = [options.leeway, "drift", "check", "--config", f"{folder}/leeway.yaml", "--json", path]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 5):
            raise SystemExit(f"{command}: {done.stderr}")
        beyond = {
            stream["name"]: stream["moved_at_least"] - (RARE_TOLERANCE if stream["name"].split(".")[0] in RARE else TOLERANCE)
            for stream in json.loads(done.stdout)["streams"]
        }
        name = max(beyond, key=beyond.get)
        rows.append([options.data, shift, fraction, name, f"{beyond[name]:.4f}"])
    with open(f"{options.results}/distance-{options.data}.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["data", "shift", "fraction", "stream", "beyond_tolerance"], *rows])


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
    write_distances(options, folder, labels)
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
