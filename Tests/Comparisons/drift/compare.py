#!/usr/bin/env python3
"""The drift monitor beside its peers on shifted images: run length, delay, power, cost, as tables.

See README.md beside this file. Only Python's standard library is needed to start it; each peer runs
in an environment of its own, which --setup makes.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
FASHION = "/usr/share/datasets/fashion-mnist"
PARTS = ["prepare", "delay", "power", "chunks", "cost", "page"]
ALIBI_COSTS = ["alibi mmd online", "alibi lsdd online", "alibi cvm online", "frouros mmd streaming", "qt-ewma in numpy"]
RIVER_COSTS = ["river adwin, each column", "river kswin, each column"]


def python(peer):
    return ROOT / f".venv-{peer}" / "bin" / "python"


def set_up():
    for peer in ("alibi", "river", "evidently", "nannyml"):
        folder = ROOT / f".venv-{peer}"
        if not python(peer).exists():
            venv.create(folder, with_pip=True)
        run([python(peer), "-m", "pip", "install", "-q", "-r", HERE / f"requirements-{peer}.txt"])


def run(command, **more):
    print("+", " ".join(map(str, command)), flush=True)
    return subprocess.run(list(map(str, command)), check=True, cwd=HERE, **more)


def costs(options, results):
    lines = []
    for peer, names in (("alibi", ALIBI_COSTS), ("river", RIVER_COSTS)):
        for name in names:
            command = [python(peer), "cost_run.py", "--folder", options.folder, "--peer", name]
            done = subprocess.run(list(map(str, command)), cwd=HERE, capture_output=True, text=True)
            if done.returncode == 0:
                lines.append(json.loads(done.stdout.splitlines()[-1]))
                print(lines[-1], flush=True)
            else:
                print(f"{name}: {done.stderr.splitlines()[-1:]}", flush=True)
    leeway = subprocess.run([options.leeway, "bench", "drift", "--json"], capture_output=True, text=True)
    if leeway.returncode == 0:
        lines.append({"peer": "leeway", "bench": json.loads(leeway.stdout)})
    (results / "cost.json").write_text(json.dumps(lines, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setup", action="store_true", help="make the environments of the peers first (4 GB)")
    parser.add_argument("--leeway", default=str(ROOT / ".build/release/leeway"), help="the program")
    parser.add_argument("--mnist", help="a folder with the four .gz files of MNIST; left out without it")
    parser.add_argument("--folder", default=str(ROOT / ".leeway-comparison"), help="where pools and streams are kept (1 GB)")
    parser.add_argument("--results", default=str(HERE / "results"), help="where the tables go")
    parser.add_argument("--seeds", type=int, default=10, help="streams of each shift and fraction")
    parser.add_argument("--nulls", type=int, default=80, help="streams without a shift, of 20,000 rows each")
    parser.add_argument("--part", choices=PARTS, action="append", help="only these; all when not given")
    options = parser.parse_args()
    options.leeway, options.folder = os.path.abspath(options.leeway), os.path.abspath(options.folder)
    if options.setup:
        set_up()
    parts = options.part or PARTS
    results = pathlib.Path(options.results).resolve()
    results.mkdir(parents=True, exist_ok=True)
    sources = {"fashion": FASHION} | ({"mnist": os.path.abspath(options.mnist)} if options.mnist else {})
    for data, source in sources.items():
        common = ["--folder", options.folder, "--data", data, "--results", results]
        counts = ["--seeds", options.seeds, "--nulls", options.nulls]
        if "prepare" in parts:
            code = f"import prepare; prepare.prepare({data!r}, {source!r}, {options.folder!r}, {options.leeway!r})"
            run([python("alibi"), "-c", code])
        if "delay" in parts:
            run([python("alibi"), "leeway_run.py", "--leeway", options.leeway, *common, *counts])
            run([python("alibi"), "alibi_run.py", *common, *counts])
            run([python("river"), "river_run.py", *common, "--seeds", options.seeds, "--nulls", max(10, options.nulls // 4)])
        if "power" in parts:
            run([python("alibi"), "power_run.py", "--leeway", options.leeway, *common])
        if "chunks" in parts:
            for peer in ("evidently", "nannyml"):
                run([python(peer), "chunk_run.py", *common, "--peer", peer])
    if "cost" in parts:
        costs(options, results)
    if "page" in parts:
        run([sys.executable, "report.py", "--results", results])


if __name__ == "__main__":
    main()
