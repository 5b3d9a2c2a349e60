"""What the acceptance scripts share: the appliance as a process, TLS clients, data files, a report.

Only Python's standard library and the `openssl` program are used. Nothing here knows the inside of
Leeway: it is driven by its command line, its configuration, its two listeners and its log.
"""

import argparse
import http.server
import json
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"


# Command line and report


def arguments(description, **more):
    """Parses the options that every script takes, and those of `more`: name = (default, help)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--leeway", help="the program (default: the checkout's release build)")
    parser.add_argument("--root", default=str(ROOT), help="the checkout, for its config folder")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder behind")
    for name, (default, text) in more.items():
        kind = type(default) if default is not None else str
        parser.add_argument(f"--{name}", default=default, type=kind, help=text)
    options = parser.parse_args()
    options.root = pathlib.Path(options.root).resolve()
    options.leeway = str(
        pathlib.Path(options.leeway or options.root / ".build/release/leeway").resolve()
    )
    if not os.access(options.leeway, os.X_OK):
        parser.error(f"{options.leeway} is no program: build it, or say --leeway PATH")
    return options


class Report:
    """Measured figures as a table, checks as lines, and the tally at the end."""

    def __init__(self, title):
        self.passed = self.failed = 0
        self.started = time.monotonic()
        print(f"== {title}", flush=True)

    def figure(self, name, value):
        """Prints one measured figure."""
        print(f"   {name:<52} {value}", flush=True)

    def note(self, text):
        """Prints a line that is neither a figure nor a check."""
        print(f"   {text}", flush=True)

    def check(self, name, holds, detail=""):
        """Counts a demand as passed or failed, and says so."""
        self.passed, self.failed = self.passed + bool(holds), self.failed + (not holds)
        mark = "ok  " if holds else "FAIL"
        print(f"{mark} {name}{f': {detail}' if detail != '' else ''}", flush=True)
        return bool(holds)

    def end(self):
        """Prints the tally and ends the program with 0 or 1."""
        self.figure("seconds in all", f"{time.monotonic() - self.started:.1f}")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)


def quantile(values, share):
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def chance_between(share, count):
    """By how much the shares of two samples of so many may differ by chance, one in 700 times."""
    return 3 * (2 * share * (1 - share) / count) ** 0.5


def wait_until(condition, seconds, every=0.01):
    """Waits until the condition gives something true, and returns it; its last value if never."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(every)


# Configuration


def write_configuration(folder, models, **sections):
    """Writes a configuration (JSON is YAML) with both listeners on free ports; gives its path."""
    configuration = {
        "api": {"listen": f"{HOST}:0"},
        "operations": {"listen": f"{HOST}:0"},
        "state": f"{folder}/state",
        "models": models,
    }
    for name, section in sections.items():
        base = configuration.get(name)
        configuration[name] = {**base, **section} if isinstance(base, dict) else section
    path = pathlib.Path(folder) / "leeway.yaml"
    path.write_text(json.dumps(configuration, indent=2))
    return path


def image_model(name, shape, classes, train, test=None, **sections):
    """One image model over files; `train` and `test` are pairs of URLs (images, labels)."""
    data = {"format": "idx", "train": {"features": [train[0]], "labels": [train[1]]}}
    if test:
        data["test"] = {"features": [test[0]], "labels": [test[1]]}
    model = {
        "name": name,
        "labels": [str(index) for index in range(classes)],
        "input": {"kind": "image", "shape": list(shape), "scale": 255},
        "network": {"hidden": [32], "activation": "relu"},
        "training": {"epochs": 2, "seed": 1},
        "data": data,
    }
    for section, value in sections.items():
        base = model.get(section)
        model[section] = {**base, **value} if isinstance(base, dict) else value
    return model


# Data files


def write_idx(path, values, shape):
    """Writes bytes as an IDX file of unsigned bytes with these extents."""
    header = struct.pack(">HBB", 0, 8, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    temporary = f"{path}.new"
    with open(temporary, "wb") as file:
        file.write(header + bytes(values))
    os.replace(temporary, path)


def read_idx(path):
    """Reads an IDX file of unsigned bytes, packed or not, as its extents and its bytes."""
    raw = pathlib.Path(path).read_bytes()
    if raw[:2] == b"\x1f\x8b":
        import gzip

        raw = gzip.decompress(raw)
    dimensions = raw[3]
    shape = struct.unpack(f">{dimensions}I", raw[4 : 4 + 4 * dimensions])
    return shape, raw[4 + 4 * dimensions :]


def synthetic_images(count, side, classes, randoms):
    """Images with one bright bar a class, and noise: easy to learn, quick to make.

    Gives (pixels, labels).
    """
    pixels, labels = bytearray(), bytearray()
    size = side * side
    for _ in range(count):
        label = randoms.randrange(classes)
        image = bytearray(value >> 1 for value in randoms.randbytes(size))
        for step in range(size // classes):
            image[label * (size // classes) + step] |= 0x80
        pixels += image
        labels.append(label)
    return bytes(pixels), bytes(labels)


def write_images(folder, name, count, side, classes, randoms):
    """Writes synthetic images and labels; gives the two file URLs."""
    pixels, labels = synthetic_images(count, side, classes, randoms)
    images, marks = f"{folder}/{name}-images", f"{folder}/{name}-labels"
    write_idx(images, pixels, (count, side, side))
    write_idx(marks, labels, (count,))
    return f"file://{images}", f"file://{marks}"


# The program


class Leeway:
    """The program with one configuration: its commands, and the server as a process."""

    def __init__(self, options, configuration, environment=None):
        self.program = options.leeway
        self.configuration = str(configuration) if configuration else None
        # Settings come from the file and this script alone.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("LEEWAY_")}
        self.environment = {**inherited, **(environment or {})}

    def command(self, *words):
        """The words of a command line, with the configuration."""
        chosen = ["--config", self.configuration] if self.configuration else []
        return [self.program, *words, *chosen]

    def run(self, *words, seconds=120):
        """Runs a command to its end; gives the completed process with its texts."""
        return subprocess.run(
            self.command(*words),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
        )

    def retrain(self, *words):
        """Runs `retrain --json`; gives the outcome, or raises what it said."""
        process = self.run("retrain", "--json", *words)
        if process.returncode not in (0, 3):
            raise RuntimeError(f"retrain ended with {process.returncode}: {process.stderr}")
        return json.loads(process.stdout)

    def start(self, *words, **more):
        """Starts a command and does not wait for it."""
        return subprocess.Popen(
            self.command(*words), env=self.environment, stdin=subprocess.DEVNULL, **more
        )

    def serve(self, folder, state):
        """Starts the server; gives it when both listeners are bound."""
        return Server(self, folder, state)


class Server:
    """A running `leeway serve`: its addresses, its log, its memory."""

    def __init__(self, leeway, folder, state, bound_seconds=30):
        self.folder = pathlib.Path(folder)
        self.authority = str(pathlib.Path(state) / "tls/ca.pem")
        self.log_path = self.folder / f"serve-{time.monotonic_ns()}.log"
        self.console_path = self.log_path.with_suffix(".out")
        with open(self.log_path, "wb") as log, open(self.console_path, "wb") as console:
            self.started = time.monotonic()
            self.process = leeway.start("serve", stdout=console, stderr=log)
        self._read = 0
        self._rest = b""
        self.lines = []
        self.ports = {}
        if not wait_until(self._bound, bound_seconds):
            self.kill()
            raise RuntimeError(f"the listeners were never bound: {self.log_path.read_text()}")
        self._context = None

    def _bound(self):
        for line in self.log("listening"):
            attributes = line["Attributes"]
            self.ports[attributes["listener"]] = int(attributes["server.address"].split(":")[-1])
        if self.process.poll() is not None:
            text = self.log_path.read_text()
            raise RuntimeError(f"the server ended with {self.process.returncode}: {text}")
        return len(self.ports) == 2

    @property
    def pid(self):
        """The process' number."""
        return self.process.pid

    @property
    def context(self):
        """A TLS context that trusts the development authority and nothing else."""
        if self._context is None:
            self._context = ssl.create_default_context(cafile=self.authority)
        return self._context

    def log(self, body=None, **attributes):
        """All log lines so far with this text and these attributes (`_` stands for `.`)."""
        with open(self.log_path, "rb") as file:
            file.seek(self._read)
            data = self._rest + file.read()
            self._read = file.tell()
        *complete, self._rest = data.split(b"\n")
        self.lines += [json.loads(line) for line in complete if line.startswith(b"{")]
        wanted = {name.replace("_", "."): value for name, value in attributes.items()}
        return [
            line
            for line in self.lines
            if (body is None or line["Body"] == body)
            and all(line.get("Attributes", {}).get(k) == v for k, v in wanted.items())
        ]

    def wait_log(self, body, count=1, seconds=30, **attributes):
        """Waits until so many such lines are in the log; gives them, or [] when it is too late."""

        def enough():
            found = self.log(body, **attributes)
            return found if len(found) >= count else []

        return wait_until(enough, seconds)

    def connect(self, listener="api", seconds=30):
        """A new keep-alive connection."""
        return Connection(self.ports[listener], self.context, seconds)

    def get(self, path, listener="operations"):
        """One request on a connection of its own: the status, and the body as text."""
        with self.connect(listener) as connection:
            answer = connection.request("GET", path)
            return answer.status, answer.body.decode()

    def post(self, path, body=b"", listener="operations"):
        """One request on a connection of its own: the status, and the body from JSON."""
        with self.connect(listener) as connection:
            answer = connection.request("POST", path, body)
            return answer.status, answer.json()

    def metrics(self):
        """All series now."""
        status, text = self.get("/metrics")
        if status != 200:
            raise RuntimeError(f"/metrics answered {status}")
        return Metrics(text)

    def wait_ready(self, seconds=60):
        """Waits for 200 from /readyz; gives whether it came."""
        return wait_until(lambda: self.get("/readyz", "api")[0] == 200, seconds)

    def memory_kilobytes(self, field="VmRSS"):
        """A figure of /proc/PID/status, in kB."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M).group(1))

    def memory_by_file(self):
        """Resident kB by mapped file and its rights, largest first."""
        sums, name = {}, ""
        for line in pathlib.Path(f"/proc/{self.pid}/smaps").read_text().splitlines():
            words = line.split()
            if re.match(r"^[0-9a-f]+-[0-9a-f]+$", words[0]):
                name = f"{words[1]} {words[5] if len(words) > 5 else '[anonymous]'}"
            elif words[0] == "Rss:":
                sums[name] = sums.get(name, 0) + int(words[1])
        return sorted(sums.items(), key=lambda pair: -pair[1])

    def is_alive(self):
        """Whether the process runs."""
        return self.process.poll() is None

    def kill(self):
        """SIGKILL, and waits for the end."""
        if self.is_alive():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=40):
        """SIGTERM; gives the exit code, or None when it had to be killed."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_alive():
            self.stop()


def trainers(configuration):
    """The numbers of the live retraining processes of this configuration."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            words = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            if b"retrain" in words and str(configuration).encode() in words and lives(entry):
                found.append(int(entry))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def lives(pid):
    """Whether any thread of a process can still run, or holds files and locks.

    A dead process that nobody has waited for yet does no work; but its first thread may be dead
    while another one has not ended yet, and one that is ending has no command line any more.
    """
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return False
    for task in tasks:
        try:
            stat = pathlib.Path(f"/proc/{pid}/task/{task}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if stat.rsplit(")", 1)[1].split()[0] not in "ZX":
            return True
    return False


# HTTP over TLS


class Answer:
    """The answer to one request."""

    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def json(self):
        """The body from JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Connection:
    """A keep-alive HTTP/1.1 connection over TLS, thin enough to make a load with."""

    def __init__(self, port, context, seconds=30):
        self._target = (port, context, seconds)
        self.buffer = b""
        self.reconnections = -1
        self._open()

    def _open(self):
        port, context, seconds = self._target
        plain = socket.create_connection((HOST, port), timeout=seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.buffer = b""
        self.reconnections += 1

    @staticmethod
    def encode(method, path, body=b"", fields=""):
        """The bytes of a request."""
        length = f"Content-Length: {len(body)}\r\n" if body or method == "POST" else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{length}{fields}\r\n"
        return head.encode() + body

    def send(self, data):
        """Sends bytes as they are."""
        self.socket.sendall(data)

    def receive(self):
        """Reads one answer."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self._fill()
        head = self.buffer[:end].decode("latin-1").split("\r\n")
        fields = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        size = end + 4 + int(fields.get("content-length", 0))
        while len(self.buffer) < size:
            self._fill()
        body, self.buffer = self.buffer[end + 4 : size], self.buffer[size:]
        status = int(head[0].split(" ", 2)[1])
        if fields.get("connection", "").lower() == "close":
            # The server may end a connection after an answer; the next request needs a new one.
            self.close()
            self.socket = None
        return Answer(status, fields, body)

    def _fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection before the answer was whole")
        self.buffer += data

    def ensure_open(self):
        """Connects anew where the last answer said that the connection ends."""
        if self.socket is None:
            self._open()

    def request(self, method, path, body=b"", fields=""):
        """Sends a request and reads its answer."""
        self.ensure_open()
        self.send(self.encode(method, path, body, fields))
        return self.receive()

    def close(self):
        """Ends the connection."""
        if self.socket is not None:
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def predict(connection, image):
    """Sends one image (bytes); gives the answer."""
    body = json.dumps({"image": list(image)}, separators=(",", ":")).encode()
    return connection.request("POST", "/predict", body)


# Metrics

_SERIES = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """The series of one scrape."""

    def __init__(self, text):
        self.series = {}
        self.counters = set()
        for line in text.splitlines():
            if line.startswith("# TYPE ") and line.endswith(" counter"):
                self.counters.add(line.split()[2])
            if match := _SERIES.match(line):
                labels = frozenset(_LABEL.findall(match.group(2) or ""))
                self.series[match.group(1), labels] = float(match.group(3))

    def value(self, name, **labels):
        """The sum of the series of this name that have these labels; None when there is none."""
        wanted = set(labels.items())
        found = [v for (n, present), v in self.series.items() if n == name and wanted <= present]
        return sum(found) if found else None

    def bucket(self, name, bound):
        """How many observations of a histogram, all its series together, were within a bound."""
        return sum(
            value
            for (n, present), value in self.series.items()
            if n == f"{name}_bucket" and float(dict(present)["le"]) == bound
        )

    def labels(self, name, label):
        """The values that a label has in the series of this name."""
        return sorted(dict(k)[label] for n, k in self.series if n == name and label in dict(k))

    def risen(self, before):
        """The counters that have risen since an earlier scrape: {(name, labels): by how much}."""
        return {
            key: value - before.series.get(key, 0)
            for key, value in self.series.items()
            if key[0] in self.counters and value > before.series.get(key, 0)
        }


# Certificates and an HTTPS source


def make_certificates(folder, names=("localhost",), issuer=None):
    """Makes an authority and a server certificate for the names; gives the paths (ca, chain, key).

    With `issuer`, what an earlier call gave, that authority signs.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    authority = pathlib.Path(issuer[0]) if issuer else folder / "ca.pem"
    authority_key = authority.with_suffix(".key")
    chain, key, request = folder / "server.pem", folder / "server.key", folder / "server.csr"
    extensions = folder / "server.ext"
    extensions.write_text("subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n")

    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    if not issuer:
        openssl("req", "-x509", *new_key, "-days", 2, "-subj", "/CN=acceptance authority",
                "-keyout", authority_key, "-out", authority)  # fmt: skip
    openssl("req", *new_key, "-subj", f"/CN={names[0]}", "-keyout", key, "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key,
            "-days", 2, "-set_serial", random.getrandbits(63), "-extfile", extensions,
            "-out", chain)  # fmt: skip
    return str(authority), str(chain), str(key)


class HTTPSSource:
    """An HTTPS server over a folder, with ETag and 304, as a source of training data.

    `answers` maps a path to a function of the request handler that answers in its own way.
    """

    def __init__(self, folder, chain, key):
        self.requests = []
        self.answers = {}
        self.use(chain, key)
        source = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if special := source.answers.get(self.path):
                    return special(self)
                path = pathlib.Path(folder) / self.path.lstrip("/")
                if not path.is_file():
                    return self.answer(404, b"")
                data = path.read_bytes()
                tag = f'"{path.stat().st_mtime_ns:x}-{len(data):x}"'
                if self.headers.get("If-None-Match") == tag:
                    return self.answer(304, b"", ETag=tag)
                self.answer(200, data, ETag=tag)

            def answer(self, status, data, length=None, **fields):
                source.requests.append((status, self.path))
                self.send_response(status)
                for name, value in fields.items():
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(data) if length is None else length))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                connection, address = super().get_request()
                # The handshake belongs to the connection's thread, not to the one that accepts.
                wrapped = source.context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
                return wrapped, address

            def handle_error(self, *_):
                # A client that refuses the certificate is part of the tests.
                pass

        self.server = Server((HOST, 0), Handler)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def use(self, chain, key):
        """Shows this certificate from the next connection on."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain, key)

    def close(self):
        """Ends it."""
        self.server.shutdown()
        self.server.server_close()


class Workspace:
    """A temporary folder, removed at the end unless --keep is given."""

    def __init__(self, options):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="leeway-acceptance-"))
        self._keep = options.keep

    def __truediv__(self, name):
        return self.path / name

    def __fspath__(self):
        return str(self.path)

    __str__ = __fspath__

    def folder(self, name):
        """Makes a folder below."""
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._keep:
            print(f"   kept: {self.path}")
        else:
            import shutil

            shutil.rmtree(self.path, ignore_errors=True)
