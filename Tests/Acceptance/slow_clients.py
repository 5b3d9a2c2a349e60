#!/usr/bin/env python3
"""1,000 clients that send heads slowly, send bodies slowly, or read slowly: honest ones notice little.

slowhttptest (-H, -B, -X) attacks over TLS while one kept connection and new connections ask as usual.
It takes twenty times the processor time that it costs the server, so it runs only where a core has
nothing else to do: on a machine of its own, it would not hold up the honest client either.
"""

import os
import shutil
import subprocess
import time

from common import HOST, Report, Workspace, arguments, quantile
from transport import BenchServer

BODY = b"x" * 5120
# Below this, a percentile on a shared machine says more about the machine.
FLOOR_SECONDS = 0.003


def honest(server, seconds):
    """Asks over a kept connection, and now and then over a new one, for some seconds.

    Gives the latencies of both in seconds, and the failures.
    """
    kept, fresh, failures = [], [], []
    end = time.monotonic() + seconds
    with server.connect(5) as connection:
        while time.monotonic() < end:
            began = time.perf_counter()
            try:
                if connection.request("POST", "/predict", BODY).status != 200:
                    failures.append("status")
            except OSError as error:
                failures.append(repr(error))
                connection.close()
                connection.socket = None
                connection.ensure_open()
            kept.append(time.perf_counter() - began)
            if len(kept) % 20 == 0:
                began = time.perf_counter()
                try:
                    with server.connect(5) as another:
                        if another.request("POST", "/predict", BODY).status != 200:
                            failures.append("status")
                except OSError as error:
                    failures.append(repr(error))
                fresh.append(time.perf_counter() - began)
            time.sleep(0.005)
    return kept, fresh, failures


def attack(server, kind, options):
    """Starts slowhttptest against the server."""
    command = [
        "slowhttptest", f"-{kind}", "-c", str(options.connections), "-r", "500", "-i", "5", "-x", "24",
        "-l", str(options.seconds), "-p", "3", "-u", f"https://{HOST}:{server.port}/predict",
    ]  # fmt: skip
    if kind == "B":
        command += ["-s", "8192", "-t", "POST"]
    if kind == "X":
        command += ["-w", "1", "-y", "8", "-n", "5", "-z", "32", "-k", "3"]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),
    )  # fmt: skip


def main():
    options = arguments(
        __doc__.splitlines()[0],
        connections=(1000, "slow connections"),
        seconds=(12, "of each attack"),
        judge=(0, "1 judges the times, too: for a machine that does nothing else"),
    )
    report = Report("slow clients")
    if not shutil.which("slowhttptest"):
        report.note("skipped: slowhttptest is not installed")
        report.end()
    with Workspace(options) as folder, BenchServer(options, folder) as server:
        honest(server, 1)
        kept, fresh, failures = honest(server, 4)
        idle = quantile(kept, 0.99)
        idle_fresh = quantile(fresh, 0.99)
        report.figure("idle, p99 in ms: kept, new connection", f"{idle * 1e3:.2f}, {idle_fresh * 1e3:.2f}")
        report.check("idle: no failure", not failures, failures[:3] or "")
        for kind, what in [("H", "slow heads"), ("B", "slow bodies"), ("X", "slow reading")]:
            before = server.cpu_seconds()
            process = attack(server, kind, options)
            time.sleep(options.connections / 500)
            kept, fresh, failures = honest(server, options.seconds - options.connections / 500)
            descriptors = server.descriptors()
            process.terminate()
            process.wait()
            p99, p99_fresh = quantile(kept, 0.99), quantile(fresh, 0.99)
            report.figure(
                f"{what}, p99 in ms: kept, new; descriptors",
                f"{p99 * 1e3:.2f}, {p99_fresh * 1e3:.2f}; {descriptors}",
            )
            report.figure(f"{what}, seconds of CPU", f"{server.cpu_seconds() - before:.1f}")
            report.check(f"{what}: no failure of an honest client", not failures, failures[:3] or "")
            if options.judge:
                report.check(
                    f"{what}: p99 at most twice the idle one",
                    p99 <= max(2 * idle, FLOOR_SECONDS),
                    f"{p99 * 1e3:.2f} ms",
                )
        report.check("the server runs", server.is_alive())
    report.end()


if __name__ == "__main__":
    main()
