#!/usr/bin/env python3
"""Thousands of connections opened and reset at random under load leak neither descriptors nor memory."""

import random
import resource
import socket
import struct
import threading
import time

from common import HOST, Report, Workspace, arguments, wait_until
from transport import BenchServer

REQUEST = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 4096\r\n\r\n" + b"x" * 4096

# What is lost with each connection, 32 bytes at least, adds to the memory in every part. The largest
# crowd so far adds to it now and then, and what it needed stays with the process.
PARTS_MIN, PARTS_MAX, LOST_BYTES_MAX = 3, 8, 16


def load(server, stop, counts):
    """Asks without pause over one kept connection."""
    with server.connect() as connection:
        while not stop.is_set():
            answer = connection.request("POST", "/predict", b"x" * 5120)
            counts["answered" if answer.status == 200 else "failed"] += 1


def abuse(port, stop, count, seed, counts):
    """Keeps so many connections, of which each sends a part of something and is then cut off."""
    randoms = random.Random(seed)
    reset = struct.pack("ii", 1, 0)
    hello = bytes.fromhex("160301") + b"\x02\x00" + b"\x01" + randoms.randbytes(300)
    alive = []
    while not stop.is_set():
        while len(alive) < count and not stop.is_set():
            plain = socket.socket()
            plain.setblocking(False)
            plain.connect_ex((HOST, port))
            alive.append(plain)
            counts["opened"] += 1
        for plain in randoms.sample(alive, min(len(alive), 50)):
            piece = randoms.choice([hello, hello[: randoms.randrange(1, 200)], REQUEST, b"\x00" * 9])
            try:
                plain.send(piece)
            except OSError:
                pass
        for plain in randoms.sample(alive, min(len(alive), 50)):
            try:
                plain.recv(4096)
            except OSError:
                pass
        for plain in randoms.sample(alive, min(len(alive), 50)):
            if randoms.random() < 0.7:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
            plain.close()
            alive.remove(plain)
        time.sleep(0.002)
    for plain in alive:
        plain.close()


def run(server, options, seconds, counts):
    """Load and abuse together for some seconds."""
    stop = threading.Event()
    workers = [threading.Thread(target=load, args=(server, stop, counts))]
    for number in range(4):
        workers.append(
            threading.Thread(
                target=abuse, args=(server.port, stop, options.connections // 4, number, counts)
            )
        )
    for worker in workers:
        worker.start()
    time.sleep(seconds)
    stop.set()
    for worker in workers:
        worker.join()


def main():
    options = arguments(
        __doc__.splitlines()[0],
        connections=(800, "connections at a time"),
        seconds=(20, "of opening and resetting"),
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    report = Report("resets")
    with Workspace(options) as folder:
        with BenchServer(options, folder, descriptors=8192) as server:
            started = server.descriptors()
            counts = {"answered": 0, "failed": 0, "opened": 0}
            memory = []
            lost = []
            while len(memory) < PARTS_MIN or min(lost) > LOST_BYTES_MAX and len(memory) < PARTS_MAX:
                opened = counts["opened"]
                run(server, options, max(3, options.seconds // PARTS_MIN), counts)
                wait_until(lambda: server.descriptors() <= started, 30)
                memory.append(server.memory_kilobytes())
                if len(memory) > 1:
                    lost.append(1024 * (memory[-1] - memory[-2]) / (counts["opened"] - opened))
            report.figure("connections opened, requests answered", f"{counts['opened']}, {counts['answered']}")
            report.check("connections came and went", counts["opened"] > 1000)
            report.check("the load was answered", counts["answered"] > 100 and not counts["failed"], counts)
            report.check("no descriptor is left", server.descriptors() <= started, server.descriptors() - started)
            report.figure("resident memory after each part, kB", ", ".join(map(str, memory)))
            report.check(f"a part adds {LOST_BYTES_MAX} bytes or less for each connection",
                         min(lost) <= LOST_BYTES_MAX, f"{min(lost):+.1f}")  # fmt: skip
        exhaust(report, options, folder)
    report.end()


def exhaust(report, options, folder):
    """More connections than the process has descriptors: it neither spins nor stays deaf."""
    with BenchServer(options, folder.folder("few"), secure=False, descriptors=64) as server:
        open_connections = []
        for _ in range(200):
            plain = socket.socket()
            plain.setblocking(False)
            plain.connect_ex((HOST, server.port))
            open_connections.append(plain)
        wait_until(lambda: server.descriptors() >= 63, 10)
        before, began = server.cpu_seconds(), time.monotonic()
        time.sleep(2)
        busy = (server.cpu_seconds() - before) / (time.monotonic() - began)
        report.figure("CPU share without a free descriptor", f"{busy:.3f}")
        report.check("without a free descriptor it does not spin", busy < 0.2)
        for plain in open_connections:
            plain.close()

        def answered():
            with socket.create_connection((HOST, server.port), timeout=5) as plain:
                plain.sendall(b"GET /predict HTTP/1.1\r\nHost: a\r\n\r\n")
                return b" 200 " in plain.recv(4096)

        report.check("it answers again when there are descriptors", wait_until(answered, 10))


if __name__ == "__main__":
    main()
