#!/usr/bin/env python3
"""What observing costs: the CPU of a prediction with each part of it on, and with all of it off.

The same network, the same core, the same load; the configurations take turns, round by round, each
in a server of its own. "off" has no access log, no drift monitor, no memory for labels, no
Server-Timing and no sampled traces; the counts and histograms of requests cannot be switched off and
are in all figures. The other lines have one part on, and "on" is the default configuration.

Needs wrk (Debian: wrk) and MNIST (--mnist FOLDER).
"""

import argparse
import pathlib
import shutil
import statistics
import sys
import tempfile
import types

import bodies
import compare
import servers

OFF = {"log": {"access": "off"}, "server_timing": False, "traces": {"sample_every": 1000000000}}
MODEL_OFF = {"drift": {"enabled": False}, "feedback": {"enabled": False}}


def configurations():
    """Names, sections of the file, and sections of the model."""

    def but(section, model_section=None):
        sections = {name: value for name, value in OFF.items() if name != section}
        model = {name: value for name, value in MODEL_OFF.items() if name != model_section}
        return sections, model

    return {
        "off": but(None),
        "access log": but("log"),
        "drift monitor": but(None, "drift"),
        "memory for labels": but(None, "feedback"),
        "Server-Timing": but("server_timing"),
        "sampled traces": but("traces"),
        "on": ({}, {}),
    }


def start(options, folder):
    """A server for each configuration, with its cases."""
    images = bodies.images(options.mnist)
    started = {}
    for name, (sections, model) in configurations().items():
        home = folder / name.replace(" ", "-")
        home.mkdir()
        own = types.SimpleNamespace(**{**vars(options), "sections": sections, "model_sections": model})
        server, _ = servers.start_leeway(own, home)
        started[name] = (server, servers.leeway_cases(server, images), home)
    return started


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = pathlib.Path(__file__).resolve().parents[3]
    parser.add_argument("--leeway", default=str(root / ".build/release/leeway"))
    parser.add_argument("--root", default=str(root))
    parser.add_argument("--mnist", required=True, help="the folder of the four .gz files")
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("not measured: wrk not installed")
    with tempfile.TemporaryDirectory(prefix="leeway-observability-") as path:
        started = start(options, pathlib.Path(path))
        try:
            measure(started, options)
        finally:
            for server, _, _ in started.values():
                server.stop()


def measure(started, options):
    """Runs all in turns, and prints the medians and what each adds to "off" in the same round."""
    figures = {}
    for _ in range(options.rounds):
        for name, (_, cases, home) in started.items():
            for case in cases:
                _, cpu, failed = compare.wrk(case, home, options)
                if failed:
                    sys.exit(f"{name}, {case.form}: {failed} requests failed")
                figures.setdefault((case.form, name), []).append(cpu)
    print(f"{'':<12} {'':<18} {'CPU µs a request':<22} more than off, per cent")
    for (form, name), values in figures.items():
        more = [100 * (a / b - 1) for a, b in zip(values, figures[form, "off"])]
        print(f"{form:<12} {name:<18} {compare.spread(values):<22} {compare.spread(more)}")
        if name == "on":
            print(f"{form:<12} median of on over median of off: "
                  f"{100 * (statistics.median(values) / statistics.median(figures[form, 'off']) - 1):.1f} %")  # fmt: skip


if __name__ == "__main__":
    main()
