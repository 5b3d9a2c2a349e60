#!/usr/bin/env python3
"""What waits for the batcher: products, refusals, deadlines, clients that leave, swaps, the end.

A network of 784-4096-4096-10 is never computed on an event loop. Requests of 1,000 rows keep the
batcher at work while others come. Nothing here is judged by its time: the figures are measured by
`Tests/Comparisons/overload`.
"""

import random

from common import (
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

LONG_ROWS = 1000
PATIENT = {"LEEWAY_MODELS_0_BATCHING_QUEUE_MILLISECONDS_MAX": "60000"}


def body_of(images):
    """A request's body for one image or several."""
    rows = [list(image) for image in images]
    return json.dumps({"image": rows[0] if len(rows) == 1 else rows}, separators=(",", ":")).encode()


def part(answer):
    """What the version alone decides of an answer, and the version."""
    found = answer.json() or {}
    return found.get("probabilities"), found.get("version")


def pending(server):
    """Requests that the batcher has."""
    return server.metrics().value("leeway_batch_pending_requests")


def ask_all(server, bodies, target="/predict"):
    """Sends each body on a connection of its own, and does not wait for the answers."""
    connections = [server.connect() for _ in bodies]
    for connection, body in zip(connections, bodies):
        connection.send(connection.encode("POST", target, body))
    return connections


def products(report, server, images):
    """Rows of several requests are computed together, and the answers are the same as alone."""
    with server.connect() as connection:
        alone = [part(connection.request("POST", "/predict", body_of([i]))) for i in images]
    before = server.metrics()
    # Fewer at a time than may wait; the first is computed alone, the others meanwhile join.
    together = []
    for _ in range(10):
        connections = ask_all(server, [body_of([image]) for image in images])
        together = [connection.receive() for connection in connections]
        after = server.metrics()
        rows = after.value("leeway_batch_rows_sum") - before.value("leeway_batch_rows_sum")
        count = after.value("leeway_batch_rows_count") - before.value("leeway_batch_rows_count")
        if rows > count:
            break
    report.check("every request went to the batcher",
                 not after.value("leeway_prediction_requests_total", place="event_loop"))  # fmt: skip
    report.check("rows of several requests are computed together", rows > count,
                 f"{rows:.0f} rows in {count:.0f} products")  # fmt: skip
    report.check("each answer is that of the row alone, bit for bit",
                 [part(answer) for answer in together] == alone)  # fmt: skip


def refusals(report, server, images):
    """Behind a long request others are refused at once, and health is told all the same."""
    long, refused, health = body_of(images[:1] * LONG_ROWS), [], []
    with server.connect("operations") as probe, server.connect() as other:
        for _ in range(10):
            (first,) = ask_all(server, [long])
            wait_until(lambda: pending(server) == 1, 10)
            # The next product is always filled; what comes beyond it would wait for too long.
            others = ask_all(server, [body_of([image]) for image in images] * 10)
            health += [probe.request("GET", path).status for path in ("/livez", "/readyz", "/metrics")]
            answers = [connection.receive() for connection in others]
            answer = first.receive()
            report.check("the long request is answered", answer.status == 200, answer.status)
            refused = [answer for answer in answers if answer.status != 200]
            if refused:
                break
        report.check("requests that would wait too long are refused with 503",
                     refused and all(answer.status == 503 for answer in refused), len(refused))  # fmt: skip
        report.check("with Retry-After and the code", all(
            answer.fields.get("retry-after") == "1" and answer.json()["code"] == "overloaded"
            for answer in refused))  # fmt: skip
        dropped = server.metrics().value("leeway_batch_dropped_total", reason="queue_time")
        report.check("each is counted", dropped == len(refused), f"{dropped:.0f}")
        report.check("the connection goes on",
                     other.request("POST", "/predict", body_of([images[0]])).status == 200)  # fmt: skip
        report.check("health and metrics are answered meanwhile", set(health) == {200}, health)


def deadlines(report, server, images):
    """A request whose time passes while it waits is answered with 504."""
    body, long = body_of([images[0]]), body_of(images[:1] * LONG_ROWS)
    before = server.metrics()
    first = ask_all(server, [long] * 3)
    wait_until(lambda: pending(server) == 3, 10)
    (second,) = ask_all(server, [body], "/predict?timeout=1000")
    with server.connect() as third:
        field = "X-Envoy-Expected-Rq-Timeout-Ms: 1\r\n"
        answers = [second.receive(), third.request("POST", "/predict", body, field)]
    report.check("a deadline that passes is answered with 504",
                 [(a.status, a.json()["code"]) for a in answers] == [(504, "deadline_exceeded")] * 2,
                 [a.status for a in answers])  # fmt: skip
    report.check("what was before it is answered",
                 [each.receive().status for each in first] == [200] * 3)  # fmt: skip
    dropped = server.metrics().value("leeway_batch_dropped_total", reason="deadline")
    report.check("each is counted",
                 dropped - before.value("leeway_batch_dropped_total", reason="deadline") == 2)  # fmt: skip


def leaving(report, server, images):
    """What a client asked for that has left is not computed."""
    before = server.metrics()
    first = ask_all(server, [body_of(images[:1] * LONG_ROWS)] * 3)
    wait_until(lambda: pending(server) == 3, 10)
    gone = ask_all(server, [body_of([image]) for image in images[:5]])
    wait_until(lambda: pending(server) == 8, 10)
    for connection in gone:
        connection.close()

    def count():
        return server.metrics().value("leeway_batch_dropped_total", reason="client_gone")

    report.check("clients that leave are noticed while they wait",
                 wait_until(lambda: count() == 5, 10), f"{count():.0f}")  # fmt: skip
    for connection in first:
        connection.receive()
    wait_until(lambda: pending(server) == 0, 10)
    rows = server.metrics().value("leeway_batch_rows_sum") - before.value("leeway_batch_rows_sum")
    report.check("their rows are not computed", rows == 3 * LONG_ROWS, f"{rows:.0f}")


def swap(report, server, images):
    """What waits is answered by the version that it began with, what comes later by the next."""
    with server.connect() as connection:
        old = part(connection.request("POST", "/predict", body_of([images[0]])))
    lives = len(server.log("version live"))
    first = ask_all(server, [body_of(images[:1] * LONG_ROWS)] * 8)
    wait_until(lambda: pending(server) == 8, 20)
    waiting = ask_all(server, [body_of([images[0]])] * 4)
    wait_until(lambda: pending(server) == 12, 20)
    status, _ = server.post("/admin/promote?version=2")
    lines = server.wait_log("version live", count=lives + 1)
    still = pending(server)
    later = ask_all(server, [body_of([images[0]])] * 4)
    long = {connection.receive().json()["version"] for connection in first}
    early = [part(connection.receive()) for connection in waiting]
    late = [part(connection.receive()) for connection in later]
    report.check("version 2 goes live while requests wait", status == 200 and lines and still > 4,
                 f"{still:.0f} wait")  # fmt: skip
    report.check("they are answered by version 1, bit for bit", early == [old] * 4 and long == {"1"})
    report.check("later ones by version 2",
                 {version for _, version in late} == {"2"} and late[0][0] != old[0])  # fmt: skip


def end(report, server, images):
    """SIGTERM lets what waits be computed and answered."""
    first = ask_all(server, [body_of(images[:1] * LONG_ROWS)] * 3)
    waiting = ask_all(server, [body_of([image]) for image in images])
    wait_until(lambda: pending(server) == 3 + len(images), 20)
    code = server.stop()
    answers = [connection.receive() for connection in first + waiting]
    report.check("what waits at SIGTERM is answered", {a.status for a in answers} == {200},
                 {a.status for a in answers})  # fmt: skip
    report.check("the server ends well", code == 0, code)


def main():
    options = arguments(__doc__.splitlines()[0])
    report = Report("overload: what waits for the batcher")
    with Workspace(options) as space:
        randoms = random.Random(1)
        train = write_images(space, "train", 120, 28, 10, randoms)
        test = write_images(space, "test", 60, 28, 10, randoms)
        model = image_model("large", (28, 28), 10, train, test, network={"hidden": [4096, 4096]},
                            training={"epochs": 1}, retrain={"margin": 1})  # fmt: skip
        configuration = write_configuration(space, [model])
        for seed in (1, 2):
            Leeway(options, configuration, {"LEEWAY_MODELS_0_TRAINING_SEED": str(seed)}).retrain()
        pixels, _ = synthetic_images(6, 28, 10, randoms)
        images = [pixels[start : start + 784] for start in range(0, len(pixels), 784)]
        promoted = Leeway(options, configuration).run("models", "promote", "1")
        report.check("there are two versions", promoted.returncode == 0, promoted.stderr[-200:])
        with Leeway(options, configuration).serve(space, space / "state") as server:
            server.wait_ready()
            products(report, server, images)
            refusals(report, server, images)
            report.check("the server ends well", server.stop() == 0)
        with Leeway(options, configuration, PATIENT).serve(space, space / "state") as server:
            server.wait_ready()
            deadlines(report, server, images)
            leaving(report, server, images)
            swap(report, server, images)
            end(report, server, images)
            severe = [line["Body"] for line in server.log() if line["SeverityText"] == "CRITICAL"]
            report.check("nothing critical in the log", not severe, severe[:3] or "")
    report.end()


if __name__ == "__main__":
    main()
