#!/usr/bin/env python3
"""The metrics as a scraper sees them, under load and in every form.

Some threads predict without pause while others scrape. In every scrape counters may not have gone
back, and a histogram's count must be its +Inf bucket; the OpenMetrics text is read by the parser of
prometheus_client, and the protobuf by a real Prometheus that keeps native histograms and exemplars
and is then asked for both.
"""

import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from common import (
    HOST,
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    synthetic_images,
    wait_until,
    write_configuration,
    write_images,
)

SIDE, CLASSES = 8, 4
OPEN = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(\{.*?\})? (\S+)(?: # (\{.*\}) (\S+) (\S+))?$")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Load(threading.Thread):
    """Predictions without pause on one connection; every 50th is traced by its caller."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        pixels, _ = synthetic_images(32, SIDE, CLASSES, random.Random(seed))
        size = SIDE * SIDE
        self.bodies = [
            json.dumps({"image": list(pixels[index * size : (index + 1) * size])}).encode()
            for index in range(32)
        ]
        self.server, self.done, self.answers, self.failures = server, False, 0, []

    def run(self):
        with self.server.connect() as connection:
            while not self.done:
                fields = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n"
                body = self.bodies[self.answers % len(self.bodies)]
                answer = connection.request(
                    "POST", "/predict", body, fields if self.answers % 50 == 0 else ""
                )
                self.answers += 1
                if answer.status != 200:
                    self.failures.append(answer.status)


def scrape(connection, accept, coding=""):
    """One scrape: its type and its body."""
    answer = connection.request("GET", "/metrics", b"", f"Accept: {accept}\r\n{coding}")
    assert answer.status == 200, answer.status
    return answer.fields["content-type"], answer.body


def samples(text):
    """The samples by name with labels; raises for a line that is none."""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        if not match:
            raise ValueError(f"no sample: {line!r}")
        key = match.group(1) + (match.group(2) or "")
        if key in found:
            raise ValueError(f"twice: {key}")
        found[key] = float(match.group(3))
    return found


class Watch:
    """What must hold from one scrape to the next."""

    def __init__(self):
        self.last, self.problems, self.count = {}, [], 0

    def look(self, text):
        now = samples(text)
        types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        counters = {f"{name}_total" for name, kind in types.items() if kind == "counter"}
        counters |= {name for name, kind in types.items() if kind == "counter"}
        histograms = [name for name, kind in types.items() if kind == "histogram"]
        for key, value in now.items():
            name = key.split("{")[0]
            grows = name in counters or any(
                name in (f"{h}_bucket", f"{h}_count", f"{h}_sum") for h in histograms
            )
            if grows and value < self.last.get(key, 0):
                self.problems.append(f"{key} went from {self.last[key]} to {value}")
        for name in histograms:
            for key in now:
                if not key.startswith(f"{name}_count"):
                    continue
                labels = key[len(name) + 6 :]
                top = 'le="+Inf"'
                inside = f"{labels[:-1]},{top}}}" if labels else f"{{{top}}}"
                if now.get(f"{name}_bucket{inside}") != now[key]:
                    self.problems.append(f"{key} is not the +Inf bucket")
        self.last = now
        self.count += 1


def check_text(report, server, scrapes, parser):
    """Scrapes both texts under load."""
    loads = [Load(server, seed) for seed in range(2)]
    for load in loads:
        load.start()
    watch, parsed, families = Watch(), 0, 0
    with server.connect("operations") as connection:
        for number in range(scrapes):
            kind, body = scrape(connection, OPEN if number % 2 else "text/plain")
            text = body.decode()
            wanted = "application/openmetrics-text; version=1.0.0" if number % 2 else "text/plain"
            if not kind.startswith(wanted):
                watch.problems.append(f"asked for {wanted}, got {kind}")
            watch.look(text)
            # The parser takes its time: it reads a share of them.
            if parser and number % 2 and number % max(1, scrapes // 50) < 2:
                families = sum(1 for _ in parser(text))
                parsed += 1
    for load in loads:
        load.done = True
        load.join(30)
    report.figure(
        "scrapes, predictions meanwhile", f"{watch.count}, {sum(l.answers for l in loads)}"
    )
    report.check(
        "counters never go back and every count is its +Inf bucket",
        watch.count == scrapes and not watch.problems,
        watch.problems[:3] or "",
    )
    report.check("every prediction was answered", not any(load.failures for load in loads))
    if parser:
        report.check(
            "prometheus_client reads the OpenMetrics text under load",
            parsed > 0 and families > 50,
            f"{parsed} times, {families} families",
        )


def check_negotiation(report, server):
    """Forms, compression, and their types."""
    with server.connect("operations") as connection:
        kind, plain = scrape(connection, OPEN)
        report.check("OpenMetrics ends with its end", plain.endswith(b"# EOF\n"), kind)
        coded = connection.request(
            "GET", "/metrics", b"", f"Accept: {OPEN}\r\nAccept-Encoding: gzip\r\n"
        )
        import gzip

        text = gzip.decompress(coded.body)
        report.check("gzip is what it says", text.endswith(b"# EOF\n"))
        report.figure("bytes of a scrape, plain and gzip", f"{len(plain)}, {len(coded.body)}")
        kind, body = scrape(
            connection,
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited,text/plain;q=0.1",
        )
        report.check("protobuf under its type", kind.startswith("application/vnd.google.protobuf"))
        report.check(
            "an exemplar names the caller's trace", f'trace_id="{TRACE}"'.encode() in plain
        )


class Prometheus:
    """A real one, with exemplars and native histograms."""

    def __init__(self, program, folder, server):
        with socket.create_server((HOST, 0)) as free:
            self.port = free.getsockname()[1]
        configuration = {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [
                {
                    "job_name": "leeway",
                    "scheme": "https",
                    "tls_config": {"ca_file": server.authority, "server_name": "localhost"},
                    "static_configs": [{"targets": [f"{HOST}:{server.ports['operations']}"]}],
                }
            ],
        }
        path = folder / "prometheus.yml"
        path.write_text(json.dumps(configuration))
        self.log = folder / "prometheus.log"
        self.process = subprocess.Popen(
            [
                program,
                f"--config.file={path}",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address={HOST}:{self.port}",
                "--enable-feature=native-histograms,exemplar-storage",
            ],
            stdout=subprocess.DEVNULL,
            stderr=open(self.log, "wb"),
        )

    def ask(self, path, **parameters):
        """The data of an answer; nothing while there is none."""
        query = urllib.parse.urlencode(parameters)
        try:
            url = f"http://{HOST}:{self.port}/api/v1/{path}?{query}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except (OSError, ValueError):
            return None

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


def check_prometheus(report, server, program, folder):
    """Reads native histograms and exemplars back."""
    before = hold(server)
    prometheus = Prometheus(program, folder, server)
    load = Load(server, 9)
    load.start()
    try:
        name = "http_server_request_duration_seconds"
        query = f'histogram_quantile(0.99, sum(rate({name}{{listener="api"}}[10s])))'

        def quantile():
            data = prometheus.ask("query", query=query)
            return [entry["value"][1] for entry in data["result"]] if data else []

        found = wait_until(lambda: [v for v in quantile() if v != "NaN"], 45, 0.5)
        report.check("a native histogram gives a quantile", bool(found), found or "")
        data = prometheus.ask(
            "query", query=f'histogram_count({name}{{listener="api",http_route="/predict"}})'
        )
        counts = [float(entry["value"][1]) for entry in (data or {"result": []})["result"]]
        report.check("its count is a number of requests", counts and sum(counts) > 0, counts)

        def exemplars():
            now = time.time()
            data = prometheus.ask("query_exemplars", query=name, start=now - 300, end=now)
            return [e for series in data or [] for e in series["exemplars"]]

        found = wait_until(exemplars, 20, 0.5)
        report.check(
            "exemplars are read back with the trace",
            bool(found) and all(e["labels"]["trace_id"] == TRACE for e in found),
            f"{len(found or [])} of them",
        )
        targets = prometheus.ask("targets")["activeTargets"]
        report.check(
            "no scrape failed",
            all(t["health"] == "up" for t in targets),
            [t["lastError"] for t in targets],
        )
        report.figure("prometheus' scrapes on their loop, at most", shares(before, hold(server)))
    finally:
        load.done = True
        load.join(30)
        prometheus.stop()


def hold(server):
    """Scrapes by the processor time that they took on their event loop: {bound: so many below}."""
    text = server.get("/metrics")[1]
    pattern = r'leeway_metrics_scrape_duration_seconds_bucket\{phase="hold",le="([^"]+)"\} (\d+)'
    return {float(bound): int(count) for bound, count in re.findall(pattern, text)}


def shares(before, after):
    """The shares of the scrapes between two readings that took at most so many microseconds."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    total = counts[float("inf")]
    return ", ".join(
        f"{bound * 1e6:.0f} µs: {count / total:.3f}"
        for bound, count in counts.items()
        if total and 0 < count and bound < 1
    )


def main():
    options = arguments(__doc__, scrapes=(400, "scrapes under load; by hand 10000"))
    report = Report("exposition")
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families as parser
    except ImportError:
        parser = None
        report.note("no prometheus_client: its parser is not asked")
    with Workspace(options) as folder:
        randoms = random.Random(5)
        train = write_images(folder, "train", 400, SIDE, CLASSES, randoms)
        model = image_model("bars", [SIDE, SIDE], CLASSES, train)
        configuration = write_configuration(folder, [model])
        leeway = Leeway(options, configuration)
        with leeway.serve(folder, f"{folder}/state") as server:
            report.check("the first version is trained", server.wait_ready())
            check_text(report, server, options.scrapes, parser)
            check_negotiation(report, server)
            program = shutil.which("prometheus")
            if program:
                place = tempfile.mkdtemp(dir=folder)
                check_prometheus(report, server, program, pathlib.Path(place))
            else:
                report.note("no prometheus: native histograms and exemplars are not read back")
            report.check("leeway ends in order", server.stop() == 0)
    report.end()


if __name__ == "__main__":
    main()
