#!/usr/bin/env python3
"""Leeway's decoder beside simdjson's On-Demand parser, on the same bodies, in turns.

`leeway bench decode --export` writes the bodies; both read each kind of them, one round after the
other (A B A B …) on one core. Told are the medians and the ratio of the rounds: median, least, most.
simdjson gives the numbers as binary64 or as integers and checks no schema; Leeway rounds to
binary32, checks count, range and repeated keys, and looks up the categories of a table.

Needs g++ and simdjson: a checkout (--simdjson FOLDER, with `include` and `src`), or the system's
(Debian: libsimdjson-dev, which is older).
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
LIMITS = {"floats": 1.0, "integers": 0.8}


def build(options, folder):
    """Compiles the reader by simdjson; gives the program."""
    program = folder / "simdjson_decode"
    source = pathlib.Path(__file__).with_name("simdjson_decode.cpp")
    command = ["g++", "-std=c++20", "-O3", "-march=native", "-DNDEBUG", source, "-o", program]
    if options.simdjson:
        checkout = pathlib.Path(options.simdjson)
        command += [f"-I{checkout}/include", f"-I{checkout}/src", checkout / "src/simdjson.cpp"]
    else:
        command += ["-lsimdjson"]
    subprocess.run([str(word) for word in command], check=True)
    return program


def spread(values):
    """Median, least and most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leeway", default=ROOT / ".build/release/leeway")
    parser.add_argument("--simdjson", help="a checkout of simdjson")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--core", type=int, default=0)
    parser.add_argument("--json", help="a file for the figures")
    options = parser.parse_args()
    if not shutil.which("g++"):
        sys.exit("not compared: g++ is not installed")
    os.sched_setaffinity(0, {options.core})
    with tempfile.TemporaryDirectory(prefix="leeway-decode-") as path:
        compare(options, pathlib.Path(path))


def compare(options, folder):
    """Runs both, round by round, and prints the figures."""
    program, bodies = build(options, folder), folder / "bodies"
    leeway = [str(options.leeway), "bench", "decode"]
    subprocess.run([*leeway, "--export", bodies], check=True)
    ours, theirs, facts = {}, {}, {}
    for _ in range(options.rounds):
        text = subprocess.run(
            [*leeway, "--json", "--samples", "3"], check=True, capture_output=True
        ).stdout
        for figures in json.loads(text)["decode"]:
            facts[figures["body"]] = figures
            ours.setdefault(figures["body"], []).append(figures["microseconds"]["median"])
        text = subprocess.run(
            [program, bodies, "3", "0.004"], check=True, capture_output=True
        ).stdout
        found = json.loads(text)
        about = f"simdjson {found.pop('version')}, {found.pop('implementation')}"
        for kind, times in found.items():
            theirs.setdefault(kind, []).append(statistics.median(times))
    print(f"{about}; {options.rounds} rounds; µs of a body")
    missed = 0
    for kind, times in ours.items():
        size = f"{facts[kind]['bytes']:.0f} bytes, {facts[kind]['values']} values"
        if kind not in theirs:
            print(f"{kind:<9} {size:<26} leeway {spread(times)}")
            continue
        ratios = [mine / other for mine, other in zip(times, theirs[kind])]
        limit = LIMITS.get(kind)
        verdict = ""
        if limit:
            holds = statistics.median(ratios) <= limit
            missed += not holds
            verdict = f"  {'ok' if holds else 'MISSED'}: at most {limit}"
        print(
            f"{kind:<9} {size:<26} leeway {spread(times)}  simdjson {spread(theirs[kind])}  "
            f"ratio {spread(ratios)}{verdict}"
        )
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"about": about, "leeway": ours, "simdjson": theirs}, indent=2)
        )
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
