#!/usr/bin/env python3
"""A data server for tests: good files and every fault we know, chosen by the path.

    python3 data_server.py --root DIR [--certificate PEM --key PEM] [--tls-1.1] [--remove DIR]

Standard library only. Serves HTTPS, or plain HTTP without a certificate, on a free port of
127.0.0.1; prints "port N" on one line when it is ready; ends when its standard input ends, so that
it cannot outlive the test that started it. The folder given with --remove goes away with it.

Good answers (NAME is a file in DIR, N a number of bytes; both also answer HEAD):
    /files/NAME         with ETag and Last-Modified; 304 when the request names either
    /weak/NAME          the same with a weak ETag only
    /modified/NAME      with Last-Modified only
    /plain/NAME         without either
    /bytes/N            N bytes, the same ones each time, with an ETag
    /gzip/NAME          Content-Encoding: gzip, whether the client asked for it or not
    /chunked/NAME       chunked
    /no-length/NAME     ended by a clean close of the connection
    /slow/NAME          whole, but waits until GET /release?t=… of the same t
    /echo               what was sent, as JSON
    /ranges/NAME        with ETag; gives a range where If-Range says the same ETag
    /secret/NAME        the file to those who send the Authorization or X-API-Key of ?want=TEXT
    /s3/REGION/NAME     the file to those who sign as S3 wants it, with key KEY and secret SECRET
    CONNECT host:port   a proxy (of a server without a certificate); ?-less, so logged without t

Faults:
    /stall/head         takes the request and says nothing
    /stall/body         half a body, then nothing
    /drip               a byte a second
    /early-close        Content-Length, half of that, close
    /short-length       a body longer than its Content-Length
    /no-length-cut      half a body without a length, ended without a TLS close
    /chunked-cut        a good chunk, then the end of the connection
    /chunked-bad        a chunk whose size is no number
    /endless            chunks for ever;  /endless-plain  bytes for ever, without a length
    /reset              a TCP reset after half a body
    /broken/NAME        with ETag; the first answer of this URL ends after half the body, then as
                        /ranges; ?then=… has the second answer go wrong instead:
                          other     the file has changed: If-Range fails, the new file comes whole
                          stubborn  changed, but 206 with the rest of the new file and its ETag
                          shifted   206 of another range than was asked for
                          longer    206 of a file that is said to be longer than what comes
                          gone      416
                          cut       again only half of what is left, then as /ranges
    /cut-weak/NAME      the same with a weak ETag, whose rest must not be asked for
    /garbage            not HTTP at all
    /big-head           a megabyte of header
    /partial            206 although no range was asked for
    /unasked-304        304 whatever was asked
    /odd-etag/NAME      an ETag that is far too long
    /status/CODE        that status; ?retry-after=TEXT adds the header
    /flaky/K/NAME       503 for the first K requests of this URL, then the file; ?retry-after=TEXT
    /redirect/loop      to itself
    /redirect/hops/K    K times, then /bytes/100
    /redirect/file      to file:///etc/hostname
    /redirect/plain     to http://
    /redirect/user      to a URL with a user name
    /redirect/other     to the same server under its other name (127.0.0.1 or localhost)
    /redirect/to?url=…  there
    /redirect/secret/NAME   to /secret/NAME under the server's other name

    /log?t=TOKEN        the requests so far whose query had t=TOKEN, as a JSON list of
                        {"method", "path", "headers"}
"""

import argparse
import email.utils
import gzip
import hashlib
import hmac
import http.server
import json
import os
import shutil
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse

LOG = []
COUNTS = {}
RELEASED = {}
LOCK = threading.Lock()


def sample(count):
    return hashlib.shake_128(b"leeway").digest(count)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "data-server"
    disable_nagle_algorithm = True

    def setup(self):
        if self.server.context:
            self.request.settimeout(30)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.strip("/").split("/")
        if parts[0] == "log":
            return self.answer_log()
        with LOCK:
            LOG.append((self.query.get("t"), self.command, url.path, dict(self.headers.items())))
        method = getattr(self, "answer_" + parts[0].replace("-", "_"), None)
        if method is None:
            return self.reply(404, b"no such path\n")
        method(*parts[1:])

    do_HEAD = do_GET
    do_POST = do_GET

    def do_CONNECT(self):
        with LOCK:
            LOG.append((None, self.command, self.path, dict(self.headers.items())))
        host, port = self.path.rsplit(":", 1)
        # Names that no name server knows lead here.
        host = "127.0.0.1" if host.endswith(".example.com") else host
        far = socket.create_connection((host, int(port)))
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        back = threading.Thread(target=self.pump, args=(far, self.connection), daemon=True)
        back.start()
        self.pump(self.connection, far)
        back.join()
        far.close()

    @staticmethod
    def pump(source, target):
        try:
            while True:
                piece = source.recv(65536)
                if not piece:
                    break
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    # Building blocks

    def head(self, status, *fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()

    def reply(self, status, body, *fields):
        self.head(status, ("Content-Length", str(len(body))), *fields)
        if self.command != "HEAD":
            self.wfile.write(body)

    def file(self, name):
        path = os.path.join(self.server.root, os.path.basename(name))
        with open(path, "rb") as file:
            return file.read(), email.utils.formatdate(os.stat(path).st_mtime, usegmt=True)

    def validated(self, body, etag=None, modified=None):
        fields = [("ETag", etag)] if etag else []
        fields += [("Last-Modified", modified)] if modified else []
        asked = self.headers.get("If-None-Match")
        since = self.headers.get("If-Modified-Since")
        if (asked and asked == etag) or (not asked and since and since == modified):
            return self.head(304, *fields)
        self.reply(200, body, *fields)

    def vanish(self):
        """Ends the connection without a word of TLS."""
        self.close_connection = True
        self.wfile.flush()
        raw = socket.socket(fileno=os.dup(self.connection.fileno()))
        raw.shutdown(socket.SHUT_RDWR)
        raw.close()

    def hold(self):
        """Says nothing until the client goes away."""
        self.close_connection = True
        try:
            self.connection.settimeout(None)
            while self.connection.recv(1024):
                pass
        except OSError:
            pass

    # Good answers

    def answer_files(self, name):
        body, modified = self.file(name)
        self.validated(body, '"' + hashlib.sha256(body).hexdigest()[:16] + '"', modified)

    def answer_weak(self, name):
        body, _ = self.file(name)
        self.validated(body, 'W/"' + hashlib.sha256(body).hexdigest()[:16] + '"')

    def answer_modified(self, name):
        body, modified = self.file(name)
        self.validated(body, None, modified)

    def answer_plain(self, name):
        self.reply(200, self.file(name)[0])

    def answer_bytes(self, count):
        self.validated(sample(int(count)), '"bytes-%s"' % count)

    def answer_gzip(self, name):
        body = gzip.compress(self.file(name)[0], mtime=0)
        self.reply(200, body, ("Content-Encoding", "gzip"))

    def answer_chunked(self, name):
        body, _ = self.file(name)
        self.head(200, ("Transfer-Encoding", "chunked"))
        for start in range(0, len(body), 1000):
            piece = body[start:start + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def answer_no_length(self, name):
        self.head(200, ("Connection", "close"))
        self.wfile.write(self.file(name)[0])
        self.close_connection = True
        if self.server.context:
            self.connection.unwrap()

    def answer_slow(self, name):
        self.event().wait(60)
        self.reply(200, self.file(name)[0])

    def answer_release(self):
        self.event().set()
        self.reply(200, b"")

    def event(self):
        with LOCK:
            return RELEASED.setdefault(self.query.get("t"), threading.Event())

    def answer_echo(self):
        count = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(count)
        text = json.dumps({
            "method": self.command,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode("utf-8", "replace"),
            "sha256": hashlib.sha256(body).hexdigest(),
        })
        self.reply(200, text.encode(), ("Content-Type", "application/json"))

    def ranged(self, body, etag):
        """The rest that was asked for, if the client knows the right entity tag."""
        asked = self.headers.get("Range", "")
        if not asked.startswith("bytes=") or self.headers.get("If-Range") != etag:
            return self.reply(200, body, ("ETag", etag))
        start = int(asked[6:].rstrip("-"))
        if start >= len(body):
            return self.reply(416, b"", ("Content-Range", "bytes */%d" % len(body)))
        self.rest(body, start, etag)

    def rest(self, body, start, etag, whole=None):
        span = "bytes %d-%d/%d" % (start, len(body) - 1, whole or len(body))
        self.reply(206, body[start:], ("ETag", etag), ("Content-Range", span))

    def answer_ranges(self, name):
        body, _ = self.file(name)
        self.ranged(body, self.tag(body))

    @staticmethod
    def tag(body):
        return '"' + hashlib.sha256(body).hexdigest()[:16] + '"'

    def answer_secret(self, name):
        shown = (self.headers.get("Authorization"), self.headers.get("X-API-Key"))
        if self.query.get("want") not in shown:
            return self.reply(401, b"no\n", ("WWW-Authenticate", "Basic"))
        self.answer_files(name)

    def answer_s3(self, region, name):
        if not signature_is_right(self, region):
            return self.reply(403, b"<Code>SignatureDoesNotMatch</Code>")
        self.answer_ranges(name)

    def answer_log(self):
        with LOCK:
            entries = [entry for entry in LOG if entry[0] == self.query.get("t")]
        names = ("method", "path", "headers")
        text = json.dumps([dict(zip(names, entry[1:])) for entry in entries])
        self.reply(200, text.encode(), ("Content-Type", "application/json"))

    # Faults

    def answer_stall(self, where):
        if where == "body":
            self.head(200, ("Content-Length", "100000"))
            self.wfile.write(sample(50000))
            self.wfile.flush()
        self.hold()

    def answer_drip(self):
        self.head(200, ("Content-Length", "100000"))
        self.close_connection = True
        for _ in range(60):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(1)

    def answer_early_close(self):
        self.head(200, ("Content-Length", "10000"))
        self.wfile.write(sample(5000))
        self.close_connection = True

    def answer_short_length(self):
        self.head(200, ("Content-Length", "100"))
        self.wfile.write(sample(200))
        self.close_connection = True

    def answer_no_length_cut(self):
        self.head(200, ("Connection", "close"))
        self.wfile.write(sample(5000))
        self.vanish()

    def answer_chunked_cut(self):
        self.head(200, ("Transfer-Encoding", "chunked"))
        self.wfile.write(b"64\r\n" + sample(100) + b"\r\n")
        self.close_connection = True

    def answer_chunked_bad(self):
        self.head(200, ("Transfer-Encoding", "chunked"))
        self.wfile.write(b"many\r\n" + sample(100) + b"\r\n0\r\n\r\n")
        self.close_connection = True

    def answer_endless(self):
        self.close_connection = True
        self.head(200, ("Transfer-Encoding", "chunked"))
        while True:
            self.wfile.write(b"1000\r\n" + bytes(0x1000) + b"\r\n")

    def answer_endless_plain(self):
        self.close_connection = True
        self.head(200, ("Connection", "close"))
        while True:
            self.wfile.write(bytes(0x1000))

    def answer_reset(self):
        self.head(200, ("Content-Length", "10000"))
        self.wfile.write(sample(5000))
        self.close_connection = True
        # Closed with this option, a socket sends a reset in place of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def answer_broken(self, name):
        with LOCK:
            COUNTS[self.path] = COUNTS.get(self.path, 0) + 1
            count = COUNTS[self.path]
        then = self.query.get("then")
        body, _ = self.file(name)
        new = body[::-1] + b"new"
        start = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
        if count == 1:
            return self.cut(body, 0, len(body) // 2)
        if then == "cut" and count == 2:
            return self.cut(body, start, (start + len(body)) // 2)
        if count > 2 or then is None:
            return self.ranged(new if then in ("other", "stubborn") else body,
                               self.tag(new if then in ("other", "stubborn") else body))
        if then == "other":
            return self.ranged(new, self.tag(new))
        if then == "stubborn":
            return self.rest(new, start, self.tag(new))
        if then == "shifted":
            return self.rest(body, start + 7, self.tag(body))
        if then == "longer":
            return self.rest(body, start, self.tag(body), whole=len(body) + 5)
        if then == "gone":
            return self.reply(416, b"")

    def cut(self, body, start, end, etag=None):
        fields = [("Content-Length", str(len(body) - start)), ("ETag", etag or self.tag(body))]
        if start:
            span = "bytes %d-%d/%d" % (start, len(body) - 1, len(body))
            fields.append(("Content-Range", span))
        self.head(206 if start else 200, *fields)
        self.wfile.write(body[start:end])
        self.close_connection = True

    def answer_cut_weak(self, name):
        with LOCK:
            COUNTS[self.path] = COUNTS.get(self.path, 0) + 1
            count = COUNTS[self.path]
        body, _ = self.file(name)
        if count == 1:
            return self.cut(body, 0, len(body) // 2, 'W/"weak"')
        self.reply(200, body, ("ETag", 'W/"weak"'))

    def answer_garbage(self):
        self.wfile.write(b"\x00\x01\x02 not HTTP\r\n\r\n")
        self.close_connection = True

    def answer_big_head(self):
        self.close_connection = True
        self.head(200, *[("X-Fill-%d" % n, "x" * 1000) for n in range(1000)])

    def answer_partial(self):
        self.reply(206, sample(50), ("Content-Range", "bytes 0-49/100"))

    def answer_unasked_304(self):
        self.head(304)

    def answer_odd_etag(self, name):
        self.reply(200, self.file(name)[0], ("ETag", '"' + "x" * 5000 + '"'))

    def answer_status(self, code):
        fields = [("Retry-After", self.query["retry-after"])] if "retry-after" in self.query else []
        if int(code) in (204, 304):
            return self.head(int(code), *fields)
        self.reply(int(code), b"an error page\n" * 10, *fields)

    def answer_flaky(self, times, name):
        with LOCK:
            COUNTS[self.path] = COUNTS.get(self.path, 0) + 1
            count = COUNTS[self.path]
        if count <= int(times):
            return self.answer_status("503")
        self.answer_files(name)

    def answer_redirect(self, where, hops="0"):
        _, port = self.server.server_address
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        other = "localhost" if host == "127.0.0.1" else "127.0.0.1"
        scheme = "https" if self.server.context else "http"
        hop = int(hops) if hops.isdigit() else 0
        target = {
            "loop": "/redirect/loop",
            "hops": "/redirect/hops/%d" % (hop - 1) if hop > 1 else "/bytes/100",
            "file": "file:///etc/hostname",
            "plain": "http://127.0.0.1:%d/bytes/100" % port,
            "user": "%s://user:secret@%s:%d/bytes/100" % (scheme, host, port),
            "other": "%s://%s:%d/bytes/100" % (scheme, other, port),
            "to": self.query.get("url", "/"),
            "secret": "%s://%s:%d/files/%s?%s" % (
                scheme, other, port, hops, urllib.parse.urlsplit(self.path).query),
        }[where]
        self.reply(302, b"elsewhere\n", ("Location", target))


def signature_is_right(request, region):
    """AWS Signature Version 4, worked out from the request itself."""
    text = request.headers.get("Authorization", "")
    if not text.startswith("AWS4-HMAC-SHA256 "):
        return False
    parts = dict(part.strip().split("=", 1) for part in text[17:].split(","))
    date = request.headers.get("X-Amz-Date", "")
    scope = "%s/%s/s3/aws4_request" % (date[:8], region)
    names = parts["SignedHeaders"].split(";")
    must = {"host", "x-amz-date", "x-amz-content-sha256"}
    if parts["Credential"] != "KEY/" + scope or not must <= set(names):
        return False
    url = urllib.parse.urlsplit(request.path)
    fields = "".join("%s:%s\n" % (n, request.headers.get(n, "").strip()) for n in names)
    body = hashlib.sha256(b"").hexdigest()
    if request.headers.get("X-Amz-Content-Sha256") != body:
        return False
    lines = [request.command, url.path, url.query, fields, parts["SignedHeaders"], body]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = b"AWS4SECRET"
    for word in (date[:8], region, "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    signed = "\n".join(["AWS4-HMAC-SHA256", date, scope, digest]).encode()
    right = hmac.new(key, signed, hashlib.sha256).hexdigest()
    return hmac.compare_digest(right, parts["Signature"])


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def main():
    # Sockets of the test process are inherited: held here, they would stay open when they are
    # closed there, and the other end would wait for ever.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--tls-1.1", dest="old", action="store_true")
    parser.add_argument("--remove")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", 0), Handler)
    server.root = arguments.root
    server.context = None
    if arguments.certificate:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(arguments.certificate, arguments.key)
        if arguments.old:
            server.context.set_ciphers("ALL:@SECLEVEL=0")
            server.context.minimum_version = ssl.TLSVersion.TLSv1
            server.context.maximum_version = ssl.TLSVersion.TLSv1_1
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("port %d" % server.server_address[1], flush=True)
    sys.stdin.buffer.read()
    if arguments.remove:
        shutil.rmtree(arguments.remove, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
