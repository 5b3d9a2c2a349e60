#!/usr/bin/env python3
"""Logs that cannot be written, and what must never be in any.

Serving goes on with a full disk, a closed pipe and a reader that has stopped, and the lines that
were lost are counted. A log file is opened anew at SIGUSR1, the level changes while serving, changes
of state leave audit events, and secrets that are planted wherever a client or an operator can put
them appear nowhere: not in the log, the metrics, the status, the journal or the traces.
"""

import http.server
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

from common import (
    Leeway,
    Report,
    Server,
    Workspace,
    arguments,
    image_model,
    synthetic_images,
    wait_until,
    write_configuration,
    write_images,
)

SIDE, CLASSES = 8, 4
SECRET = "planted-Secret-7f3a"


class Quiet(Server):
    """A server whose log goes where the test says, so that its ports must be known before."""

    def __init__(self, leeway, folder, state, ports, stderr):
        self.folder, self.ports, self._context = pathlib.Path(folder), ports, None
        self.authority = str(pathlib.Path(state) / "tls/ca.pem")
        self.process = leeway.start("serve", stdout=subprocess.DEVNULL, stderr=stderr)
        # The authority is made at the start.
        if not wait_until(self._answers, 60, 0.1):
            self.kill()
            raise RuntimeError("the server does not answer")

    def _answers(self):
        try:
            return self.get("/readyz", "api")[0] == 200
        except (OSError, ValueError):
            self._context = None
            return False


def free_ports():
    """Two ports that nobody listens on now."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(
        ("127.0.0.1", 0)
    ) as two:
        return {"api": one.getsockname()[1], "operations": two.getsockname()[1]}


def bodies():
    pixels, _ = synthetic_images(16, SIDE, CLASSES, random.Random(3))
    size = SIDE * SIDE
    return [
        json.dumps({"image": list(pixels[i * size : (i + 1) * size])}).encode() for i in range(16)
    ]


def predict(server, count):
    """The statuses of so many predictions, and the slowest answer in seconds."""
    statuses, slowest = set(), 0.0
    with server.connect() as connection:
        for number, body in zip(range(count), bodies() * (count // 16 + 1)):
            start = time.monotonic()
            statuses.add(connection.request("POST", "/predict", body).status)
            slowest = max(slowest, time.monotonic() - start)
    return statuses, slowest


def dropped(server):
    """Lines lost, by reason."""
    return {
        reason: server.metrics().value("leeway_log_dropped_total", reason=reason)
        for reason in ("full", "broken_pipe", "no_space", "failed")
    }


def check_sinks(report, options, folder, sections):
    """A full disk, a closed pipe, a reader that has stopped."""
    for name, reason in [
        ("a full disk", "no_space"),
        ("a closed pipe", "broken_pipe"),
        ("a stopped reader", "full"),
    ]:
        place = pathlib.Path(folder) / reason
        place.mkdir()
        ports = free_ports()
        listeners = {key: {"listen": f"127.0.0.1:{port}"} for key, port in ports.items()}
        configuration = write_configuration(
            place, sections["models"], **listeners, state=f"{folder}/state"
        )
        leeway = Leeway(options, configuration)
        reader, writer = None, None
        if reason == "no_space":
            writer = os.open("/dev/full", os.O_WRONLY)
        else:
            reader, writer = os.pipe()
            if reason == "broken_pipe":
                os.close(reader)
        with Quiet(leeway, place, f"{folder}/state", ports, writer) as server:
            os.close(writer)
            # Enough lines to fill the ring of 1 MiB and the pipe behind it.
            count = 4000 if reason == "full" else 400
            statuses, slowest = predict(server, count)
            losses = dropped(server)
            report.check(
                f"{name}: serving is unaffected and losses are counted",
                statuses == {200} and losses[reason] > 0 and slowest < 5,
                f"{statuses}, slowest {slowest * 1000:.0f} ms, {losses}",
            )
            if reader is not None and reason == "full":
                os.close(reader)
            report.check(f"{name}: leeway ends in order", server.stop() == 0)


def check_file(report, options, folder, sections):
    """Reopening, the level at run time, audit events."""
    place = pathlib.Path(folder) / "file"
    place.mkdir()
    ports = free_ports()
    listeners = {key: {"listen": f"127.0.0.1:{port}"} for key, port in ports.items()}
    log = place / "leeway.log"
    token = place / "token"
    token.write_text(f"{SECRET}-operations-token\n")
    listeners["operations"]["token_file"] = str(token)
    configuration = write_configuration(
        place, sections["models"], **listeners, state=f"{folder}/state", log={"file": str(log)}
    )
    leeway = Leeway(options, configuration)
    key = f"Authorization: Bearer {SECRET}-operations-token\r\n"
    with open(place / "stderr", "wb") as errors, Quiet(
        leeway, place, f"{folder}/state", ports, errors
    ) as server:

        def entries(path):
            lines = path.read_text().splitlines() if path.exists() else []
            return [json.loads(line) for line in lines]

        def ask(method, path, fields=key):
            with server.connect("operations") as connection:
                return connection.request(method, path, b"", fields)

        predict(server, 20)
        log.rename(place / "leeway.log.1")
        server.process.send_signal(signal.SIGUSR1)
        report.check("SIGUSR1 begins a new file", bool(wait_until(log.exists, 10)))
        predict(server, 20)
        report.check(
            "lines go on in the new file",
            bool(wait_until(lambda: sum(e["Body"] == "request" for e in entries(log)) >= 20, 10)),
        )
        report.check(
            "the level is changed", ask("POST", "/admin/log-level?level=error").status == 200
        )
        report.check(
            "a wrong level is refused", ask("POST", "/admin/log-level?level=loud").status == 400
        )
        report.check("the status tells it", ask("GET", "/status").json()["log_level"] == "error")
        ask("POST", "/admin/retrain")
        ask("POST", "/admin/rollback")
        ask("POST", "/admin/retrain", "")
        os.kill(server.pid, signal.SIGHUP)

        def audits():
            return {
                (e["Attributes"]["event.name"], e["Attributes"]["audit.outcome"])
                for path in (log, place / "leeway.log.1")
                for e in entries(path)
                if e["Body"] == "audit"
            }

        wanted = {
            ("audit.log_level", "accepted"),
            ("audit.retrain", "accepted"),
            ("audit.rollback", "refused"),
            ("audit.access", "refused"),
            ("audit.reload", "accepted"),
            ("audit.swap", "accepted"),
        }
        report.check(
            "audit events are written whatever the level",
            bool(wait_until(lambda: wanted <= audits(), 20)),
            f"missing {wanted - audits()}" if wanted - audits() else "",
        )
        report.check("leeway ends in order", server.stop() == 0)
    report.check("nothing is on standard error", (place / "stderr").read_bytes() == b"")


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes traces and keeps their bytes."""

    taken = []

    def do_POST(self):
        self.taken.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def check_secrets(report, options, folder, sections):
    """Secrets wherever a client or an operator can put them."""
    place = pathlib.Path(folder) / "secrets"
    place.mkdir()
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    token, headers = place / "token", place / "headers"
    token.write_text(f"{SECRET}-token-of-the-api\n")
    headers.write_text(f"X-Api-Key: {SECRET}-key-of-the-collector\n")
    configuration = write_configuration(
        place,
        sections["models"],
        api={"token_file": str(token)},
        state=f"{place}/state",
        log={"level": "trace"},
        traces={
            "endpoint": f"http://127.0.0.1:{collector.server_address[1]}/v1/traces",
            "headers_file": str(headers),
            "sample_every": 1,
        },
    )
    leeway = Leeway(options, configuration)
    with leeway.serve(place, f"{place}/state") as server:
        report.check("a version is trained", server.wait_ready(120))
        key = f"Authorization: Bearer {SECRET}-token-of-the-api\r\n"
        body = bodies()[0]
        nasty = [
            ("POST", "/predict", body, key),
            ("POST", f"/predict?key={SECRET}", body, key + f"Cookie: session={SECRET}\r\n"),
            ("POST", "/predict", body, f"Authorization: Basic {SECRET}\r\n"),
            ("POST", "/predict", json.dumps({"image": SECRET}).encode(), key),
            ("POST", "/predict", SECRET.encode(), key + f"X-Api-Key: {SECRET}\r\n"),
            ("POST", "/predict", b'{"model": "' + SECRET.encode() + b'"', key),
            ("GET", f"/nowhere?token={SECRET}", b"", ""),
            (
                "POST",
                "/predict",
                body,
                key + f"Forwarded: for={SECRET}\r\nProxy-Authorization: {SECRET}\r\n",
            ),
        ]
        for method, path, payload, fields in nasty:
            with server.connect() as connection:
                connection.request(method, path, payload, fields)
        server.post(f"/admin/retrain?key={SECRET}")
        wait_until(lambda: Collector.taken and server.log("retraining ended"), 60, 0.2)
        sinks = {
            "metrics": server.get("/metrics")[1],
            "status": server.get("/status")[1],
            "drift": server.get("/drift")[1],
        }
        report.check("leeway ends in order", server.stop() == 0)
        sinks["log"] = server.log_path.read_text(errors="replace")
        sinks["console"] = server.console_path.read_text(errors="replace")
    # A name and a password in a URL are refused, without being told to anybody.
    model = json.loads(json.dumps(sections["models"][0]))
    model["data"]["train"]["features"] = [f"https://someone:{SECRET}@127.0.0.1:1/x"]
    other = place / "userinfo"
    other.mkdir()
    refused = Leeway(options, write_configuration(other, [model])).run("retrain")
    report.check("a password in a URL is refused", refused.returncode == 1)
    sinks["refusal"] = refused.stdout + refused.stderr
    for path in pathlib.Path(place, "state").rglob("*"):
        if path.is_file():
            sinks[str(path.relative_to(place))] = path.read_bytes().decode("latin-1")
    sinks["traces"] = b"".join(Collector.taken).decode("latin-1")
    collector.shutdown()
    found = [name for name, text in sinks.items() if SECRET in text]
    report.check(
        f"{len(nasty)} planted secrets are in none of {len(sinks)} sinks", not found, found or ""
    )
    report.check("the traces were looked at, too", len(sinks["traces"]) > 0)


def main():
    options = arguments(__doc__)
    report = Report("logs")
    with Workspace(options) as folder:
        train = write_images(folder, "train", 300, SIDE, CLASSES, random.Random(5))
        sections = {"models": [image_model("bars", [SIDE, SIDE], CLASSES, train)]}
        first = Leeway(options, write_configuration(folder, sections["models"]))
        report.check("a first version", first.retrain()["published"])
        check_sinks(report, options, folder, sections)
        check_file(report, options, folder, sections)
        check_secrets(report, options, folder, sections)
    report.end()


if __name__ == "__main__":
    main()
