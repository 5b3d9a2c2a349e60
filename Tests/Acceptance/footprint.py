#!/usr/bin/env python3
"""With a model on disk: seconds from exec to the first 200 on /readyz, memory after 10,000 answers.

The model is the quickstart's shape, 784-64-10, trained on synthetic images of that size.
"""

import json
import random
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
    quantile,
    synthetic_images,
    wait_until,
    write_configuration,
    write_images,
)

READY_SECONDS_MAX = 0.3
MEGABYTES_MAX = 40
# What answers operators comes into memory when they first ask.
MEGABYTES_ASKED_MAX = 44
PREDICTIONS = 10_000


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def seconds_to_ready(leeway, port, authority, log):
    """Starts the server and asks /readyz without pause; gives the seconds to the first 200."""
    context = ssl.create_default_context(cafile=authority)
    with open(log, "wb") as file:
        started = time.monotonic()
        process = leeway.start("serve", stdout=file, stderr=file)
        try:
            deadline = started + 20
            while time.monotonic() < deadline:
                try:
                    with Connection(port, context, 5) as connection:
                        while connection.request("GET", "/readyz").status != 200:
                            connection.ensure_open()
                            time.sleep(0.001)
                        return time.monotonic() - started
                except OSError:
                    time.sleep(0.001)
        finally:
            process.terminate()
            process.wait()
    raise RuntimeError(f"never ready: {open(log).read()}")


def ask(server, images, count):
    """Sends so many predictions, eight under way at a time; gives how many were not answered."""
    requests = []
    for image in images:
        body = json.dumps({"image": list(image)}, separators=(",", ":")).encode()
        requests.append(Connection.encode("POST", "/predict", body))
    connections = [server.connect() for _ in range(8)]
    failed = 0
    for start in range(0, count, len(connections)):
        for offset, connection in enumerate(connections):
            connection.send(requests[(start + offset) % len(requests)])
        failed += sum(connection.receive().status != 200 for connection in connections)
    for connection in connections:
        connection.close()
    return failed


def main():
    options = arguments(__doc__.splitlines()[0], starts=(10, "how many starts are timed"))
    report = Report("footprint: start and memory")
    with Workspace(options) as space:
        randoms = random.Random(1)
        train = write_images(space, "train", 3000, 28, 10, randoms)
        test = write_images(space, "test", 500, 28, 10, randoms)
        model = image_model("bars", (28, 28), 10, train, test, network={"hidden": [64]})
        port = free_port()
        configuration = write_configuration(space, [model], api={"listen": f"{HOST}:{port}"})
        leeway = Leeway(options, configuration)
        leeway.retrain()
        # The first start makes the development certificate; it is not one of those timed.
        with leeway.serve(space, space / "state") as server:
            server.wait_ready()
        took = [
            seconds_to_ready(leeway, port, server.authority, space / "start.log")
            for _ in range(options.starts)
        ]
        measure_memory(report, leeway, space, randoms)
        report.figure("exec to ready, each (ms)", " ".join(f"{1000 * t:.0f}" for t in took))
        median = quantile(took, 0.5)
        report.check(f"exec to ready <= {READY_SECONDS_MAX} s (median)",
                     median <= READY_SECONDS_MAX, f"{median:.3f} s")  # fmt: skip
    report.end()


def measure_memory(report, leeway, space, randoms):
    """Resident memory at rest and after the predictions."""
    with leeway.serve(space, space / "state") as server:
        server.wait_ready()
        report.figure("VmRSS when ready (kB)", server.memory_kilobytes())
        pixels, _ = synthetic_images(50, 28, 10, randoms)
        images = [pixels[start : start + 784] for start in range(0, len(pixels), 784)]
        started = time.monotonic()
        failed = ask(server, images, PREDICTIONS)
        report.figure("predictions a second", f"{PREDICTIONS / (time.monotonic() - started):.0f}")
        # The log is behind by what its writer has not written yet.
        wait_until(lambda: len(server.log("request")) >= PREDICTIONS, 5)
        resident = server.memory_kilobytes()
        megabytes = resident * 1024 / 1e6
        for field in ("RssAnon", "RssFile"):
            report.figure(f"{field} after {PREDICTIONS} predictions (kB)",
                          server.memory_kilobytes(field))  # fmt: skip
        report.check(f"{PREDICTIONS} predictions answered", failed == 0, f"{failed} were not")
        report.figure("VmHWM, the most there ever was (kB)", server.memory_kilobytes("VmHWM"))
        holds = report.check(f"VmRSS <= {MEGABYTES_MAX} MB after {PREDICTIONS} predictions",
                             megabytes <= MEGABYTES_MAX,
                             f"{megabytes:.1f} MB ({resident} kB)")  # fmt: skip
        # A server in use is also scraped and looked at, which runs code that predictions do not.
        for _ in range(20):
            server.metrics()
        statuses = {server.get(path)[0] for path in ("/status", "/drift", "/readyz", "/livez")}
        in_use = server.memory_kilobytes() * 1024 / 1e6
        holds &= report.check(f"and <= {MEGABYTES_ASKED_MAX} MB after 20 scrapes, /status and /drift",
                              in_use <= MEGABYTES_ASKED_MAX and statuses == {200},
                              f"{in_use:.1f} MB")  # fmt: skip
        if not holds:
            for name, kilobytes in server.memory_by_file()[:12]:
                report.figure(f"  {kilobytes} kB", name)


if __name__ == "__main__":
    main()
