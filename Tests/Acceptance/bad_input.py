#!/usr/bin/env python3
"""Bad requests and bad data: each gives its own clear error and metric, and serving goes on.

Requests go to a server with an image model and a table. Bad data is put where the models' sources
are; then a retrain is asked of the server, and run by hand, too.
"""

import gzip
import json
import os
import pathlib
import random
import struct
import subprocess

from common import (
    HTTPSSource,
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    make_certificates,
    predict,
    synthetic_images,
    wait_until,
    write_configuration,
    write_idx,
    write_images,
)

SIDE = 16
PIXELS = SIDE * SIDE
BODY_BYTES_MAX = 1 << 20
UNPACKED_BYTES_MAX = 32 << 20
DOWNLOAD_BYTES_MAX = 8 << 20
HUGE = 100_000_000
COLORS = ["red", "green", "blue"]


# Requests


def image(values):
    """A body with an image of these JSON texts."""
    return ('{"image":[' + ",".join(values) + "]}").encode()


def request_cases():
    """(name, method, path, body, status, code, words that the message must have)."""
    zeros = ["0"] * PIXELS
    third = zeros[:3]
    good = image(zeros)
    table = "/predict?model=table"
    return [
        ("image one value short", "POST", "/predict", image(zeros[1:]), 400, "wrong_length",
         ["image", str(PIXELS), str(PIXELS - 1)]),
        ("image one value long", "POST", "/predict", image(zeros + ["0"]), 400, "wrong_length",
         ["image", str(PIXELS)]),
        ("NaN as a pixel", "POST", "/predict", image(third + ["NaN"] + zeros[4:]), 400,
         "malformed_json", ["image[3]", "NaN"]),
        ("Infinity as a pixel", "POST", "/predict", image(third + ["Infinity"] + zeros[4:]), 400,
         "malformed_json", ["image[3]"]),
        ("a number beyond Float", "POST", "/predict", image(third + ["1e400"] + zeros[4:]), 400,
         "number_overflow", ["image[3]"]),
        ("text as a pixel", "POST", "/predict", image(third + ['"7"'] + zeros[4:]), 400,
         "wrong_type", ["image[3]", "number"]),
        ("text as the image", "POST", "/predict", b'{"image":"cat"}', 400, "wrong_type",
         ["image", "array"]),
        ("null as a pixel", "POST", "/predict", image(third + ["null"] + zeros[4:]), 400,
         "wrong_type", ["image[3]"]),
        ("nested in the middle", "POST", "/predict", image(third + ["[0]"] + zeros[4:]), 400,
         "wrong_type", ["image[3]"]),
        ("nested one level too deep", "POST", "/predict", b'{"image":[[[[0]]]]}', 400, "wrong_type",
         ["image", str(PIXELS)]),
        ("nested 100,000 deep", "POST", "/predict", b'{"image":' + b"[" * 100_000, 400,
         "nested_too_deep", ["image", "64"]),
        ("unknown key nested 100,000 deep", "POST", "/predict", b'{"x":' + b'{"x":' * 100_000, 400,
         "nested_too_deep", ["x", "64"]),
        ("empty body", "POST", "/predict", b"", 400, "malformed_json", ["body"]),
        ("empty object", "POST", "/predict", b"{}", 400, "missing_key", ["image"]),
        ("empty image", "POST", "/predict", b'{"image":[]}', 400, "no_rows", ["image"]),
        ("empty rows", "POST", "/predict", b'{"image":[[],[]]}', 400, "wrong_length", ["image"]),
        ("JSON cut off", "POST", "/predict", good[:-5], 400, "malformed_json", ["byte"]),
        ("JSON and more", "POST", "/predict", good + b"x", 400, "malformed_json", ["byte"]),
        ("no JSON at all", "POST", "/predict", b"\x89PNG\r\n\x1a\n", 400, "malformed_json",
         ["byte 0"]),
        ("invalid UTF-8 in a key", "POST", "/predict", b'{"\xff\xfe":1}', 400, "malformed_json",
         ["byte"]),
        ("unknown key", "POST", "/predict", good[:-1] + b',"imgae":1}', 400, "unknown_key",
         ["imgae"]),
        ("the key twice", "POST", "/predict", good[:-1] + b',' + good[1:], 400, "repeated_key",
         ["image"]),
        ("rows beyond the limit", "POST", "/predict",
         b'{"image":[' + b",".join([b"[" + b",".join([b"0"] * PIXELS) + b"]"] * 65) + b"]}", 413,
         "too_many_rows", ["64"]),
        ("a body beyond the limit", "POST", "/predict", b" " * (BODY_BYTES_MAX + 1), 413,
         "body_too_large", ["body", str(BODY_BYTES_MAX)]),
        ("unknown model", "POST", "/predict?model=nobody", good, 404, "model_unknown",
         ["nobody", "bars", "table"]),
        ("wrong method", "GET", "/predict", b"", 405, "method_not_allowed", ["POST"]),
        ("unknown path", "POST", "/predictions", good, 404, "path_unknown", ["path"]),
        ("table: text as a number", "POST", table, b'{"features":{"size":"big","color":"red"}}',
         400, "wrong_type", ["size", "number"]),
        ("table: an array as a category", "POST", table, b'{"features":{"size":1,"color":["red"]}}',
         400, "wrong_type", ["color"]),
        ("table: unknown column", "POST", table, b'{"features":{"size":1,"colour":"red"}}', 400,
         "unknown_key", ["colour"]),
        ("table: a value short", "POST", table, b'{"features":[1]}', 400, "wrong_length",
         ["features", "2"]),
        ("table: NaN", "POST", table, b'{"features":{"size":NaN}}', 400, "malformed_json",
         ["size"]),
        ("table: an image", "POST", table, good, 400, "unknown_key", ["image", "features"]),
    ]  # fmt: skip


class Requests:
    """Sends the bad requests and judges the answers."""

    def __init__(self, report, server, steady):
        self.report, self.server, self.steady = report, server, steady

    def all(self):
        """Every case, each followed by a good request on the same connection where it lives on."""
        with self.server.connect() as connection:
            for name, method, path, body, status, code, words in request_cases():
                before = self.server.metrics()
                answer = connection.request(method, path, body)
                self.judge(name, answer.status, answer.json(), status, code, words, before)
        for name, more in [
            ("100 MB announced", []),
            ("100 MB announced and sent at once", ["-H", "Expect:"]),
            ("100 MB in chunks", ["-H", "Expect:", "-H", "Transfer-Encoding: chunked"]),
        ]:
            self.huge(name, more, b" " * HUGE, "body_too_large", ["body", str(BODY_BYTES_MAX)], 413)
        packed = gzip.compress(b" " * HUGE)
        bomb = ["-H", "Content-Encoding: gzip"]
        name = f"100 MB packed in {len(packed) // 1000} kB"
        self.huge(name, bomb, packed, "body_too_large", ["body", str(BODY_BYTES_MAX)], 413)
        self.huge("gzip cut off", bomb, packed[:1000], "malformed_content",
                  ["Content-Encoding"], 400)  # fmt: skip

    def huge(self, name, more, body, code, words, status):
        """A body that curl sends from its standard input."""
        before, memory = self.server.metrics(), self.server.memory_kilobytes()
        address = f"https://localhost:{self.server.ports['api']}/predict"
        process = subprocess.run(
            ["curl", "-sS", "--cacert", self.server.authority, "-X", "POST", *more,
             "--data-binary", "@-", "-w", "\n%{http_code}", address],
            input=body, capture_output=True, timeout=60,
        )  # fmt: skip
        text, _, found = process.stdout.decode().rpartition("\n")
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        grown = self.server.memory_kilobytes() - memory
        said = process.stderr.decode().strip()
        self.judge(name, int(found or 0), answer, status, code, words, before,
                   f"memory +{grown} kB {said}", grown < 20_000)  # fmt: skip

    def judge(self, name, found, answer, status, code, words, before, more="", holds=True):
        """One line for one case: status, code, message, metric, and a good answer after it."""
        answer = answer if isinstance(answer, dict) else {}
        message = answer.get("error", "")
        faults = [] if holds else ["memory grew"]
        if found != status:
            faults.append(f"status {found}, not {status}")
        if answer.get("code") != code:
            faults.append(f"code {answer.get('code')}, not {code}")
        faults += [f"the message does not name {word!r}" for word in words if word not in message]
        if not answer.get("request_id"):
            faults.append("no request_id")
        risen = {
            series: by
            for series, by in self.server.metrics().risen(before).items()
            if code in dict(series[1]).values()
        }
        if list(risen.values()) != [1]:
            faults.append(f"counters with {code}: {list(risen.values())}")
        if not self.steady():
            faults.append("a good request is not answered any more")
        detail = "; ".join(faults + [more]) if faults else f"{found} {code}"
        self.report.check(name, not faults, f"{detail} | {message[:150]}")


# Data


def idx(shape, data, kind=8):
    """The bytes of an IDX file, right or wrong."""
    return struct.pack(">HBB", 0, kind, len(shape)) + struct.pack(f">{len(shape)}I", *shape) + data


class Data:
    """Puts bad files in the place of the sources, and judges what the retrains say."""

    def __init__(self, report, space, leeway, server, steady):
        self.report, self.space, self.leeway = report, space, leeway
        self.server, self.steady = server, steady
        self.messages = {}

    def images(self):
        """Bad IDX files."""
        path = self.space / "train-images"
        good = path.read_bytes()
        rows = struct.unpack(">I", good[4:8])[0]
        pixels = good[16:]
        zipped = gzip.compress(good)
        flipped = bytearray(zipped)
        flipped[-6] ^= 1
        over = gzip.compress(b"\0" * (UNPACKED_BYTES_MAX + 1))
        for name, data, words in [
            ("truncated .gz", zipped[: len(zipped) // 2], ["train.features"]),
            (".gz with a wrong checksum", bytes(flipped), ["train.features"]),
            (".gz that unpacks beyond the limit", over,
             ["train.features", str(UNPACKED_BYTES_MAX)]),
            ("IDX that says one row more", idx((rows + 1, SIDE, SIDE), pixels), ["train", "IDX"]),
            ("IDX that says one row less", idx((rows - 1, SIDE, SIDE), pixels), ["train", "IDX"]),
            ("IDX that says 2^32-1 rows", idx((2**32 - 1, SIDE, SIDE), pixels), ["train", "IDX"]),
            ("IDX whose sizes overflow", idx((2**32 - 1,) * 8, pixels), ["train", "IDX"]),
            ("IDX with 255 dimensions", idx((1,) * 255, b"\0"), ["train", "IDX"]),
            ("IDX of another shape", idx((rows, SIDE * 2, SIDE // 2), pixels),
             ["train", str(SIDE)]),
            ("IDX of an unknown type", idx((rows, SIDE, SIDE), pixels, kind=7), ["train", "IDX"]),
            ("IDX without rows", idx((0, SIDE, SIDE), b""), ["train"]),
            ("IDX cut off in its header", good[:9], ["train", "IDX"]),
            ("an empty file", b"", ["train"]),
            ("a web page instead of IDX", b"<!DOCTYPE html><title>Sign in</title>", ["train"]),
        ]:
            self.put(path, data)
            self.judge("bars", name, words)
        self.put(path, good)
        labels = self.space / "train-labels"
        good = labels.read_bytes()
        for name, data, words in [
            ("one label too few", idx((rows - 1,), good[8:-1]),
             ["train", str(rows), str(rows - 1)]),
            ("a label beyond the classes", idx((rows,), good[8:-1] + b"\x63"), ["train", "8"]),
        ]:
            self.put(labels, data)
            self.judge("bars", name, words)
        labels.unlink()
        self.judge("bars", "a file that is missing", ["train.labels", "train-labels"])
        self.put(labels, good)

    def rows(self):
        """Bad CSV files."""
        path = self.space / "table.csv"
        good = path.read_bytes()
        lines = good.split(b"\n")
        ragged = b"\n".join(lines[:20] + [lines[20] + b",1"] + lines[21:])
        short = b"\n".join(lines[:20] + [lines[20].rsplit(b",", 1)[0]] + lines[21:])
        text = b"\n".join(lines[:20] + [b"huge,red,small"] + lines[21:])
        for name, data, words in [
            ("CSV with a row too long", ragged, ["train", "line 21", "3", "4"]),
            ("CSV with a row too short", short, ["train", "line 21", "2", "3"]),
            ("CSV with text as a number", text, ["train", "line 21", "size"]),
            ("CSV without the target", good.replace(b"weight", b"mass", 1), ["train", "weight"]),
            ("CSV without a column", good.replace(b"size", b"length", 1), ["train", "size"]),
            ("CSV with an open quote", b"\n".join(lines[:20]) + b'\n1,"red,small\n',
             ["train", "line"]),
            ("CSV with a header alone", lines[0] + b"\n", ["train"]),
            ("CSV that is empty", b"", ["train"]),
        ]:
            self.put(path, data)
            self.judge("table", name, words)
        self.put(path, good)

    def network(self, source, certificates):
        """Sources that cannot be reached or trusted."""
        right, wrong, stranger = certificates
        source.use(*wrong[1:])
        self.judge("remote", "certificate of the wrong host", ["train.features", "localhost",
                   "certificate"])  # fmt: skip
        source.use(*stranger[1:])
        self.judge("remote", "certificate of an unknown authority", ["train.features", "ca_file"])
        source.use(*right[1:])
        path = "/remote-images"
        for name, answer, words in [
            ("a mirror that answers 404", lambda h: h.answer(404, b""), ["train.features", "404"]),
            ("a mirror that answers 503", lambda h: h.answer(503, b""), ["train.features", "503"]),
            ("a mirror that breaks off", breaks_off, ["train.features"]),
            ("a redirect to file://", lambda h: h.answer(302, b"", Location="file:///etc/passwd"),
             ["train.features"]),
            ("redirects in a circle", lambda h: h.answer(302, b"", Location=path),
             ["train.features"]),
            ("a file beyond the limit", lambda h: h.answer(200, b"\0" * (DOWNLOAD_BYTES_MAX + 1)),
             ["train.features", str(DOWNLOAD_BYTES_MAX)]),
        ]:  # fmt: skip
            source.answers[path] = answer
            self.judge("remote", name, words)
        source.answers.clear()
        source.close()
        self.judge("remote", "an unreachable mirror", ["train.features", "localhost"])

    def put(self, path, data):
        """Replaces a source."""
        temporary = pathlib.Path(f"{path}.new")
        temporary.write_bytes(data)
        os.replace(temporary, path)

    def judge(self, model, name, words, from_command=None):
        """One line for one case: what the server says and counts, what the command says."""
        faults = []
        before = self.server.metrics()
        failures = len(self.server.log("retraining failed", model=model))
        status, answer = self.server.post(f"/admin/retrain?model={model}")
        if status != 202:
            faults.append(f"/admin/retrain answered {status} {answer}")
        lines = self.server.wait_log("retraining failed", failures + 1, 60, model=model)
        message = lines[-1]["Attributes"]["error.message"] if lines else ""
        wait_until(lambda: self.failed(before, model), 5)
        if not self.failed(before, model):
            faults.append('leeway_retrain_runs_total{result="failed"} has not risen by 1')
        own = sorted(self.own_metrics(before, model))
        if not own:
            faults.append("no counter that tells this failure from others")
        process = self.leeway.run("retrain", "--model", model)
        said = process.stderr.strip().splitlines()[-1:] or [""]
        if process.returncode != 1:
            faults.append(f"`leeway retrain` ended with {process.returncode}: {said[0][:200]}")
        for word in words:
            faults += [f"the log does not name {word!r}"] if word not in message else []
        for word in from_command or words:
            faults += [f"the command does not name {word!r}"] if word not in said[0] else []
        if not self.steady():
            faults.append("a good request is not answered as before")
        self.messages[name] = message
        detail = "; ".join(faults) if faults else f"counted as {', '.join(own)}"
        self.report.check(name, not faults, f"{detail} | {message[:260]}")

    def failed(self, before, model):
        """Whether the count of failed runs has risen by one."""
        family, labels = "leeway_retrain_runs_total", {"model": model, "result": "failed"}
        after = self.server.metrics().value(family, **labels)
        return after == before.value(family, **labels) + 1

    def own_metrics(self, before, model):
        """Label values of risen counters that say what went wrong."""
        usual = {"failed", "downloaded", "unchanged", model, "train.features", "train.labels",
                 "test.features", "test.labels"}  # fmt: skip
        for (name, labels), _ in self.server.metrics().risen(before).items():
            if name.startswith(("leeway_retrain", "leeway_download")):
                yield from (value for _, value in labels if value not in usual)


def breaks_off(handler):
    """Announces more than it sends, and hangs up."""
    handler.answer(200, b"\0" * 1000, length=100_000)
    handler.close_connection = True


# Full disk


def full_disk(options, report, space, randoms):
    """A state directory on a small file system that is full."""
    disk = space.folder("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", disk],
                             capture_output=True, text=True)  # fmt: skip
    if mounted.returncode != 0:
        report.note(f"skipped: full disk: no tmpfs can be mounted: {mounted.stderr.strip()}")
        return
    try:
        train = write_images(space, "disk", 800, SIDE, 8, randoms)
        folder = space.folder("disk-config")
        # So wide that a version takes more space than the files that it is made from.
        model = image_model("bars", (SIDE, SIDE), 8, train, network={"hidden": [512]},
                            training={"epochs": 1}, retrain={"margin": 1})  # fmt: skip
        configuration = write_configuration(
            folder, [model], state=str(disk / "state"), disk_free_bytes_min=0
        )
        leeway = Leeway(options, configuration)
        leeway.retrain()
        with leeway.serve(folder, disk / "state") as server:
            server.wait_ready()
            with_full_disk(report, space, disk, leeway, server, randoms)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def with_full_disk(report, space, disk, leeway, server, randoms):
    """Full when a version is published, full when a file is fetched, and free again."""
    pixels, _ = synthetic_images(1, SIDE, 8, randoms)
    with server.connect() as connection:
        steady = Steady(connection, [("bars", pixels)])
        data = Data(report, space, leeway, server, steady)
        filler = disk / "filler"
        # Enough for a second copy of the files while they are fetched, too little for a version.
        fill(filler, leaving=800 * PIXELS + 100_000)
        # The server's run keeps a copy of the files for the version before, so the command's
        # run after it has no room for its own.
        data.judge("bars", "full disk while publishing", ["No space left", "versions"],
                   from_command=["No space left"])  # fmt: skip
        # Files that have not changed would not be fetched again.
        write_images(space, "disk", 800, SIDE, 8, randoms)
        fill(filler)
        data.judge("bars", "full disk while downloading", ["No space left", "train.features"])
        filler.unlink()
        process = leeway.run("retrain", "--json")
        is_live = server.wait_log("version live", 2, 10)
        report.check("free again, the next run succeeds and goes live",
                     process.returncode == 0 and is_live)  # fmt: skip
        versions = disk / "state/models/bars/versions"
        litter = [name for name in os.listdir(versions) if not name.isdigit()]
        report.check("and nothing is left behind", not litter, litter or "")


def fill(path, leaving=0):
    """Adds to a file until there is no space left but so many bytes."""
    with open(path, "ab", buffering=0) as file:
        if leaving:
            state = os.statvfs(path.parent)
            file.write(b"\0" * (state.f_bavail * state.f_bsize - leaving))
            return
        for size in (65536, 512, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass


# The appliance


class Steady:
    """Says whether the good requests are still answered as they were at first."""

    def __init__(self, connection, requests):
        self.connection = connection
        self.requests = requests
        self.first = self.ask()

    def ask(self):
        """The answers without what differs each time."""
        answers = []
        for model, value in self.requests:
            if isinstance(value, bytes):
                answer = predict(self.connection, value)
            else:
                body = json.dumps({"features": value}).encode()
                answer = self.connection.request("POST", f"/predict?model={model}", body)
            fields = answer.json() or {}
            answers.append((answer.status, fields.get("version"), fields.get("probabilities")))
        return answers

    def __call__(self):
        try:
            return self.first == self.ask() and all(status == 200 for status, *_ in self.first)
        except OSError:
            return False


def write_table(path, randoms):
    """A small table: the weight class follows from size and colour."""
    lines = ["size,color,weight"]
    for _ in range(600):
        size, color = randoms.uniform(0, 10), randoms.choice(COLORS)
        heavy = size + COLORS.index(color) > 6
        lines.append(f"{size:.3f},{color},{'large' if heavy else 'small'}")
    path.write_text("\n".join(lines) + "\n")


def configuration_of(space, source, authority, randoms):
    """Three models: images from files, a table, images from an https source."""
    bars = image_model("bars", (SIDE, SIDE), 8, write_images(space, "train", 800, SIDE, 8, randoms),
                       default=True, retrain={"margin": 1})  # fmt: skip
    write_table(space / "table.csv", randoms)
    table = {
        "name": "table",
        "input": {
            "kind": "table",
            "target": "weight",
            "columns": [
                {"name": "size", "type": "numeric"},
                {"name": "color", "type": "categorical"},
            ],
        },
        "training": {"epochs": 2},
        "data": {"format": "csv", "train": {"features": [f"file://{space / 'table.csv'}"]}},
        "retrain": {"margin": 1},
    }
    served = space.folder("served")
    write_images(served, "remote", 400, SIDE, 8, randoms)
    remote = image_model("remote", (SIDE, SIDE), 8,
                         (f"{source.url}/remote-images", f"{source.url}/remote-labels"),
                         retrain={"margin": 1})  # fmt: skip
    limits = {
        "ca_file": authority,
        "attempts_max": 1,
        "bytes_max": DOWNLOAD_BYTES_MAX,
        "decompressed_bytes_max": UNPACKED_BYTES_MAX,
    }
    listener = {"body_bytes_max": BODY_BYTES_MAX, "rows_max": 64}
    return write_configuration(space, [bars, table, remote], downloads=limits, api=listener)


def main():
    options = arguments(__doc__.splitlines()[0], only=("", "requests, data or disk"))
    report = Report("bad input")
    randoms = random.Random(1)
    with Workspace(options) as space:
        right = make_certificates(space / "tls-right")
        wrong = make_certificates(space / "tls-wrong", ["elsewhere.example"], issuer=right)
        stranger = make_certificates(space / "tls-stranger")
        source = HTTPSSource(space.folder("served"), *right[1:])
        configuration = configuration_of(space, source, right[0], randoms)
        leeway = Leeway(options, configuration)
        for model in ("bars", "table", "remote"):
            leeway.retrain("--model", model)
        with leeway.serve(space, space / "state") as server, server.connect() as connection:
            server.wait_ready()
            pixels, _ = synthetic_images(1, SIDE, 8, randoms)
            row = {"size": 4.5, "color": "red"}
            steady = Steady(connection, [("bars", pixels), ("table", row)])
            if options.only in ("", "requests"):
                Requests(report, server, steady).all()
            if options.only in ("", "data"):
                data = Data(report, space, leeway, server, steady)
                data.images()
                data.rows()
                data.network(source, (right, wrong, stranger))
                distinct = len(set(data.messages.values()))
                report.check("every bad source has a message of its own",
                             distinct == len(data.messages),
                             f"{distinct} of {len(data.messages)}")  # fmt: skip
            report.check("the server is still the same and ends well",
                         server.is_alive() and server.stop() == 0)  # fmt: skip
        if options.only in ("", "disk"):
            full_disk(options, report, space, randoms)
    report.end()


if __name__ == "__main__":
    main()
