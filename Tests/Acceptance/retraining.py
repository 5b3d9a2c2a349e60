#!/usr/bin/env python3
"""Retraining that can be left alone: what its process may take, and what ends or starts it.

The trainer is idle in all its threads, the first to be killed, and ends with its server; one that is
stopped, or asks for too much memory, is ended and the next one succeeds; a start that was missed is
made up for, once; a budget outlives a restart; a disk that is nearly full starts nothing; a damaged
store is put in order, and a version travels to another one as a file.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import tarfile
import time

from common import (
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    lives,
    trainers,
    wait_until,
    write_configuration,
    write_images,
)

SCHED_IDLE = 5


def threads(pid):
    """The scheduling policies of a process' threads."""
    policies = []
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            stat = pathlib.Path(f"/proc/{pid}/task/{task}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Field 41, counted from 1; the fields after the name begin with the third.
        policies.append(int(stat.rsplit(")", 1)[1].split()[38]))
    return policies


def begin_run(server, leeway):
    """Asks for a retrain and waits for its process to train; gives its number."""
    stages = len(server.log("retraining stage began"))
    status, answer = server.post("/admin/retrain")
    assert status == 202, answer
    server.wait_log("retraining stage began", count=stages + 3, seconds=60)
    return trainers(leeway.configuration)[0]


def ended(server, count=1, **attributes):
    """Waits for the line that a run has failed or ended; gives its attributes."""
    lines = server.wait_log("retraining failed", count=count, seconds=60, **attributes)
    return lines[-1]["Attributes"] if lines else {}


class Bench:
    """A model with enough rows for a run of some seconds, and its configuration."""

    def __init__(self, options, space):
        self.options, self.space = options, space
        randoms = random.Random(5)
        self.train = write_images(space, "train", 6000, 28, 10, randoms)
        self.test = write_images(space, "test", 500, 28, 10, randoms)

    def leeway(self, name, epochs=300, environment=None, **retrain):
        """The program with a configuration of its own, and a state of that name."""
        model = image_model("bars", (28, 28), 10, self.train, self.test,
                            network={"hidden": [64]}, training={"epochs": epochs},
                            retrain={"margin": 1, **retrain})  # fmt: skip
        folder = self.space / name
        folder.mkdir(exist_ok=True)
        configuration = write_configuration(folder, [model], log={"access": "off"})
        return Leeway(self.options, configuration, environment), folder


def check_process(bench, report):
    """What the trainer's process is like while it trains, and that it can be ended."""
    leeway, folder = bench.leeway("process", 1)
    leeway.retrain()
    leeway, folder = bench.leeway("process", stalled_seconds_max=2, memory_bytes_max=1 << 30)
    with leeway.serve(folder, folder / "state") as server:
        server.wait_ready()
        pid = begin_run(server, leeway)
        policies = threads(pid)
        report.check("all threads of the trainer are idle ones",
                     set(policies) == {SCHED_IDLE}, policies)  # fmt: skip
        score = pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text().strip()
        report.check("it is the first to be killed when memory is short", score == "500", score)
        limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
        line = next(line for line in limits.splitlines() if line.startswith("Max data size"))
        report.check("its memory has a limit", line.split()[3:5] == [str(1 << 30)] * 2, line)
        report.check("it waits for nobody: one run at a time",
                     server.post("/admin/retrain")[0] == 409)  # fmt: skip

        os.kill(pid, signal.SIGSTOP)
        failure = ended(server)
        report.check("one that is stopped is ended as stalled",
                     failure.get("error.type") == "stalled", failure)  # fmt: skip
        report.check("its process is gone", wait_until(lambda: not lives(pid), 10))
        pid = begin_run(server, leeway)
        report.check("the next run begins", lives(pid))
        stages = {line["Attributes"]["retraining.stage"] for line in
                  server.log("retraining stage began")}  # fmt: skip
        report.check("stages are told in the log", {"download", "validate", "train"} <= stages)
        server.kill()
        report.check("a trainer ends with its killed server",
                     wait_until(lambda: not lives(pid), 10))  # fmt: skip


def check_memory(bench, report):
    """A run that asks for more memory than it may have ends, and nothing else does."""
    leeway, folder = bench.leeway("memory", 1, memory_bytes_max=128 << 20)
    model = json.loads(pathlib.Path(leeway.configuration).read_text())
    model["models"][0]["network"]["hidden"] = [4096, 4096]
    pathlib.Path(leeway.configuration).write_text(json.dumps(model))
    process = leeway.run("retrain")
    report.check("128 MiB are too little for a network of 20 million parameters",
                 process.returncode != 0, process.returncode)  # fmt: skip
    small, _ = bench.leeway("memory", 1, memory_bytes_max=512 << 20)
    outcome = small.retrain()
    report.check("512 MiB are enough for a small one, and nothing is left in its way",
                 outcome["published"], outcome["reason"])  # fmt: skip


def check_starts(bench, report):
    """What a restart makes up for, and what a budget of a day lets through."""
    leeway, folder = bench.leeway("starts", 1, schedule="0 3 1 1 *", time_zone="Europe/Berlin")
    leeway.retrain()
    ledger = folder / "state/models/bars/retrain-state"
    with leeway.serve(folder, folder / "state") as server:
        server.wait_ready()
        report.check("the schedule's next start is kept", wait_until(ledger.exists, 10))
        due = json.loads(ledger.read_text())["due"]
        local = subprocess.run(["date", "-d", f"@{due}", "+%m-%d %H:%M"], text=True,
                               env={"TZ": "Europe/Berlin"}, capture_output=True)  # fmt: skip
        report.check("it is on the clock of its place", local.stdout.strip() == "01-01 03:00",
                     local.stdout.strip())  # fmt: skip
    for policy, wanted in (("none", 0), ("once", 1), ("once", 0)):
        kept = json.loads(ledger.read_text())
        if policy == "none" or wanted:
            ledger.write_text(json.dumps({**kept, "due": int(time.time()) - 90_000}))
        leeway, folder = bench.leeway("starts", 1, schedule="0 3 1 1 *", catch_up=policy)
        with leeway.serve(folder, folder / "state") as server:
            server.wait_ready()
            if wanted:
                server.wait_log("retraining ended", seconds=60)
            # A scrape after the first plan: whatever is due has been started by then.
            wait_until(lambda: server.metrics().value(
                "leeway_retrain_next_run_timestamp_seconds") > time.time(), 20)  # fmt: skip
            runs = len(server.log("retraining started", retraining_trigger="schedule"))
        report.check(f"catch_up {policy}: {wanted} runs at the start", runs == wanted, runs)
    leeway, folder = bench.leeway("starts", 1, schedule="10s", runs_per_day_max=2)
    with leeway.serve(folder, folder / "state") as server:
        server.wait_ready()
        declined = server.wait_log("retraining declined", seconds=60)
        runs = len(server.log("retraining started", retraining_trigger="schedule"))
        reason = declined[0]["Attributes"]["retraining.reason"] if declined else ""
        report.check("a budget of two a day counts the run before the restart",
                     runs == 1 and "2 runs" in reason, f"{runs}, {reason}")  # fmt: skip
        status, answer = server.post("/admin/retrain")
        report.check("a person may ask all the same", status == 202, answer)


def check_disk(bench, report):
    """A disk without the room that is asked for."""
    leeway, folder = bench.leeway("disk", 1, environment={"LEEWAY_DISK_FREE_BYTES_MIN": str(1 << 50)})
    process = leeway.run("retrain")
    report.check("no retrain starts on a disk that is nearly full",
                 process.returncode == 1 and "disk_free_bytes_min" in process.stderr,
                 process.stderr.strip()[-150:])  # fmt: skip
    report.check("nothing was downloaded", not (folder / "state/downloads").exists())


def check_store(bench, report):
    """A damaged store, and a version in a file."""
    leeway, folder = bench.leeway("store", 1)
    for _ in range(3):
        leeway.retrain()
    store = folder / "state/models/bars"
    whole = folder / "whole.tar.gz"
    process = leeway.run("models", "export", str(whole), "--layout", "version", "--version", "1")
    report.check("a version is written as one file", process.returncode == 0, process.stderr)
    names = sorted(pathlib.PurePath(name).name for name in tarfile.open(whole).getnames())
    report.check("other programs read it", names == sorted(os.listdir(store / "versions/1")), names)
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT):
        again = folder / "again.tar"
        with tarfile.open(again, "w", format=form) as archive:
            archive.add(store / "versions/1", arcname="version")
        process = leeway.run("models", "import", str(again), "--json")
        report.check("what other programs write is read", process.returncode == 0, process.stderr)
    with tarfile.open(folder / "escape.tar", "w") as archive:
        archive.add(store / "versions/1/manifest.json", arcname="../../manifest.json")
    process = leeway.run("models", "import", str(folder / "escape.tar"))
    report.check("a path that leads out is refused", process.returncode == 1, process.stderr)
    process = leeway.run("models", "import", str(whole), "--promote", "--json")
    report.check("an imported version can be made current",
                 json.loads(process.stdout or "{}").get("current") is True, process.stderr)  # fmt: skip

    (store / "versions/2/model.safetensors").write_bytes(b"rubbish")
    with open(store / "journal.jsonl", "ab") as journal:
        journal.write(b'{"event":"publ')
    (store / "current.tmp-1-1").write_bytes(b"")
    report.check("verify finds the damage", leeway.run("models", "verify").returncode == 1)
    process = leeway.run("models", "verify", "--repair", "--json")
    done = json.loads(process.stdout or "{}")
    report.check("repair puts it aside and sweeps up", process.returncode == 0
                 and [entry["version"] for entry in done["quarantined"]] == [2]
                 and done["removed"] == ["current.tmp-1-1"] and done["journal_bytes_cut"] == 14,
                 process.stdout + process.stderr)  # fmt: skip
    report.check("after it all is valid", leeway.run("models", "verify").returncode == 0)
    process = leeway.run("models", "prune", "--keep", "1", "--json")
    kept = sorted(int(name) for name in os.listdir(store / "versions"))
    report.check("prune keeps the current version and the one before", len(kept) == 2, kept)

    current = (store / "current").read_text().split()[0]
    (store / f"versions/{current}/model.safetensors").write_bytes(b"rubbish")
    with leeway.serve(folder, folder / "state") as server:
        ready = server.wait_ready()
        fallback = server.wait_log("fell back to the newest valid version")
        report.check("a start with a damaged current version falls back", ready and fallback)
        report.check("that is a metric", server.metrics().value("leeway_model_fallback") == 1)
    events = [json.loads(line)["event"] for line in (store / "journal.jsonl").open()]
    report.check("and a line of the journal", events[-1] == "fell_back", events[-3:])


def main():
    options = arguments(__doc__.splitlines()[0])
    report = Report("retraining that is left alone")
    with Workspace(options) as space:
        bench = Bench(options, space)
        check_process(bench, report)
        check_memory(bench, report)
        check_starts(bench, report)
        check_disk(bench, report)
        check_store(bench, report)
    report.end()


if __name__ == "__main__":
    main()
