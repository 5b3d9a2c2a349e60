#!/usr/bin/env python3
"""Leeway's engine beside ONNX Runtime, NumPy and Keras: the same work in the same run.

The two sides of a comparison take turns, round after round, so that what else the machine does
meets both. Each round gives one ratio; their median is held against what is asked of Leeway.
See README.md beside this file.
"""

import argparse
import datetime
import json
import os
import pathlib
import signal
import statistics
import sys
import tempfile

from processes import HERE, ROOT, Cores, Leeway, Peer, machine, mnist_configuration, set_up

NETWORKS = ["784-64-10", "784-512-512-10", "784-4096-4096-10"]
BATCHES = [1, 8, 32, 256, 1024]
PARTS = ["sgemm", "inference", "steps", "training"]
TRAINING_BATCH = 32
EPOCHS = 5
# Steps of an epoch of Keras: long enough that what an epoch itself costs is small.
STEPS = {"784-64-10": 1500, "784-512-512-10": 500, "784-4096-4096-10": 50}

# What is asked of Leeway: so many times as fast as the peer.
INFERENCE_MIN = 1.0
# One row through two large layers is a reading of 80 MB: there is nothing to win, little to lose.
INFERENCE_MIN_OF = {("784-4096-4096-10", 1): 0.95}
STEPS_MIN = 3.0
KERAS_TRAINING_MIN, NUMPY_TRAINING_MIN = 15.0, 1.8
ACCURACY_LOSS_MAX = 0.001


def columns(rounds):
    """The rounds as they are kept: the medians, and the minima."""
    return {"medians": [m for m, _ in rounds], "minima": [m for _, m in rounds]}


def both(timed):
    """What is kept of a timing: its median, and its minimum."""
    return timed["median"], timed["minimum"]


def arguments():
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--setup", action="store_true", help="first make the virtual environment")
    add("--venv", default=str(ROOT / ".venv-comparisons"), help="the virtual environment")
    add("--leeway", default=str(ROOT / ".build/release/leeway"), help="the program")
    add("--peers-only", action="store_true", help="measure the peers without Leeway")
    add("--part", action="append", choices=PARTS, help="only this part; may be repeated")
    add("--network", action="append", choices=NETWORKS, help="only this; may be repeated")
    add("--batch", action="append", type=int, help="only this batch of inference; repeatable")
    add("--threads", action="append", type=int, help="threads of inference; repeatable")
    add("--rounds", type=int, default=5, help="how often the sides take turns")
    add("--seconds", type=float, default=0.5, help="how long a peer's cell is timed in a round")
    add("--core", type=int, default=max(os.sched_getaffinity(0)),
        help="core for work of one thread; -1 pins nothing")  # fmt: skip
    add("--mnist", help="folder with the four IDX files of MNIST, packed by gzip")
    add("--accuracy", action="store_true", help="also compare the accuracy over seeds")
    add("--seeds", type=int, default=10, help="how many seeds --accuracy takes")
    add("--results", default=str(HERE / "results.json"), help="where the figures are written")
    options = parser.parse_args()
    options.leeway = pathlib.Path(options.leeway).resolve()
    if not options.peers_only and not os.access(options.leeway, os.X_OK):
        parser.error(f"{options.leeway} is no program: build it, or say --leeway or --peers-only")
    if options.rounds < 1 or options.seeds < 1:
        parser.error("--rounds and --seeds are at least 1")
    options.part = options.part or ([] if options.accuracy else PARTS)
    return options


class Comparison:
    """The sides, the table that is printed, and the verdicts."""

    def __init__(self, options):
        self.options = options
        self.python = str(pathlib.Path(options.venv) / "bin/python")
        self.cores = Cores(options.core)
        self.leeway = None if options.peers_only else Leeway(str(options.leeway), self.cores)
        self.results = {"machine": machine(self.python), "cells": []}
        self.networks = options.network or NETWORKS
        self.won = self.lost = 0

    def peer(self, name, threads=None):
        """A new process of a peer; without a number it may use all cores as it likes."""
        return Peer(self.python, name, self.cores, threads)

    def cell(self, name, unit, ours, theirs, least=None, note="", **more):
        """Prints one comparison and keeps it: `theirs` over `ours`, round by round.

        Each of both is a list of rounds, as (median, minimum) of what was timed. The ratio of the
        least of all is printed besides: it is what the sides do when nothing disturbs them.
        """
        middle = statistics.median
        cell = {"cell": name, "unit": unit, "leeway": columns(ours), "peer": columns(theirs)} | more
        line = f"{name:<40}{middle(their for their, _ in theirs):>12.2f}"
        if ours:
            ratios = [their / our for (our, _), (their, _) in zip(ours, theirs)]
            best = min(their for _, their in theirs) / min(our for _, our in ours)
            cell |= {"ratios": ratios, "ratio": middle(ratios), "best": best, "required": least}
            line += f"{middle(our for our, _ in ours):>12.2f}{middle(ratios):>8.2f}"
            line += f"{min(ratios):>8.2f}{max(ratios):>8.2f}{best:>8.2f}"
            line += "" if least is None else f"  {self.verdict(cell)} (>= {least})"
        self.results["cells"].append(cell)
        print(line + note, flush=True)

    def verdict(self, cell):
        """Holds the median of the ratios against what is asked."""
        won = cell["ratio"] >= cell["required"]
        cell["verdict"] = "WIN" if won else "LOSS"
        self.won, self.lost = self.won + won, self.lost + (not won)
        return cell["verdict"]

    def heading(self, text):
        """Prints the head of a table."""
        titles = f"{'peer':>12}{'Leeway':>12}{'ratio':>8}{'least':>8}{'most':>8}{'best':>8}"
        print(f"\n{text:<40}{titles}", flush=True)

    # The parts

    def sgemm(self):
        """OpenBLAS as an anchor: how fast this machine's cores multiply at present."""
        peer = self.peer("numpy", 1)
        rounds = [peer.ask("sgemm", size=1024, seconds=self.options.seconds) for _ in range(3)]
        peer.end()
        self.results["sgemm"] = rounds
        rate = statistics.median(answer["gflops"] for answer in rounds)
        best = max(answer["gflops_max"] for answer in rounds)
        print(f"\nOpenBLAS sgemm 1024, one thread: {rate:.1f} GFLOP/s, best {best:.1f}"
              f" ({rounds[0]['kernels']})", flush=True)  # fmt: skip

    def inference(self, threads):
        """Each network and batch: Leeway, ONNX Runtime, and NumPy for reference."""
        runtime, numpy = self.peer("onnxruntime", threads), self.peer("numpy", threads)
        empty = runtime.ask("empty", seconds=self.options.seconds)["median"]
        self.results[f"onnxruntime_empty_run_{threads}"] = empty
        self.heading(f"ONNX Runtime, {threads} thread(s), µs a batch")
        for network in self.networks:
            for batch in self.options.batch or BATCHES:
                self.infer(runtime, numpy, network, batch, threads)
        print(f"(a run of an empty network by ONNX Runtime from Python: {empty:.2f} µs)")
        runtime.end()
        numpy.end()

    def infer(self, runtime, numpy, network, batch, threads):
        """One cell of inference."""
        ours, theirs, reference, ways = [], [], [], []
        question = {"network": network, "batch": batch, "seconds": self.options.seconds}
        for _ in range(self.options.rounds):
            if self.leeway:
                cell, report = self.leeway.bench("inference", network, batch, threads)
                ours.append(both(cell["microseconds_per_batch"]))
                self.facts(report)
            answer = runtime.ask("infer", threads=threads, **question)
            theirs.append(both(answer))
            ways.append(answer["way"])
            reference.append(numpy.ask("infer", **question)["median"])
        self.cell(
            f"{network} batch {batch}", "µs", ours, theirs,
            INFERENCE_MIN_OF.get((network, batch), INFERENCE_MIN),
            part="inference", ways=ways, numpy=reference, threads=threads,
            note=f"  NumPy {statistics.median(reference):.2f}",
        )  # fmt: skip

    def facts(self, report):
        """Keeps what the program says of itself, once."""
        if "leeway" not in self.results:
            names = ("instruction_set", "cores", "fma_peak_gflops")
            self.results["leeway"] = {name: report.get(name) for name in names}

    def steps(self):
        """Training in the steady state, on all cores."""
        peer = self.peer("keras")
        threads = len(self.cores.all)
        self.heading(f"Keras fit, {threads} cores, µs a step of {TRAINING_BATCH}")
        for network in self.networks:
            self.step(peer, network, threads)
        peer.end()

    def step(self, peer, network, threads):
        """One cell of training: Leeway, Keras as it is, and Keras tuned for reference."""
        ours, theirs, tuned = [], [], []
        question = {"network": network, "batch": TRAINING_BATCH, "steps": STEPS[network]}
        for _ in range(self.options.rounds):
            if self.leeway:
                cell, report = self.leeway.bench("training", network, TRAINING_BATCH, threads)
                ours.append(both(cell["microseconds_per_step"]))
                self.facts(report)
            theirs.append(both(peer.ask("steps", epochs=1, tuned=False, **question)))
            tuned.append(peer.ask("steps", epochs=1, tuned=True, **question)["median"])
        least = None if network == NETWORKS[0] else STEPS_MIN
        self.cell(
            network, "µs", ours, theirs, least, part="steps", threads=threads, tuned=tuned,
            note=f"  tuned {statistics.median(tuned):.2f}",
        )  # fmt: skip

    def trained(self, sides, seed):
        """One whole training by each side in turn: (seconds, accuracy) by the side's name."""
        question = {"mnist": self.options.mnist, "epochs": EPOCHS, "batch": TRAINING_BATCH}
        outcomes = {}
        if self.leeway:
            with tempfile.TemporaryDirectory() as folder:
                configuration = mnist_configuration(self.options.mnist, folder)
                outcome = self.leeway.retrain(configuration, f"{folder}/state", seed)
            outcomes["Leeway"] = outcome["training"]["seconds"], outcome["evaluation"]["accuracy"]
        for name, peer in sides.items():
            answer = peer.ask("whole", seed=seed, **question)
            outcomes[name] = answer["seconds"], answer["accuracy"]
        return outcomes

    def better_numpy(self):
        """NumPy with one thread or with all: the second may do harm with matrices this small."""
        trial = {"mnist": self.options.mnist, "epochs": 1, "batch": TRAINING_BATCH, "seed": 1}
        peers = {self.peer("numpy", threads): threads for threads in (1, None)}
        seconds = {peer: peer.ask("whole", **trial)["seconds"] for peer in peers}
        better = min(peers, key=seconds.get)
        for peer in peers:
            if peer is not better:
                peer.end()
        self.results["numpy_training_threads"] = peers[better] or "all"
        return better

    def training(self):
        """MNIST, 784-64-10, from the first step to the last, on all cores."""
        sides = {"Keras fit": self.peer("keras"), "NumPy": self.better_numpy()}
        least = dict(zip(sides, (KERAS_TRAINING_MIN, NUMPY_TRAINING_MIN)))
        rounds = [self.trained(sides, seed) for seed in range(1, self.options.rounds + 1)]
        # One training is one timing: its median and its minimum are the same.
        seconds = {name: [(each[name][0],) * 2 for each in rounds] for name in rounds[0]}
        self.heading(f"MNIST, 784-64-10, {EPOCHS} epochs, seconds")
        for name, peer in sides.items():
            peer.end()
            accuracies = [each[name][1] for each in rounds]
            note = f"  accuracy {statistics.mean(accuracies):.4f}"
            self.cell(
                name, "s", seconds.get("Leeway", []), seconds[name], least[name],
                part="training", accuracies=accuracies, note=note,
            )  # fmt: skip
        if self.leeway:
            accuracy = statistics.mean(each["Leeway"][1] for each in rounds)
            print(f"(Leeway's accuracy {accuracy:.4f})", flush=True)

    def accuracy(self):
        """The mean accuracy on the test set over the seeds: ours, and that of Keras."""
        sides = {"Keras": self.peer("keras")}
        outcomes = [self.trained(sides, seed) for seed in range(1, self.options.seeds + 1)]
        sides["Keras"].end()
        print(f"\naccuracy on MNIST, {self.options.seeds} seeds: mean (least–most), deviation")
        means = {}
        for name in outcomes[0]:
            values = [each[name][1] for each in outcomes]
            means[name] = statistics.mean(values)
            spread = statistics.stdev(values) if len(values) > 1 else 0
            print(f"{name:<8}{means[name]:.4f} ({min(values):.4f}–{max(values):.4f}), {spread:.4f}")
        self.results["accuracy"] = outcomes
        if self.leeway:
            holds = means["Leeway"] >= means["Keras"] - ACCURACY_LOSS_MAX
            self.won, self.lost = self.won + holds, self.lost + (not holds)
            print("WIN" if holds else "LOSS", f"(at most {ACCURACY_LOSS_MAX} below Keras)")

    def run(self):
        """All parts that were asked for."""
        options, facts = self.options, self.results["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        print(f"{facts['processor']}, {facts['cores']} cores; {versions}")
        if facts["load_before"] > 0.5:
            print(f"the machine is busy (load {facts['load_before']}): the ratios will scatter")
        if "sgemm" in options.part:
            self.sgemm()
        if "inference" in options.part:
            for threads in options.threads or [1]:
                self.inference(threads)
        if "steps" in options.part:
            self.steps()
        if "training" in options.part and self.has_mnist():
            self.training()
        if options.accuracy and self.has_mnist():
            self.accuracy()
        if leeway := self.results.get("leeway"):
            print("\nLeeway says of itself:", json.dumps(leeway))

    def has_mnist(self):
        """Whether the MNIST files are there; says so if not."""
        folder = self.options.mnist
        if folder and (pathlib.Path(folder) / "train-images-idx3-ubyte.gz").exists():
            self.options.mnist = str(pathlib.Path(folder).resolve())
            return True
        print("\nskipped: no MNIST files: say --mnist FOLDER")
        return False


def main():
    options = arguments()
    if options.setup:
        set_up(options.venv)
    comparison = Comparison(options)
    comparison.results["started"] = datetime.datetime.now(datetime.timezone.utc).isoformat()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        comparison.run()
    finally:
        # What was measured before a failure is kept, too.
        pathlib.Path(options.results).write_text(json.dumps(comparison.results, indent=1) + "\n")
    print(f"\n{comparison.won} won, {comparison.lost} lost; figures in {options.results}")
    sys.exit(1 if comparison.lost else 0)


if __name__ == "__main__":
    main()
