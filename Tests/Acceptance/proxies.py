#!/usr/bin/env python3
"""Behind nginx and haproxy, every request that Leeway sees is one that the proxy sent.

Requests whose framing two programs might read differently go through each proxy to Leeway over kept
connections. Each answer of Leeway's carries an X-Request-Id, so that the answers that come back can be
counted against the requests in Leeway's access log: one more request than answers would be a smuggled
one. What is hidden in a body must never be seen as a request.
"""

import random
import shutil
import socket
import subprocess
import time

from common import HOST, Report, Workspace, arguments, wait_until
from transport import BenchServer

HIDDEN = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"


def post(fields, body, version="1.1"):
    """A POST with these fields and this body."""
    return f"POST /predict HTTP/{version}\r\nHost: a\r\n{fields}\r\n{body}"


def chunk(text):
    """A text as one chunk."""
    return f"{len(text):x}\r\n{text}\r\n"


def samples():
    """Requests by what is odd about them."""
    last = "0\r\n\r\n"
    whole = chunk("abc") + last
    chunked = "Transfer-Encoding: chunked\r\n"
    found = [
        ("plain GET", "GET /predict HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("plain POST", post("Content-Length: 3\r\n", "abc")),
        ("chunked POST", post(chunked, whole)),
        ("three pipelined", post("Content-Length: 3\r\n", "abc") * 3),
        ("request in a body", post(f"Content-Length: {len(HIDDEN)}\r\n", HIDDEN)),
        ("request in a chunk", post(chunked, chunk(HIDDEN) + last)),
        ("HTTP/1.0", post("Content-Length: 3\r\n", "abc", "1.0")),
        ("trailers", post(chunked, chunk("abc") + "0\r\nX-A: b\r\n\r\n")),
        ("framing in trailers", post(chunked, "0\r\nContent-Length: 50\r\n\r\n" + HIDDEN)),
        ("expectation", post("Content-Length: 3\r\nExpect: 100-continue\r\n", "abc")),
        ("length before coding", post("Content-Length: 6\r\n" + chunked, last + "G" + HIDDEN)),
        ("coding before length", post(chunked + "Content-Length: 6\r\n", last + "G" + HIDDEN)),
        ("long length and coding", post(f"Content-Length: {5 + len(HIDDEN)}\r\n" + chunked, last + HIDDEN)),
        ("coding in HTTP/1.0", post(chunked, last + HIDDEN, "1.0")),
        ("two lengths", post("Content-Length: 0\r\nContent-Length: 37\r\n", HIDDEN)),
        ("equal lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc" + HIDDEN)),
        ("short length", post("Content-Length: 0\r\n", HIDDEN)),
        ("GET with a body", f"GET /predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(HIDDEN)}\r\n\r\n{HIDDEN}"),
        ("upgrade", post("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 3\r\n", "abc" + HIDDEN)),
        ("hop field", post("Connection: Content-Length\r\nContent-Length: 37\r\n", HIDDEN)),
        ("absolute target", "GET http://b/predict HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("folded field", post("X: a\r\n b\r\nContent-Length: 0\r\n", "")),
    ]  # fmt: skip
    for value in ["", "+0", "-1", "0x0", "0 ", " 0", "0,0", "0, 37", "0;37", "00", "3_0", "1e1", "\x0b0", "37\x00"]:
        found.append((f"length {value!r}", post(f"Content-Length: {value}\r\n", HIDDEN)))
    for field in [
        "Transfer-Encoding : chunked", "Transfer-Encoding:\tchunked", "Transfer-Encoding: chunked ",
        "Transfer-Encoding:\x0bchunked", "Transfer-Encoding: \x00chunked", "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity", "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: ,chunked", "Transfer-Encoding: chunked,",
        "Transfer-Encoding: chunked;a=b", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: CHUNKED",
        "Transfer-Encoding: chunk", "Transfer_Encoding: chunked", "Transfer-Encoding\r\n: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", " Transfer-Encoding: chunked",
        "Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "X: a\nTransfer-Encoding: chunked",
        "X: a\rTransfer-Encoding: chunked", "Transfer-Encoding:\n chunked",
    ]:  # fmt: skip
        for length in ("", "Content-Length: 6\r\n", f"Content-Length: {5 + len(HIDDEN)}\r\n"):
            found.append((f"{field!r} {length!r}", post(f"{length}{field}\r\n", last + HIDDEN)))
    for size in [
        "0x3", "3;a", "3;a=b", '3;a="\r\n"', "3 ", " 3", "+3", "-3", "3_", "03", "3\x00", "3;\x00", "3\t",
        "00000000000000003", "10000000000000003", "3\r", "3;a\n",
    ]:  # fmt: skip
        found.append((f"chunk size {size!r}", post(chunked, f"{size}\r\nabc\r\n{last}{HIDDEN}")))
    for end in ["\n", "\r", "\r\r\n", "\n\n", "", "X\r\n", "\rX"]:
        found.append((f"end of size {end!r}", post(chunked, f"3{end}abc\r\n{last}{HIDDEN}")))
        found.append((f"end of data {end!r}", post(chunked, f"3\r\nabc{end}{last}{HIDDEN}")))
        found.append((f"end of body {end!r}", post(chunked, f"3\r\nabc\r\n0\r\n{end}{HIDDEN}")))
    return found


def mutants(count, randoms):
    """Damaged requests, the same in every run."""
    seeds = [text for _, text in samples()]
    pieces = ["\r\n", "\n", "\r", " ", "\t", ":", ",", ";", "0", "\x00", "chunked", "Content-Length: 2\r\n"]
    for number in range(count):
        text = list(randoms.choice(seeds))
        for _ in range(randoms.randint(1, 3)):
            place = randoms.randrange(len(text))
            kind = randoms.randrange(3)
            if kind == 0:
                del text[place]
            elif kind == 1:
                text[place] = chr(randoms.randrange(256))
            else:
                text.insert(place, randoms.choice(pieces))
        yield f"mutant {number}", "".join(text)


def free_port():
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def start_nginx(folder, target):
    """nginx that passes everything on over kept connections."""
    port = free_port()
    (folder / "nginx.conf").write_text(
        f"""worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.err;
        events {{ }}
        http {{
            access_log off; proxy_temp_path {folder}; client_body_temp_path {folder};
            fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
            upstream leeway {{ server {HOST}:{target}; keepalive 4; }}
            server {{
                listen {HOST}:{port};
                location / {{
                    proxy_pass http://leeway; proxy_http_version 1.1;
                    proxy_set_header Connection ""; proxy_request_buffering off;
                }}
            }}
        }}"""
    )
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    return port, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def start_haproxy(folder, target):
    """haproxy that passes everything on over kept connections."""
    port = free_port()
    (folder / "haproxy.cfg").write_text(
        f"""
global
    maxconn 100
defaults
    mode http
    option http-keep-alive
    http-reuse always
    timeout connect 2s
    timeout client 2s
    timeout server 2s
frontend f
    bind {HOST}:{port}
    default_backend b
backend b
    server leeway {HOST}:{target}
"""
    )
    command = ["haproxy", "-f", str(folder / "haproxy.cfg")]
    return port, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def send(port, text):
    """Sends one sample on a connection of its own; gives all that comes back."""
    received = b""
    with socket.create_connection((HOST, port), timeout=2) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(text.encode("latin-1"))
        connection.settimeout(0.06)
        try:
            while data := connection.recv(65536):
                received += data
        except (TimeoutError, ConnectionError):
            pass
    return received


def settled(server):
    """The requests that Leeway saw, when no more come."""
    seen = server.new_requests()
    quiet = time.monotonic() + 0.02
    while time.monotonic() < quiet:
        if more := server.new_requests():
            seen += more
            quiet = time.monotonic() + 0.02
        time.sleep(0.004)
    return seen


def compare(report, name, port, server, cases):
    """Sends all cases through one proxy, and counts."""
    smuggled, hidden, seen_in_all, answered_in_all = [], [], 0, 0
    for what, text in cases:
        received = send(port, text)
        seen = settled(server)
        answered = received.lower().count(b"\r\nx-request-id: ")
        # nginx still answers a request of HTTP/0.9, which has no head to carry the field.
        answered += bool(received) and not received.startswith(b"HTTP/")
        # A request that the client left before its end is seen, and answered to nobody.
        complete = [one for one in seen if one["http.response.status_code"] not in (499, 408)]
        seen_in_all += len(complete)
        answered_in_all += answered
        if len(complete) > answered:
            smuggled.append((what, len(complete), answered, received[:80]))
        if text.startswith("POST") and "short length" not in what and "mutant" not in what:
            paths = [one.get("url.path") for one in complete]
            if paths and paths[0] == "/hidden":
                hidden.append((what, paths))
    report.figure(f"{name}: requests seen, answers", f"{seen_in_all}, {answered_in_all}")
    report.check(f"{name}: something was compared", seen_in_all > 50)
    report.check(f"{name}: no request without its answer", not smuggled, smuggled[:3] or "")
    report.check(f"{name}: nothing hidden came first", not hidden, hidden[:3] or "")


def main():
    options = arguments(__doc__.splitlines()[0], mutants=(150, "damaged requests"))
    report = Report("front proxies")
    cases = samples() + list(mutants(options.mutants, random.Random(1)))
    with Workspace(options) as folder:
        for name, start in [("nginx", start_nginx), ("haproxy", start_haproxy)]:
            if not shutil.which(name):
                report.note(f"skipped: {name} is not installed")
                continue
            with BenchServer(options, folder.folder(name), "--access-log", secure=False) as server:
                port, proxy = start(folder.folder(name), server.port)
                try:
                    if not wait_until(lambda: is_open(port), 10):
                        report.check(f"{name} started", False)
                        continue
                    settled(server)
                    compare(report, name, port, server, cases)
                finally:
                    proxy.terminate()
                    proxy.wait()
                report.check(f"{name}: Leeway still answers", b" 200 " in send(server.port, cases[0][1]))
    report.end()


def is_open(port):
    """Whether something listens."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
        return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
