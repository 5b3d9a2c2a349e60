#!/usr/bin/env python3
"""What a retrain and its swap cost those who ask meanwhile: p99 with and without, in pairs.

The server, the load and the trainer share all cores. The load comes at half the rate at which the
server is saturated, first alone, then while a whole retrain goes on and its version goes live; the
order changes from pair to pair. Run by hand, on a machine that does nothing else:

    Tests/Comparisons/retraining/p99.py
    Tests/Comparisons/retraining/p99.py --hidden 4000,4000 --rows 3000 --epochs 1

The second is a network of 20 million parameters. Needs h2load (Debian: nghttp2-client). Connections
of h2load keep time together, so that their requests come at once; where a request takes long, that
alone would fill queues, and requests leave at random times instead.
"""

import json
import multiprocessing
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "overload"))
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
    wait_until,
    write_configuration,
    write_images,
)
from open_loop import OpenLoop  # noqa: E402

# The most requests a second that leave at random times: more is too much for one process.
RANDOM_RATE_MAX = 2000
# Before and after what is measured: the load has to come to its pace.
MARGIN_SECONDS = 1.5


class Load:
    """h2load in the background, with a line for each answer."""

    def __init__(self, server, body, options, seconds, rate=None):
        self.log = pathlib.Path(f"{body}.log")
        self.log.unlink(missing_ok=True)
        pace = ["--rps", f"{max(1.0, rate / options.connections):.3f}"] if rate else []
        self.process = subprocess.Popen(
            ["h2load", "--h1", f"-c{options.connections}", "-t1", f"-D{seconds:.0f}",
             f"-d{body}", f"--log-file={self.log}", "-H", "content-type: application/json", *pace,
             f"https://{HOST}:{server.ports['api']}/predict"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def end(self):
        """Waits for its end; gives (start in s of the system's clock, status, ms) of each answer."""
        text, _ = self.process.communicate()
        counts = re.search(r"(\d+) errored, (\d+) timeout", text).groups()
        rows = []
        for line in self.log.read_text().splitlines():
            start, status, took = line.split("\t")
            rows.append((int(start) / 1e6, int(status), int(took) / 1000))
        return rows, sum(status != 200 for _, status, _ in rows) + sum(map(int, counts))


class RandomLoad:
    """The same of requests that leave at random times of their own."""

    def __init__(self, server, body, options, seconds, rate):
        self.answers = multiprocessing.Queue()

        def run():
            loop = OpenLoop(server.ports["api"], server.context, options.connections,
                            body.read_bytes())  # fmt: skip
            begun = time.time()
            answers, crowded, lost = loop.run(rate, seconds)
            rows = [(begun + start, status, took) for start, status, took in answers]
            self.answers.put((rows, sum(row[1] != 200 for row in rows) + crowded + lost))

        self.process = multiprocessing.get_context("fork").Process(target=run)
        self.process.start()

    def end(self):
        """As ``Load.end``; what found no free connection has failed, too."""
        found = self.answers.get()
        self.process.join()
        return found


def within(rows, begin, end):
    """The p50 and p99 in ms, and the number of the answers that began in a time."""
    times = [took for start, status, took in rows if begin <= start <= end and status == 200]
    return quantile(times, 0.5), quantile(times, 0.99), len(times)


def retrain(server, seconds):
    """A whole retrain and its swap; gives when it began and when its version was live."""
    live = len(server.log("version live"))
    begun = time.time()
    status, answer = server.post("/admin/retrain")
    if status != 202:
        raise RuntimeError(f"/admin/retrain: {status} {answer}")
    lines = server.wait_log("version live", count=live + 1, seconds=seconds)
    if not lines:
        raise RuntimeError("the retrain published nothing")
    return begun, time.time()


def pair(server, body, options, rate, quiet, with_first):
    """One pair: (p99 alone, p99 with a retrain, failures, seconds of the retrain).

    Both are parts of one load: how its connections come to lie on the event loops, which is another
    in each, makes more of a difference than anything else.
    """
    length = max(2.0, 1.5 * quiet)
    found, took = {}, 0
    kind = RandomLoad if rate <= RANDOM_RATE_MAX else Load
    load = kind(server, body, options, length + 5 * quiet + 3 * MARGIN_SECONDS, rate)
    for with_retrain in (with_first, not with_first):
        time.sleep(MARGIN_SECONDS)
        begin = time.time()
        if with_retrain:
            begin, end = retrain(server, 20 * quiet + 60)
            took = end - begin
            # What comes with a swap may show after it.
            end += 0.25
            if not wait_until(lambda: server.metrics().value("leeway_retrain_running") == 0, 60):
                raise RuntimeError("the retrain did not end")
        else:
            time.sleep(length)
            end = time.time()
        found[with_retrain] = (begin, end)
    rows, failures = load.end()
    return within(rows, *found[False]), within(rows, *found[True]), failures, took


def main():
    options = arguments(
        __doc__.splitlines()[0],
        pairs=(10, "how many pairs"),
        rows=(60_000, "training rows"),
        epochs=(10, "passes over them"),
        threads=(0, "threads of the trainer; 0 leaves it to Leeway"),
        hidden=("64", "widths of the hidden layers"),
        connections=(50, "kept connections"),
        rate=(0, "requests a second; 0 is half of what saturates the server"),
    )
    if not shutil.which("h2load"):
        print("skipped: h2load is not installed (Debian: nghttp2-client)")
        sys.exit(0)
    report = Report("predictions while the model is retrained and swapped")
    hidden = [int(width) for width in options.hidden.split(",")]
    randoms = random.Random(1)
    with Workspace(options) as space:
        train = write_images(space, "train", options.rows, 28, 10, randoms)
        test = write_images(space, "test", min(10_000, options.rows), 28, 10, randoms)
        model = image_model("bars", (28, 28), 10, train, test, network={"hidden": hidden},
                            training={"epochs": options.epochs, "threads": options.threads},
                            retrain={"margin": 1, "keep": 3})  # fmt: skip
        configuration = write_configuration(space, [model], log={"access": "off"})
        leeway = Leeway(options, configuration)
        pixels, _ = synthetic_images(1, 28, 10, randoms)
        body = space / "body.json"
        body.write_text(json.dumps({"image": list(pixels)}, separators=(",", ":")))
        with leeway.serve(space, space / "state") as server:
            server.wait_ready(600)
            measure(options, report, server, body)
            report.check("the server ends well", server.stop() == 0)
    report.end()


def measure(options, report, server, body):
    """Finds the rate, makes the pairs, and judges them."""
    rate = options.rate
    if not rate:
        rows, _ = Load(server, body, options, 6).end()
        start = min(row[0] for row in rows)
        full = len([row for row in rows if row[0] > start + 1 and row[1] == 200]) / 5
        rate = full / 2
        report.figure("saturated: requests a second", f"{full:.0f}")
    begin, end = retrain(server, 600)
    quiet = end - begin
    report.figure("requests a second", f"{rate:.0f}")
    report.figure("a retrain and its swap, nobody asking (s)", f"{quiet:.2f}")
    ratios, failures = [], 0
    for number in range(options.pairs):
        alone, beside, failed, took = pair(server, body, options, rate, quiet, number % 2 == 1)
        ratios.append(beside[1] / alone[1])
        failures += failed
        report.figure(
            f"pair {number + 1}: p50, p99 alone; with a retrain of {took:.1f} s (ms)",
            f"{alone[0]:.2f}, {alone[1]:.2f} ({alone[2]}); "
            f"{beside[0]:.2f}, {beside[1]:.2f} ({beside[2]})",
        )
    middle = quantile(ratios, 0.5)
    report.figure("p99 with a retrain to p99 alone, least and most",
                  f"{min(ratios):.2f}, {max(ratios):.2f}")  # fmt: skip
    report.check("in the median p99 is raised by 20 % at most", middle <= 1.2,
                 f"{100 * (middle - 1):+.1f} %")  # fmt: skip
    report.check("0 requests failed", failures == 0, failures)


if __name__ == "__main__":
    main()
