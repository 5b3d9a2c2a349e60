#!/usr/bin/env python3
"""CPU and latency of one request over TLS: nginx and Leeway's transport in the same run.

Both answer a constant to a POST of 5 kB over kept TLS 1.3 connections. The server runs on one core
with one worker, the load on another; the servers take turns, round by round, so that both see
the same machine. CPU is what /proc/PID/stat counts, user and system, divided by the requests.

Needs nginx, wrk and h2load (Debian: nginx-light, wrk, nghttp2-client).
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HOST = "127.0.0.1"
ANSWER = '{"class":9}'
BODY_BYTES = 5 * 1024
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def certificate(folder):
    """A self-signed P-256 certificate and its key."""
    chain, key = folder / "server.pem", folder / "server.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-keyout", str(key), "-out", str(chain)],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


class Server:
    """A server of the comparison: a process that is measured, and where it listens."""

    def __init__(self, name, command, port, log, core, secure=True):
        self.name, self.port, self.secure = name, port, secure
        self.log = open(log, "wb")
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)], stdout=self.log, stderr=self.log
        )
        for _ in range(200):
            try:
                socket.create_connection((HOST, port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{name} does not listen: {pathlib.Path(log).read_text()[-500:]}")

    @property
    def url(self):
        """Where a POST is answered."""
        return f"http{'s' if self.secure else ''}://{HOST}:{self.port}/predict"

    def cpu_seconds(self):
        """Processor time of the process and of its children that run, user and system."""
        total = 0
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if self.process.pid in (int(entry.name), int(fields[1])):
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    def stop(self):
        """Ends it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()


def nginx(name, folder, chain, key, core, log, secure):
    """nginx with one worker and a constant answer."""
    port = free_port()
    home = folder / re.sub(r"\W+", "-", name)
    home.mkdir()
    access = f"access_log {home}/access.log;" if log else "access_log off;"
    tls = (
        f"ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"
        if secure
        else ""
    )
    (home / "nginx.conf").write_text(
        f"""
        worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log;
        events {{ worker_connections 4096; }}
        http {{
            {access}
            client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
            uwsgi_temp_path {home}; scgi_temp_path {home};
            client_body_buffer_size 16k; keepalive_requests 1000000000; keepalive_time 1d;
            default_type application/json; server_tokens off;
            server {{
                listen {HOST}:{port} {"ssl" if secure else ""} backlog=4096;
                {tls}
                location /predict {{ return 200 '{ANSWER}\\n'; }}
            }}
        }}"""
    )
    command = ["nginx", "-p", home, "-c", home / "nginx.conf"]
    return Server(name, command, port, home / "output", core, secure)


def leeway(name, folder, program, chain, key, core, log, secure):
    """Leeway's own server on one event loop, with a responder that answers a constant."""
    port = free_port()
    command = [program, "bench", "transport", "--listen", f"{HOST}:{port}"]
    if secure:
        command += ["--certificate", chain, "--key", key]
    if log:
        command += ["--access-log"]
    return Server(
        name, command, port, folder / f"{re.sub(r'[^a-z]+', '-', name)}.log", core, secure
    )


def wrk(server, folder, options, core):
    """Requests a second at full load, CPU microseconds a request, and errors."""
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.body = string.rep("x", {BODY_BYTES})\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
        "done = function(summary, latency, requests)\n"
        "  local e = summary.errors\n"
        '  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration,\n'
        "    e.connect + e.read + e.write + e.status + e.timeout))\n"
        "end\n"
    )
    before = server.cpu_seconds()
    text = subprocess.run(
        ["taskset", "-c", str(core), "wrk", "-t1", f"-c{options.connections}",
         f"-d{options.seconds}s", "-s", str(script), server.url],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    spent = server.cpu_seconds() - before
    requests, microseconds, errors = map(int, re.search(r"RESULT (\d+) (\d+) (\d+)", text).groups())
    return requests / microseconds * 1e6, spent / max(requests, 1) * 1e6, errors


def h2load(server, folder, rate, options, core):
    """The 50th and 99th percentile of latency in milliseconds at a fixed rate of requests."""
    body, log = folder / "body", folder / "latencies"
    body.write_bytes(b"x" * BODY_BYTES)
    log.unlink(missing_ok=True)
    each = max(rate / options.connections, 1)
    subprocess.run(
        ["taskset", "-c", str(core), "h2load", "--h1", f"-c{options.connections}", "-t1",
         f"--rps={each:.0f}", f"-D{options.seconds}", f"-d{body}", f"--log-file={log}",
         "-H", "content-type: application/json", server.url],
        check=True, capture_output=True,
    )  # fmt: skip
    times = sorted(
        int(line.split("\t")[2]) for line in log.read_text().splitlines() if "\t200\t" in line
    )
    return (
        times[len(times) // 2] / 1000,
        times[min(len(times) * 99 // 100, len(times) - 1)] / 1000,
        len(times) / options.seconds,
    )


def spread(values):
    """Median, lowest and highest."""
    return f"{statistics.median(values):9.2f}  ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leeway", required=True, help="the release build")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--only", default="", help="only servers whose name contains this")
    parser.add_argument("--no-latency", action="store_true")
    parser.add_argument("--json", help="a file for the figures")
    options = parser.parse_args()
    missing = [name for name in ("nginx", "wrk", "h2load") if not shutil.which(name)]
    if missing:
        sys.exit(f"not compared: {', '.join(missing)} not installed")
    with tempfile.TemporaryDirectory(prefix="leeway-transport-") as path:
        compare(options, pathlib.Path(path))


def compare(options, folder):
    """Runs all servers, round by round, and prints the figures."""
    chain, key = certificate(folder)
    servers = []
    for label, secure, log in [
        ("", True, False), ("with access log", True, True), ("plain text", False, False),
    ]:  # fmt: skip
        pair = (f"nginx {label}".strip(), f"leeway {label}".strip())
        if options.only in pair[0]:
            servers.append(nginx(pair[0], folder, chain, key, options.server_core, log, secure))
        if options.only in pair[1]:
            servers.append(
                leeway(pair[1], folder, options.leeway, chain, key, options.server_core, log, secure)
            )
    figures = {server.name: {"rate": [], "cpu": [], "p50": [], "p99": []} for server in servers}
    try:
        for _ in range(options.rounds):
            for server in servers:
                rate, cpu, errors = wrk(server, folder, options, options.load_core)
                if errors:
                    print(f"{server.name}: {errors} failed requests", file=sys.stderr)
                figures[server.name]["rate"].append(rate)
                figures[server.name]["cpu"].append(cpu)
        peak = statistics.median(figures[servers[0].name]["rate"])
        for _ in range(0 if options.no_latency else options.rounds):
            for server in servers:
                p50, p99, achieved = h2load(server, folder, peak / 2, options, options.load_core)
                figures[server.name]["p50"].append(p50)
                figures[server.name]["p99"].append(p99)
                if achieved < peak / 2 * 0.95:
                    print(f"{server.name}: only {achieved:.0f} requests/s", file=sys.stderr)
    finally:
        for server in servers:
            server.stop()
    report(figures, peak, options)


def report(figures, peak, options):
    """Prints the table."""
    print(f"POST of {BODY_BYTES} B, {options.connections} kept connections, one core, "
          f"{options.rounds} rounds of {options.seconds} s; median (lowest to highest)")  # fmt: skip
    print(f"latency at {peak / 2:.0f} requests/s, half of the first server's peak\n")
    for name, values in figures.items():
        print(name)
        print(f"  CPU µs a request   {spread(values['cpu'])}")
        print(f"  requests/s at peak {spread(values['rate'])}")
        if values["p99"]:
            print(f"  p50 ms             {spread(values['p50'])}")
            print(f"  p99 ms             {spread(values['p99'])}")
    for label in ("", " with access log", " plain text"):
        ours, theirs = figures.get("leeway" + label), figures.get("nginx" + label)
        if ours and theirs:
            ratio = statistics.median(ours["cpu"]) / statistics.median(theirs["cpu"])
            print(f"CPU of leeway / nginx{label}: {ratio:.2f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
