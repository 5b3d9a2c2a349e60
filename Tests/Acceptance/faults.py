#!/usr/bin/env python3
"""Every system call of a publication, a promotion and a swap fails in turn, or is the last one.

`faults.c` is loaded before the C library of the program and counts the calls that concern the
model's folder. A run without a fault tells how many there are; then there is a run for each call and
each way in which it can fail (EIO, ENOSPC, EMFILE, a short write), and one that ends with SIGKILL
before and after it. Each time the current version must be the old or the new one, whole by its
digests, the journal readable, the next run a success, and nothing left behind.
"""

import hashlib
import json
import mmap
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import time

from common import (
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    predict,
    synthetic_images,
    wait_until,
    write_configuration,
    write_images,
)

NONE, FAIL, SHORT, KILL_BEFORE, KILL_AFTER = range(5)
EIO, EMFILE, ENOSPC = 5, 24, 28
WORDS = {EIO: "EIO", EMFILE: "EMFILE", ENOSPC: "ENOSPC"}
# What changes something, so that it matters whether the process ends before or after it.
CHANGING = {"open", "write", "fsync", "rename", "link", "mkdir", "rmdir", "unlink", "ftruncate"}
ERRORS = {
    "open": (EIO, EMFILE, ENOSPC),
    "opendir": (EIO, EMFILE),
    "write": (EIO, ENOSPC),
    "mkdir": (EIO, ENOSPC),
    "rename": (EIO, ENOSPC),
    "link": (EIO, ENOSPC),
}


class Control:
    """The memory that this script and the program share."""

    FORM = "5i32s4096s"

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(struct.calcsize(self.FORM)))
        self.file = open(path, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), 0)

    def arm(self, at, action, error=0):
        """Starts counting anew; the call with this number goes wrong (0: none does)."""
        self.memory[:] = struct.pack(self.FORM, 0, at, action, error, 0, b"", b"")

    def read(self):
        """How many calls there were, whether one went wrong, and the calls' names."""
        count, _, _, _, hit, _, names = struct.unpack(self.FORM, self.memory[:])
        return count, bool(hit), names.split(b"\0")[0].decode().split()


def build(folder):
    """Compiles the shim; None where there is no C compiler."""
    target = folder / "faults.so"
    source = pathlib.Path(__file__).with_name("faults.c")
    for compiler in ("cc", "gcc", "clang"):
        if shutil.which(compiler):
            command = [compiler, "-O1", "-shared", "-fPIC", "-o", target, source, "-ldl"]
            if subprocess.run(command, capture_output=True).returncode == 0:
                return target
    return None


def cases(names, options):
    """The faults of these calls: (number, call, words, action, errno)."""
    found = []
    for number, name in enumerate(names, 1):
        ways = [(WORDS[error], FAIL, error) for error in ERRORS.get(name, (EIO,))]
        if name == "write":
            ways.append(("short", SHORT, 0))
        if name in CHANGING:
            ways += [("killed before", KILL_BEFORE, 0), ("killed after", KILL_AFTER, 0)]
        found += [(number, name, *way) for way in ways]
    return found[options.first % options.every :: options.every]


class Store:
    """A model's folder, looked at from outside."""

    def __init__(self, state):
        self.folder = pathlib.Path(state) / "models/bars"

    def current(self):
        """The current version; raises what is wrong with it."""
        number, digest = (self.folder / "current").read_text().split()
        version = self.folder / "versions" / number
        manifest = (version / "manifest.json").read_bytes()
        if hashlib.sha256(manifest).hexdigest() != digest:
            raise ValueError(f"the manifest of {number} is not the one that the pointer names")
        for name, facts in json.loads(manifest)["files"].items():
            if hashlib.sha256((version / name).read_bytes()).hexdigest() != facts["sha256"]:
                raise ValueError(f"{name} of {number} is damaged")
        return int(number)

    def journal(self):
        """The journal's entries; a last line without an end is none."""
        text = (self.folder / "journal.jsonl").read_text()
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def litter(self):
        """What should not be there."""
        usual = {"versions", "current", "journal.jsonl", "lock", "drift-state", "example.json",
                 "retrain-state", "release-lock", "refused.json", "refused.html"}  # fmt: skip
        names = [name for name in os.listdir(self.folder / "versions") if not name.isdigit()]
        names += sorted(set(os.listdir(self.folder)) - usual)
        if not (self.folder / "journal.jsonl").read_bytes().endswith(b"\n"):
            names.append("half a line of the journal")
        return names


class Matrix:
    """Runs of one command, each with one fault."""

    def __init__(self, options, space, configuration, shim):
        self.options, self.space, self.configuration = options, space, configuration
        self.shim, self.control = shim, Control(space / "control")
        self.base, self.state = space / "base", space / "state"

    def leeway(self, state, folder=None):
        """The program with a state directory, and with the shim for a folder below it."""
        environment = {"LEEWAY_STATE": str(state)}
        if folder:
            environment |= {
                "LD_PRELOAD": str(self.shim),
                "FAULTS_FOLDER": str(folder),
                "FAULTS_CONTROL": str(self.control.path),
            }
        return Leeway(self.options, self.configuration, environment)

    def renew(self):
        """The state as it was before; gives its store."""
        shutil.rmtree(self.state, ignore_errors=True)
        shutil.copytree(self.base, self.state)
        return Store(self.state)

    def run(self, words):
        """Runs a command on the state as it was, with the shim; gives the process."""
        return self.leeway(self.state, self.state / "models/bars").run(*words)

    def calls(self, words):
        """The names of the calls of a run without a fault."""
        self.renew()
        self.control.arm(0, NONE)
        process = self.run(words)
        assert process.returncode == 0, process.stderr
        count, _, names = self.control.read()
        assert count == len(names), "the list of calls was cut"
        return names

    def judge(self, case, words, new):
        """One fault: gives what is wrong, and whether the run succeeded in spite of it."""
        number, name, way, action, error = case
        store = self.renew()
        old = store.current()
        self.control.arm(number, action, error)
        process = self.run(words)
        _, hit, _ = self.control.read()
        if not hit:
            return "the call never came", False
        try:
            current = store.current()
            store.journal()
        except (OSError, ValueError) as problem:
            return f"after the fault: {problem}", False
        succeeded = process.returncode == 0
        if current not in (old, new):
            return f"current is {current}", False
        if succeeded and current != new:
            return "it ended with 0, and nothing had changed", False
        if action == SHORT and not succeeded:
            return f"a short write is no error: {process.stderr.strip()[-200:]}", False
        if action == FAIL and not succeeded and not process.stderr.strip():
            return "it failed without a word", False
        again = self.leeway(self.state).run("retrain", "--json")
        if again.returncode != 0:
            return f"next run: {again.stderr.strip()[-200:]}", False
        if store.current() != json.loads(again.stdout)["version"]:
            return "next run: its version is not current", False
        litter = store.litter()
        store.journal()
        return f"left behind: {litter}" if litter else "", succeeded


def check_command(matrix, report, title, words, new):
    """All faults of one command."""
    names = matrix.calls(words)
    counts = {name: names.count(name) for name in sorted(set(names))}
    report.figure(f"{title}: calls", f"{len(names)} ({', '.join(f'{n} {c}' for c, n in counts.items())})")
    problems, tolerated, chosen = [], 0, cases(names, matrix.options)
    for case in chosen:
        problem, succeeded = matrix.judge(case, words, new)
        tolerated += succeeded
        if problem:
            problems.append(f"{case[1]} ({case[0]}) {case[2]}: {problem}")
    report.figure(f"{title}: faults, of which without effect", f"{len(chosen)}, {tolerated}")
    for problem in problems[:10]:
        report.note(problem)
    report.check(f"{title}: old or new, readable, next run succeeds, nothing left", not problems,
                 f"{len(problems)} problems" if problems else "")  # fmt: skip


def compare_with_strace(matrix, report, words):
    """The calls that change something are counted by the kernel's tracer, too."""
    if not shutil.which("strace"):
        report.note("without strace: its count of the calls is not compared")
        return
    folder = matrix.renew().folder
    log = matrix.space / "strace"
    names = "write,fsync,rename,link,mkdir,rmdir,unlink,ftruncate"
    command = ["strace", "-f", "-y", "-qq", "-e", f"trace={names}", "-o", str(log)]
    leeway = matrix.leeway(matrix.state)
    process = subprocess.run(command + leeway.command(*words), env=leeway.environment,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)  # fmt: skip
    if process.returncode != 0:
        report.note(f"strace does not work here: {process.stderr.strip()[-100:]}")
        return
    pattern = re.compile(r"^\d+ +(\w+)\((?:\d+<|\")" + re.escape(str(folder)) + r"\b")
    traced = [match.group(1) for line in log.read_text(errors="replace").splitlines()
              if (match := pattern.match(line))]  # fmt: skip
    seen = [name for name in matrix.calls(words) if name in names.split(",")]
    report.check("strace counts the same changing calls", sorted(traced) == sorted(seen),
                 f"{len(traced)}, {len(seen)}")  # fmt: skip


class Swaps:
    """A server whose loads of versions go wrong."""

    def __init__(self, matrix, report, part):
        self.matrix, self.report, self.part = matrix, report, part
        self.store = matrix.renew()
        self.plain = matrix.leeway(matrix.state)
        self.leeway = matrix.leeway(matrix.state, self.store.folder / part)
        pixels, _ = synthetic_images(1, 8, 8, random.Random(3))
        self.image = pixels[:64]
        self.problems = []

    def answered(self, server):
        """The version that answers now."""
        with server.connect() as connection:
            answer = predict(connection, self.image)
            return answer.json()["version"] if answer.status == 200 else str(answer.status)

    def start(self):
        """Starts the server without a fault."""
        self.matrix.control.arm(0, NONE)
        server = self.leeway.serve(self.matrix.space, self.matrix.state)
        server.wait_ready()
        return server

    def promote(self, version):
        """Has another version become current."""
        process = self.plain.run("models", "promote", str(version))
        assert process.returncode == 0, process.stderr

    def live(self, server, version):
        """Waits until a version answers."""
        return wait_until(lambda: self.answered(server) == str(version), 20, 0.02)

    def names(self, server):
        """The calls of one swap."""
        other = 3 - self.store.current()
        self.matrix.control.arm(0, NONE)
        self.promote(other)
        self.live(server, other)
        _, _, names = self.matrix.control.read()
        # The pointer is read again and again; once is enough.
        return names[: names.index("close") + 1] if self.part == "current" else names

    def fail(self, server, case):
        """One fault in a swap: the old version goes on, and the next change is taken."""
        number, _, _, action, error = case
        old = self.store.current()
        self.matrix.control.arm(number, action, error)
        self.promote(3 - old)
        hit = wait_until(lambda: self.matrix.control.read()[1], 5, 0.005)
        if not hit:
            return "the call never came"
        found = self.answered(server)
        if found not in ("1", "2"):
            return f"answered {found}"
        self.matrix.control.arm(0, NONE)
        self.promote(old)
        self.promote(3 - old)
        return "" if self.live(server, 3 - old) else "the next change was not taken"

    def kill(self, case):
        """One end in a swap: the next server has the old or the new version."""
        server = self.start()
        number, _, _, action, _ = case
        old = self.store.current()
        self.matrix.control.arm(number, action)
        self.promote(3 - old)
        if not wait_until(lambda: not server.is_alive(), 10, 0.005):
            server.kill()
            return "it did not end"
        with self.start() as server:
            return "" if self.answered(server) == str(3 - old) else "the new one does not answer"

    def run(self):
        """All faults of a swap."""
        with self.start() as server:
            names = self.names(server)
            chosen = [case for case in cases(names, self.matrix.options) if case[3] == FAIL]
            for case in chosen:
                if problem := self.fail(server, case):
                    self.problems.append(f"{case[1]} ({case[0]}) {case[2]}: {problem}")
            refused = server.metrics().value("leeway_model_swaps_total", result="refused")
            opened = len(os.listdir(f"/proc/{server.pid}/fd"))
            self.check("calls fail in turn", names, len(chosen), f"refused {refused:.0f}, "
                       f"descriptors at the end {opened}")  # fmt: skip
        ends = [(n, name, "killed", KILL_BEFORE, 0) for n, name in enumerate(names, 1)]
        ends = ends[self.matrix.options.first % self.matrix.options.every ::
                    self.matrix.options.every]  # fmt: skip
        for case in ends:
            if problem := self.kill(case):
                self.problems.append(f"{case[1]} ({case[0]}) killed: {problem}")
        self.check("killed at calls in turn", names, len(ends), "")

    def check(self, words, names, count, more):
        """Tells the problems so far."""
        self.report.figure(f"swap, {self.part}: {words}", f"{count} of {len(names)} calls {more}")
        for problem in self.problems[:10]:
            self.report.note(problem)
        self.report.check(f"swap, {self.part}: {words}: old or new answers", not self.problems,
                          f"{len(self.problems)} problems" if self.problems else "")  # fmt: skip
        self.problems = []


def main():
    options = arguments(
        __doc__.splitlines()[0],
        every=(4, "try one in so many faults; 1 tries all"),
        first=(-1, "the first of them; -1 takes one from the system, so that all have their turn"),
    )
    if options.first < 0:
        options.first = random.SystemRandom().randrange(options.every)
    report = Report("faults of the disk, and ends, at every system call")
    report.figure("one fault in, from", f"{options.every}, {options.first}")
    with Workspace(options) as space:
        shim = build(space)
        if not shim:
            print("skipped: no C compiler", flush=True)
            sys.exit(0)
        randoms = random.Random(7)
        train = write_images(space, "train", 600, 8, 8, randoms)
        test = write_images(space, "test", 200, 8, 8, randoms)
        # Few versions are kept, so that a publication removes one, too.
        model = image_model("bars", (8, 8), 8, train, test, network={"hidden": [8]},
                            training={"epochs": 1}, retrain={"keep": 1, "margin": 1})  # fmt: skip
        configuration = write_configuration(space, [model], log={"access": "off"})
        matrix = Matrix(options, space, configuration, shim)
        for _ in range(2):
            matrix.leeway(matrix.base).retrain()
        started = time.monotonic()
        compare_with_strace(matrix, report, ("retrain", "--json"))
        check_command(matrix, report, "publication", ("retrain", "--json"), 3)
        check_command(matrix, report, "promotion", ("models", "promote", "1"), 1)
        report.figure("seconds for publication and promotion", f"{time.monotonic() - started:.0f}")
        for part in ("versions", "current"):
            Swaps(matrix, report, part).run()
    report.end()


if __name__ == "__main__":
    main()
