"""What the comparisons of transports share: Leeway and nginx with one certificate, each on one core.

Run by hand, on a machine that does nothing else: figures of different runs do not compare.
"""

import os
import pathlib
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "Acceptance"))

from common import (  # noqa: E402
    HOST,
    Leeway,
    image_model,
    make_certificates,
    wait_until,
    write_configuration,
)

SERVER_CORE, LOAD_CORE = 0, 1
PATH = "/livez"


def free_port():
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class Process:
    """A server: its port, its processor time, its memory."""

    def __init__(self, name, process, pid, port):
        self.name, self.process, self.pid, self.port = name, process, pid, port

    def cpu_seconds(self):
        """User and system time of the process that serves."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_kilobytes(self):
        """Resident memory of the process that serves, without what it shares with files."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split("RssAnon:")[1].split()[0])

    def stop(self):
        """Ends it and waits."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def pinned(core):
    """For a new process: stay on one core, and open as many files as allowed."""
    import resource

    os.sched_setaffinity(0, {core})
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def start_leeway(options, folder, certificates):
    """Leeway with one event loop; no model is needed for what is compared."""
    folder = pathlib.Path(folder)
    _, chain, key = certificates
    model = image_model("none", (4, 4), 2, (f"file://{folder}/none", f"file://{folder}/none"))
    configuration = write_configuration(
        folder, [model], event_loops=1, log={"access": "off", "level": "warning"},
        tls={"certificate": chain, "key": key, "watch_seconds": 0, "handshakes_max": 4096},
        api={"idle_seconds_max": 3600, "connections_max": 100_000},
    )  # fmt: skip
    port, operations = free_port(), free_port()
    environment = {"LEEWAY_API_LISTEN": f"{HOST}:{port}",
                   "LEEWAY_OPERATIONS_LISTEN": f"{HOST}:{operations}"}  # fmt: skip
    process = Leeway(options, configuration, environment).start(
        "serve", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: pinned(SERVER_CORE),
    )  # fmt: skip
    server = Process("leeway", process, process.pid, port)
    server.operations = operations
    return listening(server, certificates)


def start_nginx(options, folder, certificates):
    """nginx with one worker, session tickets, and a constant answer."""
    folder = pathlib.Path(folder)
    _, chain, key = certificates
    port, configuration = free_port(), folder / "nginx.conf"
    configuration.write_text(f"""
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
worker_rlimit_nofile 100000;
events {{ worker_connections 50000; }}
http {{
  access_log off; keepalive_timeout 3600s; keepalive_requests 1000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen {HOST}:{port} ssl backlog=1024;
    ssl_certificate {chain}; ssl_certificate_key {key};
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on; ssl_session_cache off;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    location / {{ default_type application/json; return 200 '{{"status":"ok"}}'; }}
  }}
}}
""")
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if not nginx:
        sys.exit("no nginx: apt install nginx-light")
    process = subprocess.Popen([nginx, "-p", folder, "-c", configuration],
                               preexec_fn=lambda: pinned(SERVER_CORE))  # fmt: skip
    server = listening(Process("nginx", process, process.pid, port), certificates)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    server.pid = int(children.split()[0])
    return server


def listening(server, certificates):
    """Waits until a server answers."""
    context = ssl.create_default_context(cafile=certificates[0])

    def answers():
        try:
            with socket.create_connection((HOST, server.port), timeout=5) as plain:
                with context.wrap_socket(plain, server_hostname="localhost"):
                    return True
        except OSError:
            return False

    if not wait_until(answers, 30, every=0.1):
        sys.exit(f"{server.name} does not answer")
    return server


def spread(values, digits=0):
    """The median, and the least and the largest."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


__all__ = [
    "HOST", "LOAD_CORE", "PATH", "Process", "make_certificates", "pinned", "spread",
    "start_leeway", "start_nginx", "time",
]  # fmt: skip
