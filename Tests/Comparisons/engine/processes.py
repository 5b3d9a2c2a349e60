"""The processes that are compared: Leeway's command line and the peers, each on chosen cores.

Only Python's standard library is used; the peers run in the virtual environment.
"""

import atexit
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import venv

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]


class Cores:
    """Which cores a process may use: one for work of one thread, else all of this process'."""

    def __init__(self, pinned):
        self.all = os.sched_getaffinity(0)
        self.one = self.all if pinned < 0 else {pinned}
        if not self.one <= self.all:
            raise SystemExit(f"compare.py: core {pinned} is not among {sorted(self.all)}")

    def chosen(self, threads):
        """The cores for work of so many threads."""
        return self.one if threads == 1 else self.all


def environment(threads=None):
    """The variables of a child: none that steers a library behind the comparison's back."""
    steering = re.compile(r"OPENBLAS_|OMP_|MKL_|GOTO_|TF_|KERAS_|XLA_|LEEWAY_")
    kept = {name: value for name, value in os.environ.items() if not steering.match(name)}
    if threads:
        kept["OPENBLAS_NUM_THREADS"] = str(threads)
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONDONTWRITEBYTECODE": "1"}


class Peer:
    """A peer's process, which answers questions in JSON lines."""

    def __init__(self, python, name, cores, threads):
        self.name = name
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [python, str(HERE / f"peers/{name}_peer.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env=environment(threads),
            preexec_fn=lambda: os.sched_setaffinity(0, cores.chosen(threads)),
        )
        atexit.register(self.end)

    def ask(self, what, **arguments):
        """Asks, and waits for the answer."""
        try:
            self.process.stdin.write(json.dumps({"ask": what, **arguments}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.log.seek(0)
            raise SystemExit(f"compare.py: {self.name} ended:\n{self.log.read()[-2000:]}")
        return json.loads(line)

    def end(self):
        """Ends the process; it reads to the end of its input."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait()


class Leeway:
    """The program's command line."""

    def __init__(self, program, cores):
        self.program, self.cores = program, cores

    def run(self, words, threads, variables=None):
        """Runs a command to its end; gives the object that it prints."""
        process = subprocess.run(
            [self.program, *words],
            capture_output=True,
            text=True,
            env={**environment(), **(variables or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, self.cores.chosen(threads)),
        )
        # 3: the candidate was refused by the gate, which has no say here.
        if process.returncode not in (0, 3):
            raise SystemExit(f"compare.py: {self.program} {' '.join(words)}: {process.stderr}")
        return json.loads(process.stdout)

    def bench(self, part, network, batch, threads):
        """One cell of `leeway bench engine`, and the whole report around it."""
        filters = ["--network", network, "--batch", str(batch), "--threads", str(threads)]
        report = self.run(["bench", "engine", "--json", "--part", part, *filters], threads)
        cell = next(
            cell
            for cell in report[part]
            if (cell["network"], cell["batch"], cell["threads"]) == (network, batch, threads)
        )
        return cell, report

    def retrain(self, configuration, state, seed):
        """A whole training into a store of its own, on all cores; gives the outcome."""
        variables = {"LEEWAY_STATE": state, "LEEWAY_MODELS_0_TRAINING_SEED": str(seed)}
        return self.run(["retrain", "--json", "--config", str(configuration)], None, variables)


def mnist_configuration(folder, target):
    """Writes config/mnist.yaml with a folder in place of its mirrors; gives its path.

    Only the place changes: the digests of the configuration are demanded as ever.
    """
    text = (ROOT / "config/mnist.yaml").read_text()
    place = pathlib.Path(folder).resolve()
    path = pathlib.Path(target) / "mnist.yaml"
    path.write_text(re.sub(r"https://\S+/", f"file://{place}/", text))
    return path


def set_up(folder):
    """Makes the virtual environment with the versions of requirements.txt."""
    print(f"making {folder}", flush=True)
    python = f"{folder}/bin/python"
    if not os.access(python, os.X_OK):
        venv.create(folder, with_pip=True, symlinks=True)
    words = [python, "-m", "pip", "install", "--quiet", "-r", str(HERE / "requirements.txt")]
    if subprocess.run(words).returncode:
        sys.exit("compare.py: the packages were not installed")


def machine(python):
    """What the figures depend on: processor, cores, system, versions, and how busy it was."""
    if not os.access(python, os.X_OK):
        sys.exit(f"compare.py: there is no {python}: say --setup")
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    wanted = [line.split("==")[0] for line in (HERE / "requirements.txt").read_text().splitlines()]
    code = (
        "import importlib.metadata as m, json, sys;"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    )
    names = [name for name in wanted if name and not name.startswith("#")]
    found = subprocess.run([python, "-c", code, *names], capture_output=True, text=True)
    if found.returncode:
        sys.exit(f"compare.py: {python} lacks a package, say --setup: {found.stderr.strip()}")
    return {
        "processor": model.group(1) if model else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": json.loads(found.stdout),
        "load_before": round(os.getloadavg()[0], 2),
    }
