#!/usr/bin/env python3
"""Checks the metrics, dashboards, rules and Prometheus configuration against a running Leeway.

    python3 Tests/Acceptance/prometheus.py --leeway .build/release/leeway

Starts Leeway with config/story.yaml in a temporary folder and lets a real Prometheus scrape it over
TLS. It is sent predictions and retrained once; then `leeway replay` sends healthy and shifted data,
so that an alarm is raised, a version is trained on fresh data and goes live, and the alarm ends. Every
expression of the dashboards and of the rules must evaluate, and every metric must be documented.
With --pictures FOLDER the dashboards are drawn from what Prometheus has seen (needs matplotlib).

promtool and prometheus are those of Debian's package prometheus, or of --prometheus FOLDER; with
--fetch the package is downloaded and unpacked into the temporary folder. Without them the checks
that need them are skipped, and said to be. The last line is "N passed, N failed"; the exit code is
1 when a check failed. Standard library only.
"""
import argparse
import gzip
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS = ROOT / "dashboards"
SCRAPE_SECONDS = 20
RATE_INTERVAL = "10s"

# The names and labels that the design fixes for good.
FIXED = {
    "http_server_request_duration_seconds": {
        "http_request_method", "http_route", "http_response_status_code"},
    "process_cpu_seconds_total": set(),
    "process_open_fds": set(),
    "process_max_fds": set(),
    "process_virtual_memory_bytes": set(),
    "process_virtual_memory_max_bytes": set(),
    "process_resident_memory_bytes": set(),
    "process_start_time_seconds": set(),
    "process_threads": set(),
    "leeway_build_info": {"version", "revision"},
    "leeway_model_info": {"model", "version", "digest"},
    "leeway_model_loaded_timestamp_seconds": {"model"},
    "leeway_model_swaps_total": {"model", "result"},
    "leeway_predictions_total": {"model", "version", "class"},
    "leeway_drift_evidence_nats": {"model"},
    "leeway_drift_threshold_nats": {"model"},
    "leeway_drift_alarm": {"model", "level"},
    "leeway_drift_alarms_total": {"model", "level"},
    "leeway_drift_psi": {"model", "stream"},
    "leeway_tls_certificate_not_after_timestamp_seconds": set(),
    "leeway_retrain_runs_total": {"model", "result"},
    "leeway_retrain_last_success_timestamp_seconds": {"model"},
    "leeway_log_dropped_total": {"reason"},
}

# Metrics that exist only after an event that this script cannot bring about.
# The first is of a regression alone, the second of a run that fails.
# The rest are told only while an alarm of the inputs stands, or of windows of 200 rows.
AFTER_ITS_EVENT = {
    "leeway_feedback_absolute_error", "leeway_retrain_failures_total",
    "leeway_drift_feature_evidence_nats",
    # Only after a download over HTTPS.
    "leeway_download_curl_errors_total", "leeway_download_responses_total",
    # Only while a candidate is on its way, and after it.
    "leeway_release_decisions_total",
    "leeway_release_agreement_ratio", "leeway_release_confidence_shift_ratio",
    "leeway_release_evidence_nats", "leeway_release_row_seconds", "leeway_release_stage_labels",
    "leeway_release_watch_labels",
}

# Grafana's names of the units that the dashboards use.
UNITS = {"none", "short", "s", "percentunit", "bytes", "Bps", "reqps", "cps", "rowsps"}

ANNOTATIONS = {"Swaps", "Retraining", "Drift alarms", "Starts"}
METRIC = re.compile(r"(?<![\w:])(?:leeway|http_server|process)_[a-z0-9_]+(?![\w:])")


class Report:
    """Counts the checks and prints each."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, problems):
        """Passes when there are no problems; a string is one problem."""
        problems = [problems] if isinstance(problems, str) else list(problems)
        if problems:
            self.failed += 1
            print(f"FAIL  {name}")
            for problem in problems[:20]:
                print("      " + str(problem).strip().replace("\n", "\n      "))
            if len(problems) > 20:
                print(f"      and {len(problems) - 20} more")
        else:
            self.passed += 1
            print(f"ok    {name}")
        sys.stdout.flush()

    def skip(self, name, why):
        print(f"SKIP  {name}: {why}")


# --- What is started -----------------------------------------------------------------------------


class Leeway:
    """A Leeway with the configuration of the story in a folder of its own."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.log = folder / "leeway.log"
        self.fresh = folder / "fresh"
        text = (ROOT / "config/story.yaml").read_text()
        for old, new in [("/tmp/leeway-story", str(self.fresh)), (".leeway-story", ".leeway")]:
            assert old in text, f"config/story.yaml does not say {old}"
            text = text.replace(old, new)
        self.configuration = folder / "story.yaml"
        self.configuration.write_text(text)
        self.api = self.operations = 0
        with open(self.log, "wb") as errors, open(folder / "leeway.out", "wb") as output:
            self.process = self.start("serve", stdout=output, stderr=errors)

    def start(self, *words, **more):
        """Starts a command with the configuration and the ports."""
        environment = dict(
            os.environ,
            LEEWAY_API_LISTEN=f"127.0.0.1:{self.api}",
            LEEWAY_OPERATIONS_LISTEN=f"127.0.0.1:{self.operations}",
        )
        command = [self.program, *words, "--config", str(self.configuration)]
        return subprocess.Popen(command, cwd=self.folder, env=environment, **more)

    def replay(self, *words):
        """Runs a replay to its end; its report, or what it said when it failed."""
        process = self.start(
            "replay", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        output, errors = process.communicate(timeout=120)
        return process.returncode, output if process.returncode == 0 else errors

    def wait(self, seconds=180):
        """Waits until a version answers; the ports are those that the log names."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"leeway ended early:\n{self.log.read_text()}")
            ports = dict(
                (entry["Attributes"]["listener"],
                 int(entry["Attributes"]["server.address"].rpartition(":")[2]))
                for entry in self.entries() if entry["Body"] == "listening"
            )
            if {"api", "operations"} <= ports.keys():
                self.api, self.operations = ports["api"], ports["operations"]
                self.trust = ssl.create_default_context(cafile=self.authority)
                if self.get("/readyz", self.api)[0] == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError(f"leeway is not ready after {seconds} s:\n{self.log.read_text()}")

    def entries(self):
        for line in self.log.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                pass

    @property
    def authority(self):
        return str(self.folder / ".leeway/tls/ca.pem")

    def connect(self, port):
        return http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=self.trust)

    def get(self, path, port=None, method="GET"):
        connection = self.connect(port or self.operations)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def metrics(self):
        status, text = self.get("/metrics")
        assert status == 200, f"/metrics answered {status}"
        return text

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "killed after 20 s"


class Traffic(threading.Thread):
    """Predictions at a steady rate on one connection, with some requests that are wrong."""

    WRONG = [("POST", "/predict", "nonsense"), ("POST", "/predict", '{"image": [1, 2]}'),
             ("GET", "/nowhere", None), ("DELETE", "/predict", None)]

    def __init__(self, leeway):
        super().__init__(daemon=True)
        self.leeway = leeway
        self.done = threading.Event()
        self.answers = 0
        self.problem = None

    def run(self):
        try:
            connection = self.leeway.connect(self.leeway.api)
            for number, body in enumerate(itertools.cycle(self.bodies())):
                if self.done.is_set():
                    return
                request = ("POST", "/predict", body)
                if number % 20 == 19:
                    request = self.WRONG[number // 20 % len(self.WRONG)]
                connection.request(*request)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status == 200 and number % 10 == 5:
                    self.label(connection, json.loads(text))
                if answer.status >= 500 or (number % 20 != 19 and answer.status != 200):
                    raise RuntimeError(f"{request[0]} {request[1]} was answered {answer.status}")
                self.answers += 1
                if number % 100 == 50:
                    self.speak_plainly()
                    self.break_protocol()
                time.sleep(0.01)
        except Exception as error:  # The main thread tells it.
            self.problem = f"{type(error).__name__}: {error}"

    def bodies(self):
        """The test images that Leeway itself has downloaded."""
        file = self.leeway.folder / ".leeway/downloads/fashion-test.features"
        data = file.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        pixels = memoryview(data)[16:]
        for start in range(0, 2000 * 784, 784):
            yield json.dumps({"image": list(pixels[start:start + 784])})

    @staticmethod
    def label(connection, answer):
        """Says that an answer was right."""
        body = {"request_id": answer["request_id"], "label": answer["class"]}
        connection.request("POST", "/feedback", json.dumps(body))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"a label was answered {answer.status}")

    def speak_plainly(self):
        """A handshake that fails: no TLS."""
        with socket.create_connection(("127.0.0.1", self.leeway.api), timeout=5) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            plain.recv(100)

    def break_protocol(self):
        """A request that the transport refuses: no such version of HTTP."""
        with socket.create_connection(("127.0.0.1", self.leeway.api), timeout=5) as plain:
            with self.leeway.trust.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
                secure.sendall(b"GET / HTTP/9.9\r\nHost: leeway\r\n\r\n")
                secure.recv(100)


class Prometheus:
    """A Prometheus with the shipped configuration, but for addresses and intervals."""

    def __init__(self, program, folder, leeway):
        text = (ROOT / "config/prometheus.yml").read_text()
        for old, new in [
            ("127.0.0.1:9443", f"127.0.0.1:{leeway.operations}"),
            ("../.leeway/tls/ca.pem", leeway.authority),
            ("../dashboards/", f"{DASHBOARDS}/"),
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
        ]:
            assert old in text, f"config/prometheus.yml does not say {old}"
            text = text.replace(old, new)
        (folder / "prometheus.yml").write_text(text)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        self.log = folder / "prometheus.log"
        self.started = time.time()
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                [program, f"--config.file={folder}/prometheus.yml",
                 f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
                cwd=folder, stdout=output, stderr=output
            )

    def wait(self, seconds=30):
        """Waits for the first scrape that succeeds; discovery alone takes Prometheus 5 s."""
        end = time.monotonic() + seconds
        targets = []
        while time.monotonic() < end and self.process.poll() is None:
            try:
                targets = self.ask("targets")["activeTargets"]
                if targets and targets[0]["health"] == "up":
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.1)
        raise RuntimeError(f"prometheus does not scrape: {targets}\n{self.log.read_text()}")

    def ask(self, path, **parameters):
        """The data of an answer; an error of Prometheus is raised as ValueError."""
        body = urllib.parse.urlencode(parameters).encode() if parameters else None
        try:
            answer = urllib.request.urlopen(f"{self.base}/api/v1/{path}", body, timeout=30)
            return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error")) from None

    def rules(self):
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


# --- What is read --------------------------------------------------------------------------------


class Scrape:
    """The families of an exposition, the names of their samples and their labels."""

    def __init__(self, text):
        self.types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))
        self.help = set(re.findall(r"^# HELP (\S+) \S", text, re.M))
        self.labels = {}
        for name, labels in re.findall(r"^([a-z]\w*)(?:\{(.*)\})? \S+$", text, re.M):
            found = set(re.findall(r'(\w+)="(?:[^"\\]|\\.)*"', labels))
            self.labels.setdefault(self.family(name), set()).update(found - {"le"})

    def family(self, name):
        """The family of a sample's name; None when there is none."""
        if name in self.types:
            return name
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        return base if self.types.get(base) == "histogram" else None


class Dashboard:
    def __init__(self, path):
        self.name = path.name
        self.json = json.loads(path.read_text())
        self.panels = [panel for panel in self.json["panels"] if panel["type"] != "row"]
        self.annotations = self.json["annotations"]["list"]

    def queries(self):
        """(where, expression, legend) of each target."""
        for panel in self.panels:
            for target in panel["targets"]:
                where = f"{self.name}, {panel['title']}, {target['refId']}"
                yield where, target["expr"], target.get("legendFormat", "")

    def expressions(self):
        yield from ((where, expression) for where, expression, _ in self.queries())
        for annotation in self.annotations:
            yield f"{self.name}, annotation {annotation['name']}", annotation["expr"]


def concrete(expression):
    """What Grafana sends: the variables at All."""
    return re.sub(r"\$(job|instance|model)\b", ".+", expression).replace(
        "$__rate_interval", RATE_INTERVAL
    )


# --- What is checked -----------------------------------------------------------------------------


def dashboard_problems(dashboard):
    """What is wrong with a dashboard as such."""
    board = dashboard.json
    if board.get("schemaVersion") != 39:
        yield "schemaVersion is not 39"
    if board.get("editable") is not False:
        yield "editable is not false"
    if not board.get("uid", "").startswith("leeway-"):
        yield "uid is not a stable name"
    if "id" in board or "__inputs" in board:
        yield "has id or __inputs: exported, not provisioned"
    yield from variable_problems(board["templating"]["list"])
    names = {annotation["name"] for annotation in dashboard.annotations}
    if names != ANNOTATIONS:
        yield f"annotations are {sorted(names)}"
    numbers = [panel["id"] for panel in board["panels"]]
    if len(numbers) != len(set(numbers)):
        yield "panel ids are not unique"
    titles = [panel["title"] for panel in board["panels"]]
    for title in sorted(set(title for title in titles if titles.count(title) > 1)):
        yield f"{title}: two panels have this title"
    yield from overlaps(board["panels"])
    for panel in dashboard.panels:
        for problem in panel_problems(panel):
            yield f"{panel.get('title')}: {problem}"
    for where, expression in dashboard.expressions():
        for problem in expression_problems(expression):
            yield f"{where}: {problem}"


def variable_problems(variables):
    named = {variable["name"]: variable for variable in variables}
    sources = [variable for variable in variables if variable["type"] == "datasource"]
    if [source["name"] for source in sources] != ["datasource"]:
        yield "there is not exactly one data source variable named datasource"
    elif sources[0]["label"] != "Data source" or sources[0]["query"] != "prometheus":
        yield "the data source variable is not labelled Data source, or not of Prometheus"
    for name in {"job", "instance"} | (named.keys() - {"datasource"}):
        variable = named.get(name, {})
        wanted = {
            "type": "query", "multi": True, "includeAll": True, "allValue": ".+", "refresh": 2}
        for key, value in wanted.items():
            if variable.get(key) != value:
                yield f"variable {name}: {key} is not {value}"
        if variable.get("datasource", {}).get("uid") != "${datasource}":
            yield f"variable {name}: the data source is not the variable"


def overlaps(panels):
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] < 0 or place["w"] < 1 or place["h"] < 1 or place["x"] + place["w"] > 24:
            yield f"{panel['title']}: outside of the 24 columns"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    yield f"{panel['title']}: lies over {other}"
                    return


def panel_problems(panel):
    if not panel.get("title") or len(panel.get("description", "")) < 20:
        yield "no title or no description"
    if panel.get("fieldConfig", {}).get("defaults", {}).get("unit") not in UNITS:
        yield "no unit, or an unknown one"
    targets = panel.get("targets", [])
    if not targets:
        yield "no query"
    references = [target["refId"] for target in targets]
    if len(references) != len(set(references)):
        yield "refIds are not unique"
    for part in [panel, *targets]:
        if part.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
            yield "the data source is not the variable"


def expression_problems(expression):
    # The label of a set of states has the name of the metric.
    expression = re.sub(r"\b(by|without|on|ignoring) \([^)]*\)", "", expression)
    for match in METRIC.finditer(expression):
        selector = re.match(r"\{([^}]*)\}", expression[match.end():])
        matchers = selector.group(1) if selector else ""
        for name in ("job", "instance"):
            if f'{name}=~"${name}"' not in matchers:
                yield f"{match.group()} has no matcher for {name}"
        before = expression[:match.start()]
        if match.group().endswith(("_total", "_bucket")):
            if not re.search(r"(rate|irate|increase)\($", before):
                yield f"{match.group()} is a counter outside of rate, irate and increase"
    for window in re.findall(r"\[([^]]*)\]", re.sub(r'"[^"]*"', "", expression)):
        if window != "$__rate_interval":
            yield f"the range [{window}] is not $__rate_interval"


def rule_problems(rules):
    """What is wrong with the rules as Prometheus has read them."""
    for rule in rules:
        if rule["health"] != "ok" or rule.get("lastError"):
            yield f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}"
        if rule["type"] == "recording":
            if not re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", rule["name"]):
                yield f"{rule['name']}: the name is not level:metric:operations"
            continue
        notes = rule["annotations"]
        for key in ("summary", "description", "runbook_url"):
            if not notes.get(key):
                yield f"{rule['name']}: no {key}"
        if notes.get("runbook_url") != f"dashboards/runbooks/{rule['name']}.md":
            yield f"{rule['name']}: the runbook is not a page of its own"
        elif not (ROOT / notes["runbook_url"]).is_file():
            yield f"{rule['name']}: the runbook {notes['runbook_url']} does not exist"
        if rule["labels"].get("severity") not in ("page", "ticket"):
            yield f"{rule['name']}: severity is neither page nor ticket"


def untested_alerts(rules):
    """Alerts that do not both fire and stay quiet in the unit tests."""
    text = "".join(path.read_text() for path in sorted(DASHBOARDS.glob("*.test.yml")))
    for name in (rule["name"] for rule in rules if rule["type"] == "alerting"):
        if not re.search(rf"alertname: {name}\n +exp_alerts:", text):
            yield f"{name}: no unit test in which it fires"
        if len(re.findall(rf"alertname: {name}}}", text)) < 2:
            yield f"{name}: no unit tests in which it stays quiet and in which it resolves"


def documentation_problems(scrape, dashboards):
    """Differences between the exported families and the table of dashboards/README.md."""
    text = (DASHBOARDS / "README.md").read_text()
    rows = re.findall(r"^\| `([a-z0-9_]+)`[^|]* \| (.+?) \| (.+?) \|$", text, re.M)
    documented = [name for name, _, _ in rows]
    for name in sorted(scrape.types.keys() - set(documented)):
        yield f"{name} is exported, but not documented"
    for name in sorted(set(name for name in documented if documented.count(name) > 1)):
        yield f"{name} is documented twice"
    for name in sorted(set(documented) - scrape.types.keys() - AFTER_ITS_EVENT):
        yield f"{name} is documented, but not exported"
    charted = {}
    for dashboard in dashboards:
        short = dashboard.name.removesuffix(".json")
        for panel in dashboard.panels:
            used = " ".join(target["expr"] for target in panel["targets"])
            charted[f"{short}: {panel['title']}"] = {
                scrape.family(name) or name for name in METRIC.findall(used)
            }
    for name, _, places in rows:
        if places.startswith("none: "):
            if any(name in used for used in charted.values()):
                yield f"{name}: is charted, though the table says none"
            continue
        for place in places.split("; "):
            if name not in charted.get(place, set()):
                yield f"{name}: no panel \"{place}\" shows it"


def unknown_names(expressions, scrape):
    for where, expression in expressions:
        for name in METRIC.findall(expression):
            if scrape.family(name) is None and name not in AFTER_ITS_EVENT:
                yield f"{where}: {name} is not exported"


def query_problems(prometheus, dashboards):
    """Queries that fail, that find nothing, or whose legend names a label that is not there."""
    end, start = time.time(), prometheus.started
    for dashboard in dashboards:
        for where, expression, legend in dashboard.queries():
            try:
                result = prometheus.ask("query", query=concrete(expression), time=end)["result"]
                result += prometheus.ask("query_range", query=concrete(expression), step="1s",
                                         start=start, end=end)["result"]
            except ValueError as error:
                yield f"{where}: {error}"
                continue
            if not result and not METRIC.search(expression).group() in AFTER_ITS_EVENT:
                yield f"{where}: finds nothing: {expression}"
            for label in re.findall(r"\{\{(\w+)\}\}", legend):
                if any(label not in series["metric"] for series in result):
                    yield f"{where}: the legend names {label}, which a series does not have"
        for annotation in dashboard.annotations:
            try:
                prometheus.ask("query", query=concrete(annotation["expr"]), time=end)
            except ValueError as error:
                yield f"{dashboard.name}, annotation {annotation['name']}: {error}"
        for variable in dashboard.json["templating"]["list"]:
            if variable["type"] != "query":
                continue
            selector, label = re.fullmatch(
                r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            found = prometheus.ask("query", query=f"count by ({label}) ({concrete(selector)})")
            if not found["result"]:
                yield f"{dashboard.name}, variable {variable['name']}: finds nothing"


def fixed_problems(scrape):
    for name, labels in FIXED.items():
        if name not in scrape.types:
            yield f"{name} is not exported"
        elif not labels <= scrape.labels.get(name, set()):
            yield f"{name} has the labels {sorted(scrape.labels.get(name, set()))}"


def promtool(report, program, name, *arguments, text=None, folder=DASHBOARDS):
    result = subprocess.run([program, *arguments], input=text, text=True, cwd=folder,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = result.stdout if result.returncode else ""
    report.check(name, [said or f"code {result.returncode}"] if result.returncode else [])


def exercise(leeway, scraper):
    """Traffic for a while, with a retrain in the middle; returns what went wrong."""
    started = time.monotonic()
    traffic = Traffic(leeway)
    traffic.start()
    time.sleep(2)
    status, body = leeway.get("/admin/retrain", method="POST")
    if status != 202:
        yield f"POST /admin/retrain was answered {status}: {body}"
    published = re.compile(r'^leeway_retrain_runs_total\{.*result="published"\} 2$', re.M)
    while not published.search(leeway.metrics()) and time.monotonic() - started < 60:
        time.sleep(0.2)
    before = traffic.answers
    # The effect sizes of the new version's monitor want 200 rows, and a second to be computed.
    while (traffic.answers < before + 300 and time.monotonic() - started < 90
           and traffic.is_alive()):
        time.sleep(0.1)
    time.sleep(max(2.0, SCRAPE_SECONDS - (time.monotonic() - started) if scraper else 0))
    if not published.search(leeway.metrics()):
        yield "the retrain did not publish a second version"
    traffic.done.set()
    traffic.join(10)
    if traffic.problem:
        yield traffic.problem
    if traffic.answers < before + 300:
        yield f"only {traffic.answers} answers"


def alert_problems():
    """Differences between the alerts, their table and their runbook pages."""
    alerts = set(re.findall(r"- alert: (\w+)", (DASHBOARDS / "alerts.yml").read_text()))
    text = (DASHBOARDS / "README.md").read_text()
    listed = set(re.findall(r"^\| \[(\w+)\]\(runbooks/\1\.md\)", text, re.M))
    pages = {path.stem for path in (DASHBOARDS / "runbooks").glob("*.md")}
    for name in sorted(alerts ^ listed):
        yield f"{name}: is not both an alert and in the table of dashboards/README.md"
    for name in sorted(alerts ^ pages):
        yield f"{name}: is not both an alert and a runbook page"
    for page in (DASHBOARDS / "runbooks").glob("*.md"):
        for link in re.findall(r"\]\((\w+\.md)\)", page.read_text()):
            if not (page.parent / link).is_file():
                yield f"{page.name}: links to {link}, which is not there"


def library_checks(report, dashboards):
    """What Grafana's own types and a parser of PromQL say, where they are installed."""
    try:
        from grafana_foundation_sdk.models.dashboard import Dashboard as Model
    except ImportError:
        report.skip("dashboards load in Grafana's SDK", "no grafana-foundation-sdk")
    else:
        loaded = [Model.from_json(dashboard.json) for dashboard in dashboards]
        report.check("dashboards load in Grafana's SDK", [
            f"{dashboard.name}: {len(model.panels)} panels of {len(dashboard.json['panels'])}"
            for dashboard, model in zip(dashboards, loaded)
            if model.title != dashboard.json["title"]
            or len(model.panels) != len(dashboard.json["panels"])
        ])
    try:
        import promql_parser
    except ImportError:
        report.skip("every expression parses", "no promql-parser")
        return
    problems = []
    for dashboard in dashboards:
        for where, expression in dashboard.expressions():
            try:
                promql_parser.parse(concrete(expression))
            except ValueError as error:
                problems.append(f"{where}: {error}")
    report.check("every expression parses", problems)


def alarm(leeway):
    """Whether a drift alarm stands."""
    return re.search(r"^leeway_drift_alarm\{.*\} 1$", leeway.metrics(), re.M)


def published(leeway):
    """How many versions runs have published."""
    found = re.search(
        r'^leeway_retrain_runs_total\{.*result="published"\} (\d+)$', leeway.metrics(), re.M)
    return int(found.group(1)) if found else 0


def story(leeway):
    """Healthy traffic, a shift, an alarm, a retrain on fresh data, a swap; what went wrong."""
    before = published(leeway)
    code, said = leeway.replay("--rate", "300", "--requests", "2000")
    if code:
        yield f"the healthy replay ended with {code}: {said}"
    if alarm(leeway):
        yield "healthy traffic raised an alarm"
    # The labelled data of the world after the change appear at the source.
    leeway.fresh.mkdir()
    code, said = leeway.replay("--shift", "invert", "--export", str(leeway.fresh))
    if code:
        yield f"the export ended with {code}: {said}"
    code, said = leeway.replay("--rate", "300", "--requests", "4000")
    if code:
        yield f"the shifted replay ended with {code}: {said}"
    raised = r"^leeway_drift_alarms_total\{.*\} [1-9]\d*$"
    if not re.search(raised, leeway.metrics(), re.M):
        yield "the shift raised no alarm"
    end = time.monotonic() + 60
    while (published(leeway) == before or alarm(leeway)) and time.monotonic() < end:
        time.sleep(0.5)
    if published(leeway) == before:
        yield "nothing was published after the alarm"
    if alarm(leeway):
        yield "the alarm still stands"
    # What is live now must be seen, too.
    code, said = leeway.replay("--rate", "300", "--requests", "1200")
    if code:
        yield f"the last replay ended with {code}: {said}"


def static_checks(report, tools, dashboards):
    for dashboard in dashboards:
        report.check(f"{dashboard.name} keeps the rules", dashboard_problems(dashboard))
    uids = [dashboard.json["uid"] for dashboard in dashboards]
    report.check("dashboards have different uids", [] if len(set(uids)) == 3 else [str(uids)])
    report.check("every alert has its page and its line", alert_problems())
    library_checks(report, dashboards)
    if "amtool" in tools:
        promtool(report, tools["amtool"], "amtool check-config", "check-config",
                 "config/alertmanager.yml", folder=ROOT)
    else:
        report.skip("amtool check-config", "no amtool: apt install prometheus-alertmanager")
    if "promtool" not in tools:
        report.skip("rules, unit tests, configuration", "no promtool: apt install prometheus, "
                    "or --fetch")
        return
    tool = tools["promtool"]
    promtool(report, tool, "promtool check rules", "check", "rules", "--lint=all", "--lint-fatal",
             "alerts.yml", "recording.yml")
    for tests in sorted(DASHBOARDS.glob("*.test.yml")):
        promtool(report, tool, f"promtool test rules {tests.name}", "test", "rules", tests.name)
    promtool(report, tool, "promtool check config", "check", "config", "--lint=all",
             "--lint-fatal", "config/prometheus.yml", folder=ROOT)


def live_checks(report, tools, dashboards, program, folder, pictures):
    leeway, prometheus = Leeway(program, folder), None
    try:
        leeway.wait()
        if "prometheus" in tools:
            prometheus = Prometheus(tools["prometheus"], folder, leeway)
            prometheus.wait()
        report.check("leeway answers all through a retrain", exercise(leeway, prometheus))
        report.check("a shift is noticed, learnt and forgotten", story(leeway))
        text = leeway.metrics()
        scrape = Scrape(text)
        if "promtool" in tools:
            promtool(report, tools["promtool"], "promtool check metrics", "check", "metrics",
                     text=text)
        else:
            report.skip("promtool check metrics", "no promtool")
        report.check("every family has a help text", sorted(scrape.types.keys() - scrape.help))
        report.check("the metrics that the design fixes are there", fixed_problems(scrape))
        used = [pair for dashboard in dashboards for pair in dashboard.expressions()]
        report.check("every metric of a dashboard is exported", unknown_names(used, scrape))
        report.check("every metric is documented with its panel",
                     documentation_problems(scrape, dashboards))
        if prometheus:
            prometheus_checks(report, prometheus, dashboards, scrape)
            if pictures:
                import pictures as drawing

                for dashboard in dashboards:
                    drawing.draw(dashboard, prometheus, concrete, pictures)
        else:
            report.skip("panels and rules in a real Prometheus",
                        "no prometheus: apt install prometheus, or --fetch")
    finally:
        if prometheus:
            prometheus.stop()
        code = leeway.stop()
    report.check("leeway ends in order", [] if code == 0 else [f"code {code}"])


def prometheus_checks(report, prometheus, dashboards, scrape):
    targets = prometheus.ask("targets")["activeTargets"]
    report.check("prometheus scrapes leeway over TLS", [
        f"{target['scrapeUrl']}: {target['health']} {target['lastError']}" for target in targets
        if target["health"] != "up" or not target["scrapeUrl"].startswith("https:")
    ] or ([] if targets else ["there is no target"]))
    failed = prometheus.ask("query", query='count_over_time((up{job="leeway"} == 0)[1m:1s])')
    report.check("no scrape failed", [str(entry) for entry in failed["result"]])
    report.check("every query of every panel finds something",
                 query_problems(prometheus, dashboards))
    alarms = prometheus.ask("query", query=(
        'count_over_time(ALERTS{alertname=~"Leeway(Input|Prediction)Drift"}[10m])'))
    report.check("the alert on drift was raised", [] if alarms["result"] else ["it never was"])
    rules = prometheus.rules()
    report.check("every rule evaluates and is complete", rule_problems(rules))
    report.check("every metric of a rule is exported", unknown_names(
        ((rule["name"], rule["query"]) for rule in rules), scrape))
    report.check("every alert has its unit tests", untested_alerts(rules))
    report.check("no alert is active on a healthy appliance", [
        f"{rule['name']}: {rule['state']}" for rule in rules
        if rule["type"] == "alerting" and rule["state"] != "inactive"
    ])


def find_tools(options, folder):
    """Where prometheus and promtool are; those that are nowhere are left out."""
    place = options.prometheus
    if options.fetch:
        result = subprocess.run(["apt-get", "download", "-qq", "prometheus"], cwd=folder,
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        packages = list(folder.glob("prometheus_*.deb"))
        if not packages:
            sys.exit(f"the package prometheus cannot be downloaded: {result.stderr}")
        subprocess.run(["dpkg", "-x", packages[0], folder / "package"], check=True)
        place = folder / "package/usr/bin"
    found = {name: shutil.which(name, path=place) for name in ("prometheus", "promtool", "amtool")}
    return {name: path for name, path in found.items() if path}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leeway", required=True, metavar="PATH", help="the program")
    parser.add_argument("--prometheus", metavar="FOLDER", help="where prometheus and promtool are")
    parser.add_argument("--fetch", action="store_true", help="download Debian's package for them")
    parser.add_argument("--pictures", metavar="FOLDER", help="draw the dashboards into a folder")
    options = parser.parse_args()
    if options.prometheus:
        options.prometheus = os.path.abspath(options.prometheus)
    report = Report()
    with tempfile.TemporaryDirectory(prefix="leeway-prometheus-") as name:
        folder = Path(name)
        tools = find_tools(options, folder)
        dashboards = [Dashboard(path) for path in sorted(DASHBOARDS.glob("*.json"))]
        static_checks(report, tools, dashboards)
        live_checks(report, tools, dashboards, os.path.abspath(options.leeway), folder,
                    options.pictures and os.path.abspath(options.pictures))
    print(f"{report.passed} passed, {report.failed} failed")
    sys.exit(1 if report.failed else 0)


if __name__ == "__main__":
    main()
