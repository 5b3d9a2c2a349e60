#!/usr/bin/env python3
"""SIGKILL of the trainer and of the server at random moments: no bad state, no lost version.

Half of the trainers are killed anywhere in a run, half after they have said "publishing". The
servers are killed while a publication is under way, by their own child or by a `leeway retrain`
beside them. After each kill the store must be whole, the current version the old or the new one,
no trainer may outlive its server, and the next run must succeed.
"""

import json
import os
import pathlib
import random
import signal
import subprocess
import time

from common import (
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    lives,
    quantile,
    trainers,
    wait_until,
    write_configuration,
    write_images,
)


class Store:
    """What must hold of the store, asked through `leeway models`."""

    def __init__(self, leeway, folder):
        self.leeway = leeway
        self.folder = pathlib.Path(folder)
        self.known = {}
        self.current = 0
        self.problems = []

    def look(self, moment):
        """Checks everything; gives the current version."""
        process = self.leeway.run("models", "list", "--json")
        if process.returncode != 0:
            self.problems.append(f"{moment}: list: {process.stderr.strip()}")
            return self.current
        versions = {row["version"]: row for row in json.loads(process.stdout)}
        current = [number for number, row in versions.items() if row["current"]]
        if len(current) != 1:
            self.problems.append(f"{moment}: {len(current)} current versions")
            return self.current
        for number in self.known.keys() - versions.keys():
            self.problems.append(f"{moment}: version {number} is lost")
        for number in versions:
            # A version is immutable: its bytes are the same for ever.
            manifest = self.manifest(number)
            if self.known.setdefault(number, manifest) != manifest:
                self.problems.append(f"{moment}: version {number} has changed")
        self.verify(moment, current[0])
        self.read_journal(moment)
        return current[0]

    def read_journal(self, moment):
        """Every whole line of the journal is an entry."""
        lines = (self.folder / "journal.jsonl").read_bytes().split(b"\n")[:-1]
        try:
            events = [json.loads(line)["event"] for line in lines]
        except (ValueError, KeyError, TypeError) as error:
            self.problems.append(f"{moment}: journal: {error}")
            return
        if "published" not in events:
            self.problems.append(f"{moment}: journal: no publication in {len(events)} lines")

    def manifest(self, number):
        """The bytes of a version's manifest, which holds the digest of everything else."""
        return (self.folder / f"versions/{number}/manifest.json").read_bytes()

    def verify(self, moment, *version):
        """`models verify` of one or all versions; gives how many were valid."""
        process = self.leeway.run("models", "verify", "--json", *map(str, version))
        if process.returncode != 0:
            self.problems.append(f"{moment}: verify: {process.stdout} {process.stderr}")
            return 0
        return sum(check["valid"] for check in json.loads(process.stdout))

    def after_kill(self, moment):
        """The current version must be the one before the kill, or the newest."""
        current = self.look(moment)
        if current not in (self.current, max(self.known)):
            self.problems.append(f"{moment}: current is {current}, it was {self.current}")
        if current < self.current:
            self.problems.append(f"{moment}: current went back to {current}")
        is_new = current != self.current
        self.current = current
        return is_new

    def next_run(self, moment):
        """The next run must succeed, publish, and sweep up."""
        process = self.leeway.run("retrain", "--json")
        if process.returncode != 0:
            said = process.stderr.strip().splitlines()[-1:]
            self.problems.append(f"{moment}: next run ended with {process.returncode}: {said}")
            return
        version = json.loads(process.stdout)["version"]
        current = self.look(f"{moment}, next run")
        if current != version or version <= self.current:
            self.problems.append(f"{moment}: next run made {version}, current is {current}")
        self.current = current
        litter = [name for name in os.listdir(self.folder / "versions") if not name.isdigit()]
        usual = {"versions", "current", "journal.jsonl", "lock", "drift-state", "example.json",
                 "retrain-state", "release-lock"}  # fmt: skip
        litter += sorted(set(os.listdir(self.folder)) - usual)
        if litter:
            self.problems.append(f"{moment}: left behind after the next run: {litter}")


def kill_trainers(options, report, leeway, store, randoms):
    """Kills `leeway retrain` at random moments; gives the seconds that a publication takes."""
    whole, publishing = time_runs(leeway, 5)
    store.current = store.look("start")
    report.figure("a whole run, its publication (ms)",
                  f"{1000 * whole:.0f}, {1000 * publishing:.0f}")  # fmt: skip
    changed, ended = [0, 0], 0
    for number in range(options.kills):
        anywhere = number % 2 == 0
        process = leeway.start("retrain", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if anywhere:
            time.sleep(randoms.uniform(0, whole))
        else:
            wait_for_publishing(process)
            time.sleep(randoms.uniform(0, publishing * 1.2))
        process.kill()
        ended += process.wait() == 0
        process.stderr.close()
        moment = f"trainer kill {number + 1}"
        changed[not anywhere] += store.after_kill(moment)
        store.next_run(moment)
    half = (options.kills + 1) // 2
    report.figure("killed anywhere: new version live", f"{changed[0]} of {half}")
    report.figure("killed while publishing: new version live",
                  f"{changed[1]} of {options.kills - half}")  # fmt: skip
    report.figure("had ended before the kill", ended)
    report.check(f"{options.kills} trainers killed", not store.problems, problems(store))
    report.check("most were killed before their end", ended <= options.kills / 2, ended)
    return publishing


def time_runs(leeway, count):
    """The median seconds of a run and of its publication."""
    wholes, publications = [], []
    for _ in range(count):
        started = time.monotonic()
        process = leeway.start("retrain", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for_publishing(process)
        middle = time.monotonic()
        process.communicate()
        wholes.append(time.monotonic() - started)
        publications.append(time.monotonic() - middle)
    return quantile(wholes, 0.5), quantile(publications, 0.5)


def wait_for_publishing(process):
    """Reads what the trainer says until it publishes."""
    for line in process.stderr:
        if b"publishing" in line:
            return


def kill_servers(options, report, leeway, store, space, randoms, publishing):
    """Kills the server while its child, or a trainer beside it, publishes."""
    gone, ready, changed, beside_ended, late = [], [], 0, 0, 0
    for number in range(options.kills):
        moment = f"server kill {number + 1}"
        by_hand = number % 3 == 2
        server = leeway.serve(space, space / "state")
        if not server.wait_ready():
            store.problems.append(f"{moment}: never ready")
        lines = server.wait_log("version live")
        served = int(lines[0]["Attributes"]["model.version"]) if lines else None
        if served != store.current:
            store.problems.append(f"{moment}: serves {served}, current is {store.current}")
        ready.append(time.monotonic() - server.started)
        trainer = None
        if by_hand:
            trainer = leeway.start("retrain", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            wait_for_publishing(trainer)
        else:
            status, answer = server.post("/admin/retrain")
            if status != 202:
                store.problems.append(f"{moment}: /admin/retrain: {status} {answer}")
            said = wait_until(lambda: b"publishing" in server.console_path.read_bytes(), 60, 0.001)
            late += not said
        time.sleep(randoms.uniform(0, publishing))
        children = [] if by_hand else trainers(leeway.configuration)
        server.process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        server.process.wait()
        if by_hand:
            # It is nobody's child: it goes on and ends well.
            trainer.communicate(timeout=60)
            beside_ended += trainer.returncode == 0
        else:
            alive = await_end(leeway, children, 10)
            gone.append(time.monotonic() - killed)
            if alive:
                store.problems.append(f"{moment}: trainers {alive} outlived their server")
        changed += store.after_kill(moment)
        store.next_run(moment)
    hands = options.kills // 3
    report.figure("from kill to the child's end p50, max (ms)",
                  f"{1000 * quantile(gone, 0.5):.0f}, {1000 * max(gone):.0f}")  # fmt: skip
    report.figure("start to ready p50, max (ms)",
                  f"{1000 * quantile(ready, 0.5):.0f}, {1000 * max(ready):.0f}")  # fmt: skip
    report.figure("new version live after the kill", f"{changed} of {options.kills}")
    report.check(f"{options.kills} servers killed", not store.problems, problems(store))
    report.check("every kill came while a version was published", late == 0, f"{late} did not")
    report.check("trainers beside the server ended well", beside_ended == hands, beside_ended)


def await_end(leeway, children, seconds):
    """Waits until no trainer lives, of these or others; gives those that had to be killed."""

    def alive():
        return [pid for pid in children if lives(pid)] + trainers(leeway.configuration)

    wait_until(lambda: not alive(), seconds, 0.002)
    left = alive()
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def problems(store):
    """Says the first problems, and forgets them, so that the next part starts anew."""
    words = "; ".join(store.problems[:4])
    count, store.problems = len(store.problems), []
    return f"{count} problems: {words}" if count else ""


def main():
    options = arguments(
        __doc__.splitlines()[0],
        kills=(50, "how many kills of each sort"),
        seed=(0, "seed of the moments; 0 takes one from the system"),
    )
    seed = options.seed or random.SystemRandom().randrange(1, 1_000_000)
    report = Report(f"{options.kills} kills of the trainer, {options.kills} of the server")
    report.figure("seed", seed)
    randoms = random.Random(seed)
    with Workspace(options) as space:
        train = write_images(space, "train", 1500, 8, 8, randoms)
        test = write_images(space, "test", 500, 8, 8, randoms)
        # All versions are kept, so that a lost one is seen; the gate lets everything through.
        model = image_model("bars", (8, 8), 8, train, test, network={"hidden": [16]},
                            retrain={"keep": 1000, "margin": 1})  # fmt: skip
        configuration = write_configuration(space, [model], log={"access": "off"})
        leeway = Leeway(options, configuration)
        leeway.retrain()
        store = Store(leeway, space / "state/models/bars")
        publishing = kill_trainers(options, report, leeway, store, randoms)
        kill_servers(options, report, leeway, store, space, randoms, publishing)
        store.next_run("end")
        valid = store.verify("end")
        report.figure("versions in the store at the end", len(store.known))
        report.check("all versions are valid at the end", valid == len(store.known), valid)
        report.check("the last run and the store are in order", not store.problems, problems(store))
    report.end()


if __name__ == "__main__":
    main()
