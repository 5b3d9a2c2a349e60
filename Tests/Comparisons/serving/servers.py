"""The servers of the comparison, each with one worker on one core, and what is asked of them."""

import os
import pathlib
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Acceptance"))

import bodies  # noqa: E402
from common import HOST, Leeway, image_model, make_certificates, write_configuration  # noqa: E402

SERVER_CORE, LOAD_CORE = 0, 1
HERE = pathlib.Path(__file__).resolve().parent
TICK = os.sysconf("SC_CLK_TCK")


class NotStarted(Exception):
    """A server that is not installed, or does not come up."""


class Case:
    """A server with a form of request."""

    def __init__(self, name, form, server, path, requests, **fields):
        self.name, self.form, self.server, self.bodies = name, form, server, requests
        self.url = f"http{'s' if server.secure else ''}://{HOST}:{server.port}{path}"
        self.fields = {field.replace("_", "-"): value for field, value in fields.items()}
        self.slug = re.sub(r"\W+", "-", name)


class Server:
    """A server as a session of processes."""

    def __init__(self, name, command, port, folder, secure=True, environment=None):
        self.name, self.port, self.secure = name, port, secure
        self.output = open(folder / f"{re.sub(r'[^a-z]+', '-', name.lower())}.log", "wb")
        self.process = subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **(environment or {})},
            stdout=self.output,
            stderr=self.output,
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
        )

    def wait(self, path="/", seconds=60):
        """Waits until it answers anything at all."""
        deadline = time.monotonic() + seconds
        url = f"http{'s' if self.secure else ''}://{HOST}:{self.port}{path}"
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(url, context=unchecked(), timeout=5).close()
                return self
            except urllib.error.HTTPError as error:
                if error.code in (404, 405):
                    return self
                time.sleep(0.1)
            except OSError:
                time.sleep(0.1)
        self.stop()
        text = pathlib.Path(self.output.name).read_text(errors="replace")
        raise NotStarted(f"{self.name} does not answer: {text[-300:]}")

    def cpu_seconds(self):
        """Processor time of all processes of its session."""
        total = 0
        for entry in pathlib.Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == self.process.pid:
                total += int(fields[11]) + int(fields[12])
        return total / TICK

    def stop(self):
        """Ends it and its children."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.output.close()


def unchecked():
    """A client that trusts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def free_port():
    """A port that nobody listens on now."""
    import socket

    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def certificate(folder):
    """The chain and the key that all servers with TLS use."""
    return str(folder / "certificates/server.pem"), str(folder / "certificates/server.key")


def start_leeway(options, folder):
    """Leeway with one loop and everything on; gives it and the weights of its network."""
    home = folder / "leeway"
    home.mkdir()
    make_certificates(folder / "certificates")
    chain, key = certificate(folder)
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    urls = [(pathlib.Path(options.mnist) / f"{name}-ubyte.gz").resolve().as_uri() for name in names]
    model = image_model(
        "digits", (28, 28), 10, urls[:2], urls[2:], network={"hidden": [64]},
        **getattr(options, "model_sections", {}),
    )  # fmt: skip
    port = free_port()
    configuration = write_configuration(
        home, [model], event_loops=1, api={"listen": f"{HOST}:{port}"},
        tls={"certificate": chain, "key": key}, **getattr(options, "sections", {}),
    )  # fmt: skip
    leeway = Leeway(options, configuration)
    leeway.retrain()
    weights = home / "weights.safetensors"
    export = leeway.run("models", "export", str(weights), "--layout", "keras")
    if export.returncode:
        raise NotStarted(f"leeway models export: {export.stderr}")
    server = Server("leeway", leeway.command("serve"), port, home, environment=leeway.environment)
    return server.wait("/readyz"), weights


def leeway_cases(server, images):
    """JSON of 5 kB, and the 784 bytes of an image as they are."""
    return (
        Case("leeway, JSON", "JSON", server, "/predict",
             [bodies.predict(image, scaled=True) for image in images],
             Content_Type="application/json"),
        Case("leeway, raw uint8", "raw uint8", server, "/v2/models/digits/infer", images,
             Inference_Header_Content_Length="0", Content_Type="application/octet-stream"),
    )  # fmt: skip


def start_nginx(folder, name, length):
    """nginx with a constant answer of a length."""
    home, port = folder / f"nginx-{name}", free_port()
    home.mkdir()
    chain, key = certificate(folder)
    (home / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {home}; proxy_temp_path {home}; fastcgi_temp_path {home};
  uwsgi_temp_path {home}; scgi_temp_path {home}; client_body_buffer_size 16k;
  keepalive_requests 1000000000; keepalive_time 1d; default_type application/json;
  server {{
    listen {HOST}:{port} ssl backlog=4096;
    ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
    location / {{ return 200 '{"x" * length}'; }}
  }}
}}
""")
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    command = [nginx, "-p", home, "-c", home / "nginx.conf"]
    return Server(f"nginx {name}", command, port, home).wait()


def start_fastapi(options, folder, model, images):
    """FastAPI under uvicorn (uvloop, httptools) with TLS."""
    chain, key = certificate(folder)
    port = free_port()
    server = Server(
        "fastapi",
        [options.python, "-m", "uvicorn", "fastapi_peer:app", "--app-dir", HERE / "peers",
         "--host", HOST, "--port", port, "--workers", "1", "--loop", "uvloop",
         "--http", "httptools", "--no-access-log", "--log-level", "warning",
         "--ssl-certfile", chain, "--ssl-keyfile", key],
        port, folder, environment={"MODEL": str(model)},
    ).wait()  # fmt: skip
    return server, [
        Case("FastAPI, JSON", "JSON", server, "/predict", [bodies.predict(i) for i in images],
             Content_Type="application/json"),
        Case("FastAPI, raw uint8", "raw uint8", server, "/raw", images,
             Content_Type="application/octet-stream"),
    ]  # fmt: skip


def start_mosec(options, folder, model, images):
    """mosec over plain HTTP."""
    port = free_port()
    server = Server(
        "mosec",
        [options.python, HERE / "peers/mosec_peer.py", "--address", HOST, "--port", port,
         "--path", folder / "mosec", "--log-level", "warning"],
        port, folder, secure=False, environment={"MODEL": str(model)},
    ).wait()  # fmt: skip
    return server, [
        Case("mosec, JSON", "JSON", server, "/inference", [bodies.predict(i) for i in images]),
        Case("mosec, raw uint8", "raw uint8", server, "/inference", images),
    ]


def start_mlserver(options, folder, model, images):
    """MLServer over plain HTTP, its model in the server's own process."""
    if not options.mlserver:
        raise NotStarted("MLServer: no --mlserver")
    home, port = folder / "mlserver", free_port()
    home.mkdir()
    (home / "settings.json").write_text(
        f'{{"host": "{HOST}", "http_port": {port}, "grpc_port": {free_port()}, '
        f'"metrics_port": {free_port()}, "parallel_workers": 0, "debug": false}}'
    )
    (home / "model-settings.json").write_text(
        '{"name": "digits", "implementation": "mlserver_peer.Model"}'
    )
    shutil.copy(HERE / "peers/mlserver_peer.py", home)
    program = pathlib.Path(options.mlserver).parent / "mlserver"
    server = Server(
        "mlserver", [program, "start", home], port, home, secure=False,
        environment={"MODEL": str(model), "PYTHONPATH": str(home)},
    ).wait("/v2/models/digits/ready")  # fmt: skip
    path = "/v2/models/digits/infer"
    return server, [
        Case("MLServer, JSON", "JSON", server, path, [bodies.tensor(i) for i in images],
             Content_Type="application/json")
    ]  # fmt: skip


def start_triton(options, folder, model, images):
    """Triton with a model in Python, over plain HTTP."""
    if not options.triton:
        raise NotStarted("Triton: no --triton")
    home, port = folder / "triton", free_port()
    home.mkdir()
    server = Server(
        "triton", [options.triton, HERE / "peers/triton_peer.py", port], port, home, secure=False,
        environment={"MODEL": str(model), "PYTRITON_HOME": str(home)},
    ).wait("/v2/models/digits/ready", 120)  # fmt: skip
    path = "/v2/models/digits/infer"
    header = bodies.binary_tensor(images[0])[1]
    return server, [
        Case("Triton, JSON", "JSON", server, path, [bodies.tensor(i) for i in images]),
        Case("Triton, binary FP32", "raw uint8", server, path,
             [bodies.binary_tensor(i)[0] for i in images],
             Inference_Header_Content_Length=str(header)),
    ]  # fmt: skip
