#!/usr/bin/env python3
"""Start, reload and end as a service manager and a load balancer see them.

Notifications and watchdog by a socket of our own, listening sockets that are handed over, SIGHUP with
configurations right and wrong, SIGTERM with requests in progress, the deadline, the second signal.
"""

import os
import random
import signal
import socket
import ssl
import time

from common import (
    HOST,
    Connection,
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    json,
    synthetic_images,
    wait_until,
    write_configuration,
    write_images,
)


class Manager:
    """The socket of a service manager."""

    def __init__(self, path):
        self.path = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(20)

    def next(self, skipping="WATCHDOG=1"):
        """The first line of the next datagram that is not to be skipped."""
        while (line := self.socket.recv(1000).decode().split("\n")[0]) == skipping:
            pass
        return line

    def close(self):
        self.socket.close()
        os.unlink(self.path)


class HandedOver(Leeway):
    """The program as it is started with listening sockets, given as {name: socket}."""

    def __init__(self, options, configuration, sockets):
        super().__init__(options, configuration, {
            "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": ":".join(sockets)})  # fmt: skip
        self.sockets = sockets

    def start(self, *words, **more):
        numbers = [each.fileno() for each in self.sockets.values()]
        moved = " ".join(f"{3 + index}<&{number}" for index, number in enumerate(numbers))
        script = f'exec {moved}; exec env LISTEN_PID=$$ "$@"'
        command, self.command = self.command, lambda *w: ["bash", "-c", script, "x", *command(*w)]
        try:
            return super().start(*words, pass_fds=numbers, **more)
        finally:
            self.command = command


def notifications(report, options, space, configuration):
    manager = Manager(space / "notify")
    leeway = Leeway(options, configuration,
                    {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"})  # fmt: skip
    with leeway.serve(space, space / "state") as server:
        report.check("READY comes with both listeners", manager.next() == "READY=1")
        started, signs = time.monotonic(), 0
        while time.monotonic() - started < 2:
            signs += manager.next(skipping=None) == "WATCHDOG=1"
            if signs == 5:
                break
        report.check("signs of life come twice as often as asked for", signs == 5, signs)
        server.process.send_signal(signal.SIGHUP)
        told = [manager.next(), manager.next()]
        report.check("SIGHUP is told as reloading and ready", told == ["RELOADING=1", "READY=1"], told)
        report.check("the reload is in the log", bool(server.wait_log("configuration reloaded")))
        server.process.send_signal(signal.SIGTERM)
        report.check("SIGTERM is told as stopping", manager.next() == "STOPPING=1")
        report.check("the server ends well", server.process.wait(20) == 0)
    manager.close()


def reloads(report, options, space, configuration):
    original = configuration.read_text()
    with Leeway(options, configuration).serve(space, space / "state") as server:
        server.wait_ready()
        ports = dict(server.ports)
        for name, change, word in [
            ("a changed address", {"api": {"listen": f"{HOST}:1"}}, "api.listen"),
            ("an unknown key", {"apis": {}}, "did you mean api?"),
            ("a certificate that is not there",
             {"tls": {"certificate": "/none.pem", "key": "/none.key"}}, "/none.pem"),
        ]:  # fmt: skip
            lines = len(server.log("configuration refused"))
            configuration.write_text(json.dumps({**json.loads(original), **change}))
            server.process.send_signal(signal.SIGHUP)
            told = server.wait_log("configuration refused", count=lines + 1)
            reason = told[-1]["Attributes"]["reason"] if told else "nothing"
            report.check(f"{name} is refused with its name", word in reason, reason)
            answer = server.get("/readyz", "api")[0]
            report.check(f"{name}: the old configuration serves", answer == 200, answer)
        value = server.metrics().value("leeway_config_last_reload_successful")
        report.check("the metric tells of the refusal", value == 0, value)
        modern = {**json.loads(original), "tls": {"profile": "modern", "names": ["box.example"]}}
        configuration.write_text(json.dumps(modern))
        server.process.send_signal(signal.SIGHUP)
        report.check("a change of TLS is taken up", bool(server.wait_log("configuration reloaded")))
        server._context = None
        with server.connect() as connection:
            names = [value for _, value in connection.socket.getpeercert()["subjectAltName"]]
            report.check("with the new names", "box.example" in names, names)
        old = ssl.create_default_context(cafile=server.authority)
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        try:
            Connection(ports["api"], old).close()
            report.check("and without TLS 1.2", False)
        except ssl.SSLError as error:
            report.check("and without TLS 1.2", True, error.reason)
        report.check("the server ends well", server.stop() == 0)
    configuration.write_text(original)


def half_sent(server, image):
    """A connection with a request of which the last byte is missing; its head was understood."""
    body = json.dumps({"image": list(image)}, separators=(",", ":")).encode()
    data = Connection.encode("POST", "/predict", body)
    connection = server.connect()
    connection.send(data[:-1])
    wait_until(lambda: server.metrics().value(
        "http_server_active_requests", listener="api") == 1, 10)  # fmt: skip
    return connection, data[-1:]


def endings(report, options, space, configuration, image):
    with Leeway(options, configuration).serve(space, space / "state") as server:
        server.wait_ready()
        connection, rest = half_sent(server, image)
        idle = server.connect()
        idle.request("GET", "/livez")
        server.process.send_signal(signal.SIGTERM)
        status = wait_until(lambda: server.get("/readyz")[0] == 503, 10)
        report.check("readiness is 503 at once, on the other listener, too", status)
        report.check("idle connections are closed", idle.socket.recv(1) == b"")

        def refused():
            try:
                server.connect(seconds=2).close()
                return False
            except OSError:
                return True

        report.check("new connections are refused", wait_until(refused, 5))
        connection.send(rest)
        answer = connection.receive()
        report.check("the request in progress is answered", answer.status == 200, answer.status)
        report.check("and its connection ends", answer.fields.get("connection") == "close")
        report.check("the server ends well", server.process.wait(20) == 0)

    leeway = Leeway(options, configuration, {"LEEWAY_SHUTDOWN_DELAY_SECONDS": "2"})
    with leeway.serve(space, space / "state") as server:
        server.wait_ready()
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: server.get("/readyz", "api")[0] == 503, 10)
        answer = server.get("/livez", "api")[0]
        report.check("during the delay new connections are served", answer == 200, answer)
        code = server.process.wait(20)
        took = time.monotonic() - started
        report.check("and after it the server ends", code == 0 and 1.9 <= took < 6, f"{took:.1f} s")

    for name, seconds, signals, low, high in [
        ("the deadline", 2, 1, 1.5, 6), ("a second signal", 60, 2, 0, 6),
    ]:  # fmt: skip
        leeway = Leeway(options, configuration, {"LEEWAY_SHUTDOWN_SECONDS_MAX": str(seconds)})
        with leeway.serve(space, space / "state") as server:
            server.wait_ready()
            connection, _ = half_sent(server, image)
            started = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: server.get("/readyz")[0] == 503, 10)
            if signals == 2:
                server.process.send_signal(signal.SIGTERM)
            code = server.process.wait(30)
            took = time.monotonic() - started
            report.check(f"{name} ends it", code == 0 and low <= took <= high,
                         f"code {code} after {took:.1f} s")  # fmt: skip
            connection.close()


def handed_over(report, options, space, configuration, image):
    sockets = {}
    for name in ("operations", "api"):
        sockets[name] = socket.create_server((HOST, 0))
    ports = {name: each.getsockname()[1] for name, each in sockets.items()}
    leeway = HandedOver(options, configuration, sockets)
    with leeway.serve(space, space / "state") as server:
        report.check("the sockets handed over are used, by their names", server.ports == ports,
                     f"{server.ports} {ports}")  # fmt: skip
        server.wait_ready()
        report.check("a server on them answers", server.get("/livez", "api")[0] == 200)
        context = server.context
        report.check("and ends well", server.stop() == 0)
    # Nobody accepts now, and yet nobody is refused.
    early = socket.create_connection((HOST, ports["api"]), timeout=30)
    with leeway.serve(space, space / "state") as server:
        secure = context.wrap_socket(early, server_hostname="localhost")
        secure.sendall(Connection.encode("GET", "/livez"))
        answer = secure.recv(1000)
        report.check("a client of the pause is answered", answer.startswith(b"HTTP/1.1 200"))
        secure.close()
        server.stop()
    for each in sockets.values():
        each.close()


def main():
    options = arguments(__doc__.splitlines()[0], seed=(1, "seed of the data"))
    report = Report("start, reload and end")
    with Workspace(options) as space:
        randoms = random.Random(options.seed)
        train = write_images(space, "train", 500, 28, 10, randoms)
        image, _ = synthetic_images(1, 28, 10, randoms)
        configuration = write_configuration(space, [image_model("bars", (28, 28), 10, train)])
        Leeway(options, configuration).retrain()
        notifications(report, options, space, configuration)
        reloads(report, options, space, configuration)
        endings(report, options, space, configuration, image)
        handed_over(report, options, space, configuration, image)
    report.end()


if __name__ == "__main__":
    main()
