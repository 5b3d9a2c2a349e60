#!/usr/bin/env python3
"""A table whose rows follow the hour of the day: a false alarm without a season, none with it.

The data are made here: four weeks of rows. In five hours around the present one "load" is high and
"kind" is mostly "night"; in all other hours it is the other way round. Nothing ever changes.

Two models are trained on the same file, one of them with `drift.season_column`. Both are then sent
what the data have at this hour. The first one takes it for drift, since the whole week is another
mixture; the second one does not, and goes on so after a restart. When it is sent the rows of other
hours at this hour, it alarms. `drift show`, `check` and `calibrate` say that the reference is seasonal.
"""

import csv
import datetime
import json
import random

from common import HOST, Leeway, Report, Workspace, arguments, wait_until, write_configuration

ROWS = 24_000
LIVE_ROWS = 2000


def is_near(moment, now):
    """Whether a time is within two hours of the present one, by the hour of the day."""
    apart = (moment.hour - now.hour) % 24
    return apart <= 2 or apart >= 22


def row(near, randoms):
    """The inputs and the target of one row."""
    load = randoms.gauss(2 if near else 0, 1)
    night = randoms.random() < (0.8 if near else 0.2)
    return {
        "load": f"{load:.4f}",
        "kind": "night" if night else randoms.choice(["day", "noon"]),
        "noise": f"{randoms.gauss(0, 1):.4f}",
        "served": "yes" if load + randoms.gauss(0, 0.5) > 1 else "no",
    }


def write_rows(path, rows, time=True):
    """Writes rows of (moment, row); the time is RFC 3339, or Unix seconds in every second row."""
    names = (["at"] if time else []) + ["load", "kind", "noise", "served"]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=names, lineterminator="\n")
        writer.writeheader()
        for number, (moment, values) in enumerate(rows):
            at = moment.isoformat() if number % 2 else f"{moment.timestamp():.0f}"
            writer.writerow({**values, "at": at} if time else values)


def model(name, file, **drift):
    """A model over the file; the time is no input of either."""
    return {
        "name": name,
        "task": "classification",
        "input": {
            "kind": "table",
            "target": "served",
            "columns": [
                {"name": "load"},
                {"name": "kind", "type": "categorical"},
                {"name": "noise"},
            ],
        },
        "network": {"hidden": [8]},
        "training": {"epochs": 3},
        "data": {"format": "csv", "train": [f"file://{file}"], "holdout": 0.3},
        # Every row is watched: they are counted below.
        "drift": {"false_alarm_interval": 100_000, "rows_per_second": 0, **drift},
    }


def send(server, names, near, count, randoms):
    """Sends rows to models, one a request; gives how many were refused."""
    refused = 0
    with server.connect() as connection:
        for _ in range(count):
            values = row(near, randoms)
            features = {"load": float(values["load"]), "noise": float(values["noise"]),
                        "kind": values["kind"]}  # fmt: skip
            for name in names:
                body = json.dumps({"model": name, "features": features}).encode()
                refused += connection.request("POST", "/predict", body).status != 200
    return refused


def drift(server, name):
    """What `/drift` says of a model."""
    _, body = server.get("/drift")
    return json.loads(body)[name]


def rows_watched(server, name, count):
    """Waits until the monitor has folded so many rows; gives how many it has."""
    wait_until(lambda: drift(server, name)["rows"] >= count, 5)
    return drift(server, name)["rows"]


def alarms(server, name):
    """The alarms of a model in the log."""
    return [line for line in server.log("drift alarm") if line["Attributes"]["model"] == name]


def tools(report, leeway, space, rows):
    """The commands that compare files with the version."""
    file = space / "past.csv"
    write_rows(file, rows)
    check = leeway.run("drift", "check", str(file), "--model", "seasonal")
    report.check("drift check says that the reference depends on the hour of the week",
                 check.returncode == 0 and "hour of the week (column at)" in check.stdout,
                 check.stdout + check.stderr if check.returncode else "")  # fmt: skip
    found = leeway.run("drift", "calibrate", str(file), "--model", "seasonal")
    report.check("drift calibrate compares each row with its hour, and finds past rows silent",
                 "each row compared with its hour" in found.stdout
                 and "configured tolerance 0.050: silent" in found.stdout,
                 found.stdout + found.stderr if found.returncode else "")  # fmt: skip
    write_rows(file, rows, time=False)
    found = leeway.run("drift", "calibrate", str(file), "--model", "seasonal")
    report.check("without the rows' times it says so, and these rows in their order are an alarm",
                 "a file has no time" in found.stdout
                 and "configured tolerance 0.050: ALARM" in found.stdout)  # fmt: skip


def main():
    options = arguments(__doc__.splitlines()[0])
    report = Report("seasons")
    randoms = random.Random(1)
    with Workspace(options) as space:
        now = datetime.datetime.now(datetime.timezone.utc)
        moments = [now - datetime.timedelta(seconds=randoms.random() * 28 * 86_400)
                   for _ in range(ROWS)]  # fmt: skip
        rows = [(moment, row(is_near(moment, now), randoms)) for moment in sorted(moments)]
        file = space / "rows.csv"
        write_rows(file, rows)
        models = [model("plain", file), model("seasonal", file, season_column="at")]
        configuration = write_configuration(space, models)
        leeway = Leeway(options, configuration)
        for name in ("plain", "seasonal"):
            leeway.retrain("--model", name)
        both = ("plain", "seasonal")
        with leeway.serve(space, space / "state") as server:
            server.wait_ready()
            refused = send(server, both, True, LIVE_ROWS, randoms)
            watched = [rows_watched(server, name, LIVE_ROWS) for name in both]
            report.check("all rows are answered and watched",
                         refused == 0 and watched == [LIVE_ROWS] * 2, watched)  # fmt: skip
            found = alarms(server, "plain")
            report.check("the hour's own rows are drift for the model without a season", found)
            if found:
                report.figure("rows until then", found[0]["Attributes"]["drift.row"])
            season = drift(server, "seasonal")
            report.check("they are none for the model with one", not alarms(server, "seasonal"),
                         f"evidence {season['evidence_nats']:.2f} nats")  # fmt: skip
            groups = season["season"]["holdout_rows"]
            report.figure("groups of hours, their hold-out rows", groups)
            # A stream is judged by groups where its leeway is narrower so: by chance, and by the hour at
            # which this runs, that of "noise" may be, too, which does no harm.
            report.check("/drift tells the column, the groups and the streams that depend on them",
                         season["season"]["column"] == "at" and len(groups) >= 2
                         and {"column.load", "column.kind"} <= set(season["season"]["streams"])
                         and "season" not in drift(server, "plain"))  # fmt: skip
            address = f"{HOST}:{server.ports['operations']}"
            client = Leeway(options, configuration, {"LEEWAY_OPERATIONS_LISTEN": address})
            shown = client.run("drift", "show", "--model", "seasonal")
            report.check("drift show says which group is in force",
                         "hours of the week by column at: group" in shown.stdout,
                         shown.stderr)  # fmt: skip
            server.stop()
        tools(report, leeway, space, rows)
        with leeway.serve(space, space / "state") as server:
            server.wait_ready()
            again = drift(server, "seasonal")
            report.check("a restart goes on with the rows and with the hours in force",
                         again["rows"] == LIVE_ROWS
                         and again["season"] == season["season"])  # fmt: skip
            send(server, ["seasonal"], True, LIVE_ROWS // 2, randoms)
            rows_watched(server, "seasonal", LIVE_ROWS * 3 // 2)
            report.check("more rows of this hour are still none", not alarms(server, "seasonal"))
            send(server, ["seasonal"], False, LIVE_ROWS // 2, randoms)
            found = server.wait_log("drift alarm", seconds=5)
            report.check("rows that are usual at other hours are drift at this one", found)
            if found:
                row_number = int(found[0]["Attributes"]["drift.row"]) - LIVE_ROWS * 3 // 2
                report.figure("rows until then", row_number)
    report.end()


if __name__ == "__main__":
    main()
