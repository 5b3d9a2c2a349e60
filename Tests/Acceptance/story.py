#!/usr/bin/env python3
"""The whole story: healthy, shifted, alarm, retrain on fresh data, swap, recovered.

An appliance with an empty store fetches Fashion-MNIST from an https:// source of this script,
trains and serves it. Test images that it has never seen are sent all the while. Then the camera is
turned by 90 degrees: the traffic is, and so is the data at the source. Nobody touches the
appliance; the rest it must do alone.
"""

import operator
import pathlib
import random
import threading
import time

from common import (
    HTTPSSource,
    Leeway,
    Report,
    Workspace,
    arguments,
    chance_between,
    image_model,
    json,
    make_certificates,
    read_idx,
    write_configuration,
    write_idx,
)

FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
LABELS = "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot".split(",")
SIDE, PIXELS = 28, 784
TRAIN_ROWS, HOLDOUT_ROWS, LIVE_ROWS = 20_000, 5_000, 2_000
PHASE_REQUESTS = 3_000
# Between two requests, so that the trainer, which is given idle time only, is given some.
PAUSE_SECONDS = 0.0005

# Pixel (row, column) of a turned image is pixel (27 - column, row) of the image.
TURNED = operator.itemgetter(
    *[(SIDE - 1 - column) * SIDE + row for row in range(SIDE) for column in range(SIDE)]
)


def turn(pixels):
    """Turns all images by 90 degrees."""
    return b"".join(
        bytes(TURNED(pixels[start : start + PIXELS])) for start in range(0, len(pixels), PIXELS)
    )


class Images:
    """Some images and their labels, upright and turned."""

    def __init__(self, name, first, count):
        _, pixels = read_idx(FASHION / f"{name}-images-idx3-ubyte.gz")
        _, labels = read_idx(FASHION / f"{name}-labels-idx1-ubyte.gz")
        self.labels = labels[first : first + count]
        self.upright = pixels[first * PIXELS : (first + count) * PIXELS]
        self.turned = turn(self.upright)

    def write(self, folder, name, pixels):
        """Writes them as the files of a source."""
        write_idx(folder / f"{name}-images", pixels, (len(self.labels), SIDE, SIDE))
        write_idx(folder / f"{name}-labels", self.labels, (len(self.labels),))


class Traffic(threading.Thread):
    """Sends the images of the present phase one after the other, and keeps the score."""

    def __init__(self, server, images):
        super().__init__(daemon=True)
        self.server, self.randoms = server, random.Random(1)
        self.bodies = {
            "healthy": self.requests(images, images.upright),
            "shifted": self.requests(images, images.turned),
        }
        self.phase = "healthy"
        self.asked, self.right, self.failures, self.slowest = {}, {}, [], 0.0
        self.is_over = False

    @staticmethod
    def requests(images, pixels):
        """(body, right class) of each image."""
        return [
            (json.dumps({"image": list(pixels[i * PIXELS : (i + 1) * PIXELS])}).encode(), label)
            for i, label in enumerate(images.labels)
        ]

    def run(self):
        with self.server.connect() as connection:
            while not self.is_over:
                phase = self.phase
                body, label = self.randoms.choice(self.bodies[phase])
                started = time.monotonic()
                try:
                    answer = connection.request("POST", "/predict", body)
                except OSError as error:
                    self.failures.append(repr(error))
                    connection.socket = None
                    continue
                self.slowest = max(self.slowest, time.monotonic() - started)
                time.sleep(PAUSE_SECONDS)
                if answer.status != 200:
                    self.failures.append(f"{answer.status} {answer.body[:200]!r}")
                    continue
                fields = answer.json()
                key = phase, fields["version"]
                self.asked[key] = self.asked.get(key, 0) + 1
                self.right[key] = self.right.get(key, 0) + (fields["class"] == label)

    def accuracy(self, phase, version):
        """The share of right answers in a phase by a version."""
        asked = self.asked.get((phase, str(version)), 0)
        return self.right[phase, str(version)] / asked if asked else float("nan")

    def wait_for(self, phase, version, count, seconds=30):
        """Waits until a version has answered so many requests of a phase."""
        deadline = time.monotonic() + seconds
        while self.asked.get((phase, str(version)), 0) < count and time.monotonic() < deadline:
            time.sleep(0.02)


def main():
    options = arguments(__doc__.splitlines()[0])
    report = Report("the whole story")
    if not FASHION.exists():
        report.note(f"skipped: {FASHION}: Debian's dataset-fashion-mnist is not installed")
        report.end()
    with Workspace(options) as space:
        train = Images("train", 0, TRAIN_ROWS)
        holdout = Images("t10k", 0, HOLDOUT_ROWS)
        live = Images("t10k", HOLDOUT_ROWS, LIVE_ROWS)
        authority, chain, key = make_certificates(space / "tls")
        served = space.folder("served")
        train.write(served, "train", train.upright)
        holdout.write(served, "test", holdout.upright)
        source = HTTPSSource(served, chain, key)
        urls = [f"{source.url}/{s}-{k}" for s in ("train", "test") for k in ("images", "labels")]
        model = image_model(
            "fashion", (SIDE, SIDE), 10, urls[:2], urls[2:],
            labels=LABELS, network={"hidden": [64]}, training={"epochs": 5},
            retrain={"on_drift": True},
            drift={"tolerance": 0.05, "false_alarm_interval": 1_000_000},
        )  # fmt: skip
        configuration = write_configuration(
            space, [model], downloads={"ca_file": authority}, log={"access": "errors"}
        )
        with Leeway(options, configuration).serve(space, space / "state") as server:
            tell(report, server, source, served, train, holdout, live)
            report.check("the server ends well", server.stop() == 0)
    report.end()


def tell(report, server, source, served, train, holdout, live):
    """The story from the empty store to the recovered accuracy."""
    status, _ = server.get("/readyz", "api")
    report.check("an empty store answers /readyz with 503", status == 503, status)
    ready = server.wait_ready(90)
    seconds = time.monotonic() - server.started
    report.check("it trains version 1 by itself", ready, f"{seconds:.1f} s")

    traffic = Traffic(server, live)
    traffic.start()
    traffic.wait_for("healthy", 1, PHASE_REQUESTS)
    before = server.metrics()
    report.check(f"no alarm in {PHASE_REQUESTS} healthy requests", not server.log("drift alarm"))

    # The camera is turned: the data of the source, and then the traffic.
    train.write(served, "train", train.turned)
    holdout.write(served, "test", holdout.turned)
    shifted = time.monotonic()
    traffic.phase = "shifted"
    alarms = server.wait_log("drift alarm", seconds=30)
    alarm = alarms[0]["Attributes"] if alarms else {}
    report.check("the alarm is raised", alarms, alarm.get("drift.streams", ""))
    report.figure("from shift to alarm (s)", f"{time.monotonic() - shifted:.1f}")
    # Every request is one row, and the monitor counts them all.
    report.figure("rows from shift to alarm",
                  int(alarm.get("drift.row", 0)) - traffic.asked["healthy", "1"])  # fmt: skip
    started = server.wait_log("retraining started", retraining_trigger="drift")
    report.check("the alarm starts a retrain", started)
    swapped = server.wait_log("version live", 2, 90)
    report.check("version 2 goes live", swapped)
    report.figure("from shift to swap (s)", f"{time.monotonic() - shifted:.1f}")
    traffic.wait_for("shifted", 2, PHASE_REQUESTS)
    # The version is live before its trainer has quite ended.
    report.check("the retrain ends", server.wait_log("retraining ended", 2, 30))
    judge(report, server, traffic, before)
    again(report, server, source)
    traffic.is_over = True
    traffic.join()
    report.check("0 failed requests in all", not traffic.failures, traffic.failures[:3] or "")
    report.figure("requests in all, slowest (ms)",
                  f"{sum(traffic.asked.values())}, {1000 * traffic.slowest:.0f}")  # fmt: skip


def judge(report, server, traffic, before):
    """What is left after the swap: figures, accuracies, metrics."""
    healthy = traffic.accuracy("healthy", 1)
    under = traffic.accuracy("shifted", 1)
    after = traffic.accuracy("shifted", 2)
    report.figure("accuracy before, under shift, after the swap",
                  f"{healthy:.3f}, {under:.3f}, {after:.3f}")  # fmt: skip
    report.check("accuracy >= 0.8 before the shift", healthy >= 0.8)
    report.check("accuracy < 0.5 under the shift", under < 0.5)
    report.check("accuracy after the swap within 0.03 and chance of that before",
                 after >= healthy - 0.03 - chance_between(healthy, PHASE_REQUESTS))  # fmt: skip
    metrics = server.metrics()
    for name, wanted, labels in [
        ("leeway_drift_alarms_total", 1, {}),
        ("leeway_model_swaps_total", 2, {"result": "swapped"}),
        ("leeway_model_swaps_total", 0, {"result": "refused"}),
        ("leeway_retrain_runs_total", 2, {"result": "published"}),
        ("leeway_drift_alarm", 0, {}),
    ]:
        value = metrics.value(name, **labels)
        text = ",".join(f'{label}="{content}"' for label, content in labels.items())
        report.check(f"{name}{{{text}}} is {wanted}", value == wanted, value)
    moved = metrics.value("leeway_model_loaded_timestamp_seconds") > before.value(
        "leeway_model_loaded_timestamp_seconds"
    )
    report.check("leeway_model_loaded_timestamp_seconds has moved on", moved)


def again(report, server, source):
    """Another retrain by hand finds the data unchanged: one round trip a file, nothing sent."""
    asked = len(source.requests)
    ended = len(server.log("retraining ended"))
    status, answer = server.post("/admin/retrain")
    report.check("POST /admin/retrain is accepted", status == 202, answer)
    lines = server.wait_log("retraining ended", ended + 1, 60)
    result = lines[-1]["Attributes"]["retraining.result"] if lines else "never"
    answers = [status for status, _ in source.requests[asked:]]
    report.check("unchanged data costs one round trip a file", answers == [304] * 4, answers)
    report.check("a manual retrain trains nevertheless", result in ("published", "refused"), result)


if __name__ == "__main__":
    main()
