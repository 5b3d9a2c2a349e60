#!/usr/bin/env python3
"""500 certificate reloads under load: no request fails, sessions are resumed across them.

Two certificates of one authority take turns in the configured files, at SIGHUP and now and then by
the files alone. Keep-alive connections ask without pause all the while, others come and go, each
trying to resume its last session. After every reload a new connection must see the new certificate.
"""

import multiprocessing
import os
import random
import shutil
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
    make_certificates,
    quantile,
    synthetic_images,
    wait_until,
    write_configuration,
    write_images,
)


def keep_asking(port, authority, count, request, stop, results):
    """Keep-alive connections with a request under way all the time."""
    context = ssl.create_default_context(cafile=authority)
    connections = [Connection(port, context) for _ in range(count)]
    answered, failures = 0, []
    while not stop.is_set():
        for connection in connections:
            connection.ensure_open()
            connection.send(request)
        for connection in connections:
            try:
                status = connection.receive().status
                answered += status == 200
                if status != 200:
                    failures.append(f"kept alive: {status}")
            except (OSError, ValueError) as error:
                failures.append(f"kept alive: {error!r}")
                connection.close()
                connection.socket = None
    results.put(("kept", answered, failures, 0))


def come_and_go(port, authority, version, request, stop, results):
    """One connection after another, each for one request, resuming the last session."""
    context = ssl.create_default_context(cafile=authority)
    context.maximum_version = version
    answered, failures, resumed, session = 0, [], 0, None
    while not stop.is_set():
        try:
            plain = socket.create_connection((HOST, port), timeout=30)
            with context.wrap_socket(
                plain, server_hostname="localhost", session=session
            ) as secure:
                secure.sendall(request)
                answer = secure.recv(65536)
                if not answer.startswith(b"HTTP/1.1 200"):
                    failures.append(f"new connection: {answer[:80]!r}")
                answered += 1
                resumed += secure.session_reused
                session = secure.session
        except OSError as error:
            failures.append(f"new connection: {error!r}")
            session = None
        time.sleep(0.002)
    results.put((version.name, answered, failures, resumed))


def serial(server, context):
    """The serial number of the certificate that a new connection sees."""
    with Connection(server.ports["api"], context) as connection:
        return connection.socket.getpeercert()["serialNumber"]


def put(pair, target):
    """Puts a certificate and its key in place, each in one step."""
    for source, name in zip(pair[1:], ("server.pem", "server.key")):
        temporary = f"{target}/{name}.new"
        shutil.copyfile(source, temporary)
        os.replace(temporary, f"{target}/{name}")


def main():
    options = arguments(
        __doc__.splitlines()[0],
        reloads=(500, "how many reloads"),
        connections=(8, "how many kept-alive connections"),
        seed=(1, "seed of the data"),
    )
    report = Report(f"{options.reloads} certificate reloads under load")
    with Workspace(options) as space:
        randoms = random.Random(options.seed)
        train = write_images(space, "train", 1000, 28, 10, randoms)
        # The ring of recent predictions fills up while the certificates are watched.
        model = image_model("bars", (28, 28), 10, train, feedback={"enabled": False})
        one = make_certificates(space / "one")
        two = make_certificates(space / "two", issuer=one)
        used = space / "used"
        used.mkdir()
        put(one, used)
        configuration = write_configuration(
            space,
            [model],
            log={"access": "off"},
            tls={"certificate": f"{used}/server.pem", "key": f"{used}/server.key",
                 "watch_seconds": 1},
        )  # fmt: skip
        leeway = Leeway(options, configuration)
        leeway.retrain()
        with leeway.serve(space, space / "state") as server:
            server.authority = one[0]
            server.wait_ready()
            run(options, report, server, (one, two), used, randoms)
            report.check("the server ends well", server.stop() == 0)
    report.end()


def reloaded(server):
    return server.metrics().value("leeway_tls_certificate_reloads_total", result="reloaded")


def run(options, report, server, pairs, used, randoms):
    """Makes the load and the reloads, and judges them."""
    pixels, _ = synthetic_images(1, 28, 10, randoms)
    body = json.dumps({"image": list(pixels)}, separators=(",", ":")).encode()
    request = Connection.encode("POST", "/predict", body)
    stop, results = multiprocessing.Event(), multiprocessing.Queue()
    target = (server.ports["api"], server.authority)
    workers = [
        multiprocessing.Process(
            target=keep_asking, args=(*target, options.connections, request, stop, results)
        )
    ] + [
        multiprocessing.Process(
            target=come_and_go, args=(*target, version, request, stop, results)
        )
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    ]
    for worker in workers:
        worker.start()
    serials = [serial(server, server.context)]
    took, wrong, by_file = [], 0, 0
    for reload in range(1, options.reloads + 1):
        put(pairs[reload % 2], used)
        started = time.monotonic()
        if reload % 50:
            server.process.send_signal(signal.SIGHUP)
        before = serials[-1]
        seen = wait_until(
            lambda: (now := serial(server, server.context)) != before and now, 20, 0.002
        )
        by_file += not reload % 50
        if reload % 50:
            took.append(time.monotonic() - started)
        wrong += not seen
        serials.append(seen or before)
        if reload == 50:
            early = server.memory_kilobytes()
    late = server.memory_kilobytes()
    stop.set()
    outcomes = [results.get(timeout=60) for _ in workers]
    report.figure("requests by kind of connection", {kind: n for kind, n, _, _ in outcomes})
    report.figure("from SIGHUP to the new certificate p50, max (ms)",
                  f"{1000 * quantile(took, 0.5):.0f}, {1000 * max(took):.0f}")  # fmt: skip
    report.figure("VmRSS (kB) after reload 50 and the last", f"{early}, {late}")
    failures = [failure for _, _, failed, _ in outcomes for failure in failed]
    for failure in failures[:5]:
        report.note(failure)
    report.check("no request failed", not failures, len(failures))
    report.check(
        f"after each of {options.reloads} reloads, {by_file} of them by the files alone, a new "
        "connection sees the new certificate", wrong == 0, wrong)  # fmt: skip
    report.check("the two certificates took turns", len(set(serials)) == 2)
    for kind, answered, _, resumed in outcomes:
        if kind != "kept":
            share = resumed / max(1, answered - 1)
            report.check(f"{kind}: sessions are resumed across reloads", share > 0.99,
                         f"{resumed} of {answered}")  # fmt: skip
    count = reloaded(server)
    report.check("each reload is counted", count >= options.reloads, f"{count:.0f}")
    refused = server.metrics().value("leeway_tls_certificate_reloads_total", result="refused")
    # A look at the files may fall between the two replacements of a turn.
    report.note(f"reloads refused because a look fell between certificate and key: {refused:.0f}")
    # A context that is not let go has some 20 kB. What runs once a minute for the first time adds
    # 2 MB, most of them pages of the program.
    kept = (late - early) / (options.reloads - 50)
    report.check("memory does not grow by half a context a reload", kept < 10,
                 f"{kept:+.1f} kB")  # fmt: skip


if __name__ == "__main__":
    main()
