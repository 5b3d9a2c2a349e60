#!/usr/bin/env python3
"""Who may ask, and what came true: keys, limits, certificates, labels, kept rows, explanations.

One server asks for keys: callers of each scope use it, with no key, a wrong one, too often; its file is
replaced under SIGHUP, well and badly, while requests go on. Labels are sent for its predictions and
must give the accuracy that this script counts itself, and the rows that it keeps must be those that were
sent. A second server asks for client certificates beside keys.
"""

import json
import os
import random
import signal
import ssl
import stat
import struct
import subprocess
import threading

from common import (
    Connection,
    Leeway,
    Metrics,
    Report,
    Workspace,
    arguments,
    image_model,
    make_certificates,
    synthetic_images,
    wait_until,
    write_configuration,
    write_images,
)

SIDE, CLASSES = 8, 4
SIZE = SIDE * SIDE


class Callers:
    """An access file, and the keys of those who are in it."""

    def __init__(self, path, options):
        self.path, self.program = path, options.leeway
        self.keys, self.lines = {}, []

    def add(self, name, scopes, *more):
        """Makes a key by the command, as an operator does."""
        words = [self.program, "keys", "make", name, "--scopes", scopes, *more]
        made = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        self.keys[name], line = made.splitlines()[:2]
        self.lines.append(line)

    def write(self, *more):
        """Puts the file in place."""
        self.path.write_text("\n".join(["# who may ask", *self.lines, *more, ""]))

    def field(self, name):
        """The header field that shows a key."""
        return f"Authorization: Bearer {self.keys[name]}\r\n" if name else ""


class Keys:
    """The server that asks for keys."""

    def __init__(self, options, folder, report):
        self.report, self.folder, self.randoms = report, folder, random.Random(7)
        self.callers = Callers(folder / "access", options)
        for name, scopes, *more in [
            ("shop", "predict,feedback"), ("reader", "predict"), ("pager", "operate"),
            ("slow", "predict", "--rate", "0.01", "--burst", "5"),
        ]:  # fmt: skip
            self.callers.add(name, scopes, *more)
        self.callers.write()
        train = write_images(folder, "train", 1200, SIDE, CLASSES, self.randoms)
        test = write_images(folder, "test", 400, SIDE, CLASSES, self.randoms)
        model = image_model("bars", (SIDE, SIDE), CLASSES, train, test, capture={"enabled": True})
        configuration = write_configuration(
            folder, [model], access={"file": str(self.callers.path)}
        )
        self.leeway = Leeway(options, configuration)
        self.leeway.retrain()

    def run(self):
        """All that is asked of it."""
        with self.leeway.serve(self.folder, self.folder / "state") as self.server:
            if not wait_until(self.is_ready, 60):
                raise RuntimeError("the server was never ready")
            self.scopes()
            self.rates()
            self.labels()
            self.explanations()
            self.reloads()
        self.kept()
        self.secrets()

    def is_ready(self):
        return self.ask("GET", "/readyz").status == 200

    def ask(self, method, path, body=None, caller=None, listener="api", fields=""):
        """One request on a connection of its own."""
        data = b"" if body is None else json.dumps(body).encode()
        with self.server.connect(listener) as connection:
            return connection.request(method, path, data, self.callers.field(caller) + fields)

    def metrics(self):
        """All series."""
        answer = self.ask("GET", "/metrics", caller="pager", listener="operations")
        return Metrics(answer.body.decode())

    def image(self):
        """An image, and its class."""
        pixels, labels = synthetic_images(1, SIDE, CLASSES, self.randoms)
        return list(pixels), labels[0]

    def scopes(self):
        """What each caller may, and what nobody may."""
        image = {"image": self.image()[0]}
        feedback = {"request_id": "nobody", "label": 0}
        cases = [
            ("POST", "/predict", image, "api", {"shop": 200, "reader": 200, "pager": 403, None: 401}),
            ("POST", "/feedback", feedback, "api", {"shop": 404, "reader": 403, None: 401}),
            ("GET", "/metrics", None, "operations", {"pager": 200, "shop": 403, None: 401}),
            ("POST", "/admin/rollback", None, "operations", {"shop": 403, None: 401}),
            ("GET", "/livez", None, "api", {None: 200}),
            ("GET", "/readyz", None, "operations", {None: 200}),
        ]
        wrong = [
            f"{caller or 'nobody'} at {path}: {answer.status}, not {status}"
            for method, path, body, listener, expected in cases
            for caller, status in expected.items()
            if (answer := self.ask(method, path, body, caller, listener)).status != status
        ]
        self.report.check("every scope opens its own endpoints and no others", not wrong, wrong)
        unknown = self.ask("POST", "/predict", image, fields="X-API-Key: leeway_0000\r\n")
        self.report.check(
            "an unknown key is refused as RFC 6750 says",
            unknown.status == 401 and "invalid_token" in unknown.fields.get("www-authenticate", ""),
            unknown.fields,
        )
        dialect = self.ask("POST", "/v2/models/bars/infer", {"inputs": []})
        self.report.check(
            "a refusal has the dialect's form",
            dialect.status == 401 and isinstance(dialect.json().get("error"), str),
            dialect.body,
        )

    def rates(self):
        """A caller with a limit, on many connections at once."""
        statuses, image = [], {"image": self.image()[0]}

        def ask():
            for _ in range(5):
                answer = self.ask("POST", "/predict", image, "slow")
                statuses.append((answer.status, answer.fields.get("retry-after")))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        passed = sum(status == 200 for status, _ in statuses)
        waits = [int(wait) for status, wait in statuses if status == 429]
        self.report.check("a burst of 5 lets 5 of 20 through, over all loops", passed == 5, statuses)
        self.report.check(
            "the others are told when to come again",
            len(waits) == 15 and all(1 <= wait <= 101 for wait in waits), waits,
        )  # fmt: skip
        limited = self.metrics().value("leeway_access_requests_total", caller="slow", result="limited")
        self.report.check("what was limited is counted by caller", limited == 15, limited)

    def labels(self):
        """Labels, half of them by name; some are wrong, so that accuracy is not 1."""
        self.sent, right, items = {}, 0, []
        with self.server.connect() as connection:
            for number in range(300):
                pixels, truth = self.image()
                if number % 5 == 0:
                    truth = (truth + 1) % CLASSES
                body = json.dumps({"image": pixels}).encode()
                answer = connection.request(
                    "POST", "/predict", body,
                    self.callers.field("shop") + f"X-Request-Id: order-{number}\r\n",
                ).json()  # fmt: skip
                right += answer["class"] == truth
                self.sent[bytes(pixels)] = truth
                label = truth if number % 2 else str(truth)
                items.append({"request_id": f"order-{number}", "label": label})
        answer = self.ask("POST", "/feedback", {"feedback": items}, "shop").json()
        words = {result["status"] for result in answer["results"]}
        self.report.check("300 labels find their rows", answer["joined"] == 300, words)
        accuracy = self.metrics().value("leeway_feedback_accuracy_ratio", model="bars")
        self.report.check(
            "the live accuracy is that of the labels",
            accuracy is not None and abs(accuracy - right / 300) < 1e-9, (accuracy, right / 300),
        )  # fmt: skip
        again = self.ask("POST", "/feedback", items[0], "shop")
        late = self.ask("POST", "/feedback", {"request_id": "long-gone", "label": 1}, "shop")
        self.report.check(
            "a second label and a label of nobody's row are refused, each with its code",
            (again.status, again.json()["code"]) == (409, "feedback_repeated")
            and (late.status, late.json()["code"]) == (404, "feedback_unknown"),
            (again.body, late.body),
        )

    def explanations(self):
        """Shares that add up to the logit's distance from that of a black image."""
        body = {"image": self.image()[0], "parameters": {"explain": "integrated_gradients"}}
        answer = self.ask("POST", "/predict", body, "reader").json()
        facts, shares = answer["explanation"], answer["attributions"]
        self.report.check(
            "an explained answer has a share for each pixel, and tells its error",
            len(shares) == SIZE and any(shares)
            and facts["completeness_error"] < 0.05 * max(1, abs(sum(shares))),
            (facts, sum(shares)),
        )  # fmt: skip

    def reloads(self):
        """The file is replaced while requests go on: none fails that may be answered."""
        statuses, done = set(), threading.Event()
        image = json.dumps({"image": self.image()[0]}).encode()

        def ask():
            with self.server.connect() as connection:
                while not done.is_set():
                    field = self.callers.field("reader")
                    statuses.add(connection.request("POST", "/predict", image, field).status)

        thread = threading.Thread(target=ask)
        thread.start()
        for round_number in range(20):
            self.callers.write(f"extra{round_number} predict san:extra{round_number}")
            self.reload("configuration reloaded")
        self.callers.path.write_text("shop everything sha256:00\n")
        refused = self.reload("configuration refused")
        reason = refused[-1]["Attributes"]["reason"] if refused else ""
        done.set()
        thread.join()
        self.report.check("20 reloads and a refused one fail no request", statuses == {200}, statuses)
        self.report.check("a broken file is refused by its line", ":1:" in reason, reason)
        self.callers.lines = [line for line in self.callers.lines if not line.startswith("reader")]
        self.callers.write()
        self.reload("configuration reloaded")
        gone = wait_until(
            lambda: self.ask("POST", "/predict", json.loads(image), "reader").status == 401, 5
        )
        self.report.check("a key that was taken out is refused", gone)

    def reload(self, line):
        """Sends SIGHUP and waits for its log line."""
        count = len(self.server.log(line))
        os.kill(self.server.pid, signal.SIGHUP)
        return self.server.wait_log(line, count + 1)

    def kept(self):
        """The rows that were kept are those that were sent, the owner's alone."""
        folder = self.folder / "state/capture/bars"
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        modes = {stat.S_IMODE(file.stat().st_mode) for file in files}
        found = {}
        for file in files:
            if file.suffix != ".images-idx3":
                continue
            pixels = file.read_bytes()[16:]
            marks = file.with_suffix(".labels-idx1").read_bytes()[8:]
            labels = struct.unpack(f">{len(marks) // 4}i", marks)
            for row, label in enumerate(labels):
                found[pixels[row * SIZE : (row + 1) * SIZE]] = label
        self.report.check("kept rows are the owner's alone", modes == {0o600}, modes)
        self.report.check(
            "every labelled row is kept as it was sent, with its label", found == self.sent,
            (len(found), len(self.sent)),
        )  # fmt: skip

    def secrets(self):
        """No key is in any log line."""
        text = self.server.log_path.read_text() + self.server.console_path.read_text()
        leaks = [name for name, key in self.callers.keys.items() if key[7:] in text]
        self.report.check("no key is logged", not leaks, leaks)


class Certificates:
    """The server that asks for certificates, and takes keys instead."""

    def __init__(self, options, folder, report):
        self.report, self.folder = report, folder
        self.authority, self.chain, self.key = make_certificates(
            folder / "cart", ("cart.example.com",)
        )
        _, self.other_chain, self.other_key = make_certificates(
            folder / "other", ("other.example.com",), issuer=(self.authority, None, None)
        )
        self.callers = Callers(folder / "access", options)
        self.callers.add("shop", "predict")
        self.callers.add("pager", "operate")
        self.callers.write("cart predict san:cart.example.com")
        randoms = random.Random(3)
        train = write_images(folder, "train", 600, SIDE, CLASSES, randoms)
        model = image_model("bars", (SIDE, SIDE), CLASSES, train)
        configuration = write_configuration(
            folder, [model], access={"file": str(self.callers.path)},
            tls={"certificate": "auto", "client_ca": self.authority},
        )  # fmt: skip
        self.leeway = Leeway(options, configuration)
        self.leeway.retrain()
        self.body = json.dumps({"image": list(randoms.randbytes(SIZE))}).encode()

    def run(self):
        """Certificates of both kinds, none, and keys."""
        with self.leeway.serve(self.folder, self.folder / "state") as server:
            self.server = server
            wait_until(lambda: self.ask("GET", "/readyz") == 200, 60)
            mine, other = (self.chain, self.key), (self.other_chain, self.other_key)
            found = {
                "mapped certificate": self.ask(pair=mine),
                "mapped certificate, other scope": self.ask("GET", "/metrics", mine, "operations"),
                "unmapped certificate": self.ask(pair=other),
                "unmapped certificate with a key": self.ask(pair=other, caller="shop"),
                "no certificate": self.ask(),
                "no certificate with a key": self.ask(caller="shop"),
                "health without anything": self.ask("GET", "/readyz"),
            }
            expected = dict(zip(found, [200, 403, 401, 200, 401, 200, 200]))
            self.report.check("certificates open what their names are mapped to", found == expected, found)

    def ask(self, method="POST", path="/predict", pair=None, listener="api", caller=None):
        """One request; gives its status."""
        context = ssl.create_default_context(cafile=self.server.authority)
        if pair:
            context.load_cert_chain(*pair)
        body = self.body if method == "POST" else b""
        with Connection(self.server.ports[listener], context) as connection:
            return connection.request(method, path, body, self.callers.field(caller)).status


def main():
    options = arguments(__doc__.splitlines()[0])
    report = Report("access")
    with Workspace(options) as workspace:
        Keys(options, workspace.folder("keys"), report).run()
        Certificates(options, workspace.folder("certificates"), report).run()
    report.end()


if __name__ == "__main__":
    main()
