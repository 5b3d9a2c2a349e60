#!/usr/bin/env python3
"""What is left of the service when more is asked than it can do: goodput, latency, health.

A large network (784-4096-4096-10), whose predictions wait for the batcher, is asked in an open loop
at several times its peak; a small one (784-64-10), which event loops compute themselves, by more
and more connections. The server runs on one core, the load on another. Run by hand, on a machine
that does nothing else.

Needs h2load (Debian: nghttp2-client).
"""

import collections
import contextlib
import json
import multiprocessing
import os
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Acceptance"))

from common import (  # noqa: E402
    HOST,
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    quantile,
    synthetic_images,
    write_configuration,
    write_images,
)
from open_loop import OpenLoop  # noqa: E402

WARM_UP_SECONDS = 1


class Load:
    """What a load was answered: (arrival in s, status, latency in ms) each, after the warm-up."""

    def __init__(self, answers, failed, seconds, unsent=0):
        self.answers, self.failed, self.seconds = answers, failed, seconds
        self.unsent = unsent

    def latencies(self, status=200):
        """Latencies in ms of the answers with this status."""
        return [latency for _, found, latency in self.answers if found == status]

    def rate(self, status=200):
        """Answers a second with this status."""
        return len(self.latencies(status)) / self.seconds

    def share(self, status):
        """The share of the answers with this status."""
        return len(self.latencies(status)) / max(1, len(self.answers))

    def quantiles(self, status=200):
        """The 50th and 99th percentile of the latency in ms."""
        values = self.latencies(status)
        return quantile(values, 0.5), quantile(values, 0.99)


def h2load(server, body, options, connections, meanwhile=None):
    """Makes a closed loop for some seconds: each connection asks again when it is answered.

    What goes on meanwhile ends with it: reading its log takes this program's whole attention.
    """
    log = pathlib.Path(f"{body}.log")
    log.unlink(missing_ok=True)
    seconds = options.seconds + WARM_UP_SECONDS
    command = [
        "taskset", "-c", str(options.load_core), "h2load", "--h1", f"-c{connections}", "-t1",
        f"-D{seconds}", f"-d{body}", f"--log-file={log}", "-H", "content-type: application/json",
        f"https://{HOST}:{server.ports['api']}/predict",
    ]  # fmt: skip
    with meanwhile or contextlib.nullcontext():
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    failed, errored = map(int, re.search(r"(\d+) failed, (\d+) errored", text).groups())
    lines = [line.split("\t") for line in log.read_text().splitlines()]
    rows = [(int(a) / 1e6, int(status), int(took) / 1000) for a, status, took in lines]
    begin = min((row[0] for row in rows), default=0) + WARM_UP_SECONDS
    rows = [row for row in rows if row[0] >= begin]
    refused = sum(status >= 400 for _, status, _ in rows)
    span = max((row[0] for row in rows), default=0) - begin
    # h2load counts what is answered with an error as failed; the rest was not answered at all.
    lost = max(0, failed - sum(int(status) >= 400 for _, status, _ in lines)) + errored
    return Load(rows, lost if refused or lost else 0, max(span, 1e-9))


def threads_seconds(server):
    """Processor seconds of the server's threads, by name."""
    seconds = {}
    for task in pathlib.Path(f"/proc/{server.pid}/task").iterdir():
        name, _, rest = (task / "stat").read_text().partition("(")[2].rpartition(")")
        fields = rest.split()
        spent = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        seconds[f"{name} {task.name}"] = spent
    return seconds


def open_loop(server, body, options, rate):
    """Makes an open loop in a process of its own on the core of the load."""
    answers = multiprocessing.Queue()

    def run():
        os.sched_setaffinity(0, {options.load_core})
        loop = OpenLoop(server.ports["api"], server.context, options.connections, body.read_bytes())
        answers.put(loop.run(rate, options.seconds + WARM_UP_SECONDS))

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    rows, crowded, lost = answers.get(timeout=120)
    process.join()
    rows = [row for row in rows if row[0] >= WARM_UP_SECONDS]
    return Load(rows, lost, options.seconds, crowded)


class Health:
    """Asks /livez and /metrics of the operations listener all the time, and notes how long it took.

    Notes the share of a processor that the server used meanwhile, too.
    """

    def __init__(self, server):
        self.server, self.stop, self.busy = server, threading.Event(), 0
        self.milliseconds, self.failures = [], []
        self.thread = threading.Thread(target=self.run)

    def run(self):
        # Where the machine allows it, so that no wait of this client itself for one of the two
        # processors, both busy, is taken for one of the server.
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        with self.server.connect("operations") as connection:
            for path in iter(lambda: "/metrics" if len(self.milliseconds) % 8 == 7 else "/livez", 0):
                if self.stop.wait(0.02):
                    return
                started = time.perf_counter()
                status = connection.request("GET", path).status
                self.milliseconds.append(1000 * (time.perf_counter() - started))
                if status != 200:
                    self.failures.append((path, status))

    def __enter__(self):
        self.before, self.began = sum(threads_seconds(self.server).values()), time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_):
        spent = sum(threads_seconds(self.server).values()) - self.before
        self.busy = spent / (time.monotonic() - self.began)
        self.stop.set()
        self.thread.join()

    def judge(self, report, name):
        """Prints, and demands less than 50 ms."""
        report.figure(f"{name}: health p50, p99, max (ms)", ", ".join(
            f"{quantile(self.milliseconds, q):.1f}" for q in (0.5, 0.99, 1)))  # fmt: skip
        report.check(f"{name}: health within 50 ms, no failure",
                     max(self.milliseconds) < 50 and not self.failures, self.failures[:3] or "")  # fmt: skip


def serve(options, space, name, hidden, **sections):
    """Trains a network a little and serves it on one core."""
    folder = space.folder(name)
    randoms = random.Random(1)
    train = write_images(folder, "train", 200, 28, 10, randoms)
    test = write_images(folder, "test", 100, 28, 10, randoms)
    model = image_model(name, (28, 28), 10, train, test, network={"hidden": hidden},
                        training={"epochs": 1}, retrain={"margin": 1}, **sections)  # fmt: skip
    configuration = write_configuration(
        folder, [model], log={"access": options.access}, event_loops=1, compute_threads=1,
        api={"requests_per_connection_max": 1_000_000_000},
    )  # fmt: skip
    leeway = Leeway(options, configuration)
    leeway.retrain()
    command = leeway.command
    leeway.command = lambda *words: ["taskset", "-c", str(options.server_core), *command(*words)]
    server = leeway.serve(folder, folder / "state")
    if not server.wait_ready():
        sys.exit(f"{name} is never ready")
    return server


def bodies(folder):
    """A request's body as h2load wants it: one image of small integers."""
    pixels, _ = synthetic_images(1, 28, 10, random.Random(2))
    path = pathlib.Path(folder) / "body.json"
    path.write_text(json.dumps({"image": list(pixels)}, separators=(",", ":")))
    return path


def large(report, options, space):
    """Overload of what waits for the batcher."""
    with serve(options, space, "large", [4096, 4096]) as server:
        body = bodies(space.folder("large"))
        metrics = server.metrics()
        for metric in ("leeway_model_row_seconds", "leeway_batch_rows_limit",
                       "leeway_batch_queue_limit_seconds"):  # fmt: skip
            report.figure(metric, f"{metrics.value(metric):g}")
        unloaded, peaks, overloads = [], [], []
        for _ in range(options.rounds):
            unloaded.append(h2load(server, body, options, 1).quantiles())
            peaks.append(max(h2load(server, body, options, count).rate() for count in (12, 20)))
            peak = statistics.median(peaks)
            before = threads_seconds(server)
            with Health(server) as health:
                load = open_loop(server, body, options, options.times * peak)
            after = threads_seconds(server)
            spent = {name: round(t - before.get(name, 0), 2) for name, t in after.items()}
            report.figure("processor seconds by thread", {n: t for n, t in spent.items() if t})
            overloads.append((load, health))
        p50 = statistics.median(row[0] for row in unloaded)
        p99 = statistics.median(row[1] for row in unloaded)
        report.figure("unloaded p50, p99 (ms)", f"{p50:.2f}, {p99:.2f}")
        report.figure("peak (requests/s), of all rounds", ", ".join(f"{p:.0f}" for p in peaks))
        for load, health in overloads:
            median, tail = load.quantiles()
            refused = load.quantiles(503)
            report.figure("sent, answered, refused a second", ", ".join(
                f"{rate:.0f}" for rate in (len(load.answers) / load.seconds, load.rate(),
                                           load.rate(503))))  # fmt: skip
            if load.unsent:
                report.figure("requests that found no free connection", load.unsent)
            report.figure("answered p50, p99 (ms); refused", f"{median:.2f}, {tail:.2f}; "
                          f"{refused[0]:.2f}, {refused[1]:.2f}")  # fmt: skip
            health.judge(report, "large")
        peak = statistics.median(peaks)
        goodput = statistics.median(load.rate() for load, _ in overloads)
        tail = statistics.median(load.quantiles()[1] for load, _ in overloads)
        report.figure("goodput / peak", f"{goodput / peak:.3f}")
        report.figure("p99 of accepted / unloaded p50, p99", f"{tail / p50:.2f}, {tail / p99:.2f}")
        report.check("goodput at 3 x peak is 90 % of peak or more", goodput >= 0.9 * peak)
        report.check("p99 of accepted is 5 x the unloaded p99 or less", tail <= 5 * p99)
        others = {status for load, _ in overloads for _, status, _ in load.answers} - {200, 503}
        report.check("every answer is a prediction or 503", not others, others or "")
        report.check("nothing was left unanswered", not any(load.failed for load, _ in overloads))


def small(report, options, space):
    """More connections than can be served at once, of what event loops compute themselves."""
    with serve(options, space, "small", [64]) as server:
        body = bodies(space.folder("small"))
        rates = {count: [] for count in (16, 32, 64, 256, 1000, 2000)}
        for _ in range(options.rounds):
            for count in rates:
                health = Health(server)
                load = h2load(server, body, options, count, health)
                rates[count].append((load, health))
        report.figure("processor seconds in all", round(sum(threads_seconds(server).values()), 1))
        peak = max(statistics.median(load.rate() for load, _ in rates[c]) for c in (16, 32, 64))
        for count, runs in rates.items():
            rate = statistics.median(load.rate() for load, _ in runs)
            tail = statistics.median(load.quantiles()[1] for load, _ in runs)
            report.figure(f"{count} connections: requests/s, share of peak, p99 (ms)",
                          f"{rate:.0f}, {rate / peak:.3f}, {tail:.1f}")  # fmt: skip
            # Less than all of it: the load is what cannot do more.
            report.figure(f"{count} connections: share of its core that the server used",
                          f"{statistics.median(health.busy for _, health in runs):.2f}")  # fmt: skip
            if count < 256:
                continue
            statuses = collections.Counter(status for load, _ in runs for _, status, _ in load.answers)
            report.check(f"{count} connections: no failure",
                         set(statuses) == {200} and not any(load.failed for load, _ in runs),
                         dict(statuses))  # fmt: skip
            report.check(f"{count} connections: throughput within 5 % of peak", rate >= 0.95 * peak)
            for _, health in runs:
                health.judge(report, f"{count} connections")


def main():
    options = arguments(
        __doc__.splitlines()[0],
        seconds=(4, "of each measurement"),
        rounds=(3, "how often all is measured"),
        connections=(300, "of the open loop"),
        times=(3.0, "of the peak that the open loop asks for"),
        access=("all", "requests that leave an access line"),
        only=("", "large or small"),
        **{"server-core": (0, "of the server"), "load-core": (1, "of the load")},
    )
    if not shutil.which("h2load"):
        sys.exit("not measured: h2load is not installed")
    report = Report("overload")
    with Workspace(options) as space:
        for name, measure in (("large", large), ("small", small)):
            if options.only in name:
                measure(report, options, space)
    report.end()


if __name__ == "__main__":
    main()
