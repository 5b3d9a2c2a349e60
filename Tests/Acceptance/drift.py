#!/usr/bin/env python3
"""What the drift monitor says of a running appliance: bad data, a changed world, hostile clients.

Eight scenarios, each with a model of its own, so that none knows of another's traffic:

- dark, scaled: a camera that turns dark; pixels that were divided by 255 before;
- missing: a column of a table that goes missing;
- vanish: one class vanishes; foreign: five rows in a hundred are of another kind;
- ramp: the light changes slowly, over 50,000 rows with --scale 1;
- repeat: a client that sends one request over and over, a million times with --scale 1;
- nothing: a client that sends NaN for every number, to the table and to the images.

Each is found, named for what it is, and told apart: bad data start no retrain, a changed world
does. Healthy rows come first and raise nothing. In the gate the long ones are cut by --scale.
"""

import json
import random

from common import (
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    wait_until,
    write_configuration,
    write_idx,
)

SIDE = 12
CLASSES = 4
PIXELS = SIDE * SIDE
TRAIN_ROWS, HOLDOUT_ROWS = 4000, 4000
HEALTHY_ROWS = 600
IMAGES = ("dark", "scaled", "vanish", "foreign", "ramp", "repeat", "refused")


class Camera:
    """Pictures with one bright band a class, and noise."""

    def __init__(self, randoms):
        self.randoms = randoms

    def picture(self, label):
        """One picture of a class."""
        noise = self.randoms.randbytes(PIXELS)
        band = PIXELS // CLASSES
        return [
            (value >> 1) + 0x80 if pixel // band == label else value >> 2
            for pixel, value in enumerate(noise)
        ]

    def any(self, labels=range(CLASSES)):
        """A picture of any of some classes."""
        return self.picture(self.randoms.choice(labels))

    def files(self, folder, name, count):
        """Writes pictures and labels; gives their URLs."""
        labels = [self.randoms.randrange(CLASSES) for _ in range(count)]
        pixels = b"".join(bytes(self.picture(label)) for label in labels)
        write_idx(f"{folder}/{name}-images", pixels, (count, SIDE, SIDE))
        write_idx(f"{folder}/{name}-labels", bytes(labels), (count,))
        return f"file://{folder}/{name}-images", f"file://{folder}/{name}-labels"

    def chequered(self):
        """A picture of no class, about as bright as the others."""
        noise = self.randoms.randbytes(PIXELS)
        return [
            (value >> 1) + 0x60 if (pixel + pixel // SIDE) % 2 == 0 else value >> 4
            for pixel, value in enumerate(noise)
        ]


class People:
    """Rows of a table with four numbers and a category."""

    names = ("age", "income", "debt", "years", "plan")

    def __init__(self, randoms):
        self.randoms = randoms

    def row(self):
        """One row, and its class."""
        draw = self.randoms
        age, income = draw.uniform(20, 80), draw.gauss(3000, 600)
        debt, years = draw.gauss(0, 100), draw.uniform(0, 30)
        left = income + 10 * debt - 20 * age + draw.gauss(0, 300) < 2000
        values = (age, income, debt, years, draw.choice("abc"))
        return dict(zip(self.names, values)), "yes" if left else "no"

    def file(self, folder, count):
        """Writes a table; gives its URL."""
        lines = [",".join(self.names) + ",left"]
        for _ in range(count):
            row, left = self.row()
            lines.append(",".join(str(value) for value in row.values()) + f",{left}")
        with open(f"{folder}/people.csv", "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        return f"file://{folder}/people.csv"


class Scenario:
    """The traffic of one model."""

    def __init__(self, report, server, connection, name):
        self.report, self.server, self.connection, self.name = report, server, connection, name
        self.sent = 0

    def send(self, member, value):
        """One request of one row; gives its status."""
        body = json.dumps({"model": self.name, member: value}).encode()
        self.sent += 1
        return self.connection.request("POST", f"/predict?model={self.name}", body).status

    def state(self):
        """What /drift says of the model."""
        return json.loads(self.server.get("/drift")[1])[self.name]

    def is_told(self):
        """Whether an alarm is in the log."""
        return self.server.log("drift alarm", model=self.name)

    def healthy(self, member, draw):
        """Rows as in training: nothing is raised."""
        for _ in range(HEALTHY_ROWS):
            self.send(member, draw())
        wait_until(lambda: self.state()["rows"] >= HEALTHY_ROWS, 10, 0.05)
        self.report.check(f"{self.name}: {HEALTHY_ROWS} healthy rows raise no alarm",
                          not self.is_told())  # fmt: skip

    def until_alarm(self, member, draw, rows_max, more=80):
        """Rows until an alarm is told, and some more that can show what it is about."""
        before = self.sent
        while self.sent - before < rows_max and not (
            (self.sent - before) % 20 == 0 and self.is_told()
        ):
            self.send(member, draw())
        found = self.server.wait_log("drift alarm", seconds=3, model=self.name)
        for _ in range(more if found else 0):
            self.send(member, draw())
        wait_until(lambda: self.state()["rows"] >= self.sent, 5, 0.05)
        state = self.state()
        alarm = state.get("alarm") or {}
        if self.report.check(f"{self.name}: found", alarm, f"{self.sent - before} rows sent"):
            self.report.figure(f"{self.name}: rows up to the alarm",
                               f"at most {int(alarm['row']) - before}")  # fmt: skip
        return state, alarm

    def judged(self, state, alarm, causes, streams):
        """The cause, and one of the streams, are named."""
        cause = state["verdict"].get("cause")
        named = [suspect["stream"] for suspect in alarm.get("suspects", [])]
        self.report.check(f"{self.name}: named for what it is",
                          cause in causes and any(n.startswith(streams) for n in named),
                          f"{cause}: {', '.join(named)}")  # fmt: skip

    def retrained(self, expected):
        """Whether a retrain was started by the alarm."""
        def started():
            return self.server.metrics().value("leeway_retrain_runs_total", model=self.name) or 0

        if expected:
            self.report.check(f"{self.name}: a retrain was started",
                              wait_until(lambda: started() > 0, 40, 0.2))  # fmt: skip
        else:
            self.report.check(f"{self.name}: no retrain was started", started() == 0)


def images(report, server, connection, camera, scale):
    """The scenarios of pictures."""
    light = {"gain": 1.0}

    def dimmed():
        return [min(255, int(pixel * light["gain"])) for pixel in camera.any()]

    def foreign():
        return camera.chequered() if camera.randoms.random() < 0.05 else camera.any()

    def scenario(name):
        case = Scenario(report, server, connection, name)
        case.healthy("image", camera.any)
        return case

    case = scenario("dark")
    case.judged(*case.until_alarm("image", lambda: [0] * PIXELS, 400), ("quality",), "quality.constant")
    case.retrained(False)
    case = scenario("scaled")
    scaled = case.until_alarm("image", lambda: [pixel / 255 for pixel in camera.any()], 400)
    case.judged(*scaled, ("quality",), "quality.scale")
    case.retrained(False)
    case = scenario("vanish")
    case.judged(*case.until_alarm("image", lambda: camera.any((0, 1, 3)), 2000),
                ("prediction",), "prediction.")  # fmt: skip
    case.retrained(True)
    case = scenario("foreign")
    case.judged(*case.until_alarm("image", foreign, 4000), ("prediction", "input", "expected_error"),
                ("tail.", "hidden.", "prediction.", "frame."))  # fmt: skip
    case = scenario("ramp")
    rows = int(50_000 * scale)

    def brighter():
        light["gain"] += 0.8 / rows
        return dimmed()

    case.judged(*case.until_alarm("image", brighter, rows),
                ("prediction", "input", "expected_error"), ("frame.", "hidden.", "prediction."))  # fmt: skip
    case = scenario("repeat")
    one = camera.any()
    repeated = case.until_alarm("image", lambda: one, 400)
    case.judged(*repeated, ("quality",), "quality.duplicate")
    for _ in range(int(1_000_000 * scale)):
        case.send("image", one)
    case.retrained(False)
    report.figure("repeat: times one request was sent", int(1_000_000 * scale) + 400)
    case = scenario("refused")
    refused = case.until_alarm("image", lambda: [float("nan")] * PIXELS, 400)
    case.judged(*refused, ("quality",), "quality.refused")
    case.retrained(False)


def tables(report, server, connection, people):
    """The scenarios of tables."""
    def draw():
        return people.row()[0]

    case = Scenario(report, server, connection, "missing")
    case.healthy("features", draw)
    found = case.until_alarm("features", lambda: {**draw(), "income": None}, 400)
    case.judged(*found, ("quality",), "quality.missing")
    case.judged(*found, ("quality",), "column.income")
    case.retrained(False)
    case = Scenario(report, server, connection, "nothing")
    case.healthy("features", draw)
    found = case.until_alarm("features", lambda: dict.fromkeys(people.names), 400)
    case.judged(*found, ("quality",), "quality.missing")
    case.retrained(False)


def main():
    """Trains a model for each scenario, serves them all, and plays the scenarios."""
    options = arguments(
        __doc__, scale=(0.05, "the part of the long scenarios that is played"), seed=(1, "of chance")
    )
    randoms = random.Random(options.seed)
    report = Report("what drift alarms say")
    with Workspace(options) as space:
        folder = space.folder("drift")
        camera, people = Camera(randoms), People(randoms)
        train = camera.files(folder, "train", TRAIN_ROWS)
        test = camera.files(folder, "test", HOLDOUT_ROWS)
        # Every row is watched: they are counted below.
        drift = {"false_alarm_interval": 100_000, "rows_per_second": 0}
        models = [
            image_model(name, (SIDE, SIDE), CLASSES, train, test, drift=drift,
                        retrain={"on_drift": True}, network={"hidden": [16]})
            for name in IMAGES
        ]  # fmt: skip
        table = people.file(folder, 6000)
        models += [
            {
                "name": name,
                "task": "classification",
                "input": {"kind": "table", "target": "left", "columns": []},
                "network": {"hidden": [16]},
                "training": {"epochs": 5, "seed": 1},
                "data": {"format": "csv", "train": [table], "holdout": 0.5},
                "retrain": {"on_drift": True},
                "drift": drift,
            }
            for name in ("missing", "nothing")
        ]
        leeway = Leeway(options, write_configuration(folder, models))
        for model in models:
            leeway.retrain("--model", model["name"])
        with leeway.serve(folder, folder / "state") as server:
            server.wait_ready()
            with server.connect() as connection:
                images(report, server, connection, camera, options.scale)
                tables(report, server, connection, people)
            alive = server.is_alive()
            report.check("the server is alive, and ends well", alive and server.stop() == 0)
    report.end()


if __name__ == "__main__":
    main()
