#!/usr/bin/env python3
"""One prediction of 784-64-10 by Leeway, by a constant of nginx, and by other model servers.

All serve the same network (trained by Leeway, exported, the peers run it with ONNX Runtime and one
thread), one after the other on the same core with one worker; the load comes from another core.
Servers take turns, round by round. Leeway has everything on: TLS 1.3, metrics, an access line for
each request, the drift monitor. nginx answers as many bytes as Leeway does, without a log. FastAPI
has TLS in uvicorn; mosec, MLServer and Triton have none, which is to their advantage.

Told are requests a second and CPU microseconds a request at full load (user and system, the whole
process tree), and the CPU, p50, p99 and p99.9 at the same open rates for all. The CPU at one rate is
what compares: at full load a server that outruns the load generator finds it awake with each answer,
and one that does not pays for waking it, which in a virtual machine is some microseconds.

Needs nginx, wrk and h2load (Debian: nginx-light, wrk, nghttp2-client), MNIST (--mnist FOLDER), and
virtual environments: --python with requirements.txt, --mlserver with mlserver and onnxruntime,
--triton with nvidia-pytriton and onnxruntime (of the very Python whose library the system has, since
Triton loads that). Servers that cannot be started are named and left out.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import urllib.request

import bodies
import servers

HOST = servers.HOST


def wrk(case, folder, options):
    """Requests a second, CPU microseconds a request, and failures."""
    for index, body in enumerate(case.bodies):
        (folder / f"{case.slug}-{index}").write_bytes(body)
    fields = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in case.fields.items())
    script = folder / f"{case.slug}.lua"
    script.write_text(
        'wrk.method = "POST"\n' + fields + "local requests, next = {}, 0\n"
        "function init()\n"
        f"  for index = 0, {len(case.bodies) - 1} do\n"
        f'    local file = io.open("{folder}/{case.slug}-" .. index, "rb")\n'
        '    requests[index] = wrk.format(nil, nil, nil, file:read("*a"))\n'
        "    file:close()\n  end\nend\n"
        f"function request()\n  next = (next + 1) % {len(case.bodies)}\n"
        "  return requests[next]\nend\n"
        "done = function(summary, latency, requests)\n  local e = summary.errors\n"
        '  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration,\n'
        "    e.connect + e.read + e.write + e.status + e.timeout))\nend\n"
    )
    before = case.server.cpu_seconds()
    text = subprocess.run(
        ["taskset", "-c", str(servers.LOAD_CORE), "wrk", "-t1", f"-c{options.connections}",
         f"-d{options.seconds}s", "-s", str(script), case.url],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    spent = case.server.cpu_seconds() - before
    count, microseconds, failed = map(int, re.search(r"RESULT (\d+) (\d+) (\d+)", text).groups())
    return count / microseconds * 1e6, spent / max(count, 1) * 1e6, failed


def h2load(case, folder, rate, options):
    """CPU microseconds a request, the 50th, 99th and 99.9th percentile in milliseconds at a rate, and
    the rate that came."""
    body, log = folder / "body", folder / "latencies"
    body.write_bytes(case.bodies[0])
    log.unlink(missing_ok=True)
    fields = [word for name, value in case.fields.items() for word in ("-H", f"{name}: {value}")]
    before = case.server.cpu_seconds()
    subprocess.run(
        ["taskset", "-c", str(servers.LOAD_CORE), "h2load", "--h1", f"-c{options.connections}",
         "-t1", f"--rps={max(rate / options.connections, 1):.0f}", f"-D{options.seconds}",
         f"-d{body}", f"--log-file={log}", *fields, case.url],
        check=True, capture_output=True,
    )  # fmt: skip
    spent = case.server.cpu_seconds() - before
    lines = log.read_text().splitlines()
    times = sorted(int(line.split("\t")[2]) for line in lines if "\t200\t" in line)
    if not times:
        return None
    quantiles = [times[min(int(len(times) * q), len(times) - 1)] / 1000 for q in (0.5, 0.99, 0.999)]
    return (spent / len(times) * 1e6, *quantiles, len(times) / options.seconds)


def answer_of(case):
    """One answer's body, with its status checked."""
    request = urllib.request.Request(
        case.url, case.bodies[0], {"Content-Type": "application/json", **case.fields}
    )
    with urllib.request.urlopen(request, context=servers.unchecked(), timeout=30) as answer:
        return answer.read()


def spread(values, digits=1):
    """Median, least and most."""
    values = list(values)
    return (
        f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"
    )


def start(options, folder):
    """Starts all that can be started; gives the cases."""
    images = bodies.images(options.mnist)
    leeway, weights = servers.start_leeway(options, folder)
    started = [leeway]
    json_case, raw_case = servers.leeway_cases(leeway, images)
    cases = [json_case, raw_case]
    for mine in list(cases):
        started.append(servers.start_nginx(folder, mine.slug, len(answer_of(mine))))
        cases.append(servers.Case(f"nginx, {mine.form}", mine.form, started[-1], "/", mine.bodies))
    if options.python:
        model = folder / "digits.onnx"
        code = f"import bodies; bodies.write_onnx({str(weights)!r}, {str(model)!r})"
        subprocess.run([options.python, "-c", code], check=True, cwd=pathlib.Path(__file__).parent)
        for launch in (servers.start_fastapi, servers.start_mosec, servers.start_mlserver,
                       servers.start_triton):  # fmt: skip
            try:
                server, made = launch(options, folder, model, images)
            except servers.NotStarted as reason:
                print(f"left out: {reason}", flush=True)
                continue
            started.append(server)
            cases += made
    return started, cases


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    root = pathlib.Path(__file__).resolve().parents[3]
    parser.add_argument("--leeway", default=str(root / ".build/release/leeway"))
    parser.add_argument("--root", default=str(root))
    parser.add_argument("--mnist", required=True, help="the folder of the four .gz files")
    parser.add_argument("--python", help="a Python with requirements.txt")
    parser.add_argument("--mlserver", help="a Python with mlserver")
    parser.add_argument("--triton", help="a Python with nvidia-pytriton")
    parser.add_argument("--seconds", type=int, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rates", type=int, nargs="*", default=[1000, 15000])
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--json", help="a file for the figures")
    options = parser.parse_args()
    missing = [name for name in ("nginx", "wrk", "h2load")
               if not shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")]  # fmt: skip
    if missing:
        sys.exit(f"not compared: {', '.join(missing)} not installed")
    with tempfile.TemporaryDirectory(prefix="leeway-serving-") as path:
        folder = pathlib.Path(path)
        started, cases = start(options, folder)
        try:
            measure([case for case in cases if options.only in case.name], folder, options)
        finally:
            for server in started:
                server.stop()


def measure(cases, folder, options):
    """Runs all cases, round by round, and prints the figures."""
    for case in cases:
        answer_of(case)
    figures = {case.name: {"rate": [], "cpu": [], "failed": 0} for case in cases}
    for _ in range(options.rounds):
        for case in cases:
            rate, cpu, failed = wrk(case, folder, options)
            figures[case.name]["rate"].append(rate)
            figures[case.name]["cpu"].append(cpu)
            figures[case.name]["failed"] += failed
    print(f"{'':<28} {'requests/s':<28} {'CPU µs a request':<24} {'× nginx':<18} failed")
    for case in cases:
        mine, base = figures[case.name], figures.get(f"nginx, {case.form}")
        ratio = ""
        if base:
            ratio = spread((a / b for a, b in zip(mine["cpu"], base["cpu"])), 2)
        print(
            f"{case.name:<28} {spread(mine['rate'], 0):<28} {spread(mine['cpu']):<24} "
            f"{ratio:<18} {mine['failed']}",
            flush=True,
        )
    for rate in options.rates:
        at_rate(cases, figures, rate, folder, options)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=2))


def at_rate(cases, figures, rate, folder, options):
    """Asks all servers that can do it at one rate, in turns, and prints the medians."""
    able = [case for case in cases if statistics.median(figures[case.name]["rate"]) > 1.3 * rate]
    found = {case.name: [] for case in able}
    for _ in range(options.rounds):
        for case in able:
            result = h2load(case, folder, rate, options)
            if result:
                found[case.name].append(result)
    print(f"at {rate} requests a second: CPU µs a request, × nginx; p50, p99, p99.9 in ms")
    for case in cases:
        rows = found.get(case.name)
        if not rows:
            print(f"{case.name:<28} beyond what it can do")
            continue
        figures[case.name][f"at {rate}"] = rows
        base = found.get(f"nginx, {case.form}")
        ratio = spread((a[0] / b[0] for a, b in zip(rows, base)), 2) if base else ""
        p50, p99, p999, came = (statistics.median(row[i] for row in rows) for i in range(1, 5))
        print(
            f"{case.name:<28} {spread(row[0] for row in rows):<24} {ratio:<18} "
            f"{p50:.2f}  {p99:.2f}  {p999:.2f}  ({came:.0f}/s came)",
            flush=True,
        )


if __name__ == "__main__":
    main()
