#!/usr/bin/env python3
"""Misbehaving TLS clients: each is told what is wrong by the right alert, and counted.

The clients are those of tlslite-ng (PyPI, LGPL), whose messages are changed, left out or added on
their way, and plain sockets with crafted bytes. Without tlslite-ng only the latter are tried.
"""

import random
import socket
import ssl
import struct
import time

from common import (
    HOST,
    Connection,
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    wait_until,
    write_configuration,
    write_images,
)

try:
    from tlslite.api import (
        HandshakeSettings,
        TLSAbruptCloseError,
        TLSAlert,
        TLSClosedConnectionError,
        TLSConnection,
        TLSRemoteAlert,
    )
    from tlslite.constants import AlertDescription, ContentType
    from tlslite.messages import (
        ApplicationData,
        ChangeCipherSpec,
        ClientHello,
        ClientKeyExchange,
        Finished,
        Message,
    )
except ImportError:
    TLSConnection = None

TLS12, TLS13 = (3, 3), (3, 4)

# Plain sockets


def extension(number, data):
    return struct.pack(">HH", number, len(data)) + data


def client_hello(ciphers=(0x1301, 0xC02B), version=0x0303, versions=(0x0304, 0x0303), name=None,
                 protocols=None, groups=(0x001D, 0x0017), key_share=True):  # fmt: skip
    """The handshake message of a client that has never been seen before."""
    extensions = b""
    if name is not None:
        extensions += extension(0, struct.pack(">HBH", len(name) + 3, 0, len(name)) + name)
    listed = b"".join(struct.pack(">H", group) for group in groups)
    extensions += extension(10, struct.pack(">H", len(listed)) + listed)
    extensions += extension(11, b"\x01\x00")
    algorithms = b"\x04\x03\x08\x04\x04\x01"
    extensions += extension(13, struct.pack(">H", len(algorithms)) + algorithms)
    if protocols:
        listed = b"".join(bytes([len(each)]) + each for each in protocols)
        extensions += extension(16, struct.pack(">H", len(listed)) + listed)
    if versions:
        listed = b"".join(struct.pack(">H", each) for each in versions)
        extensions += extension(43, bytes([len(listed)]) + listed)
    if key_share is not None:
        share = struct.pack(">HH", 0x001D, 32) + random.randbytes(32) if key_share else b""
        extensions += extension(51, struct.pack(">H", len(share)) + share)
    suites = b"".join(struct.pack(">H", each) for each in ciphers)
    body = struct.pack(">H", version) + random.randbytes(32) + b"\x00"
    body += struct.pack(">H", len(suites)) + suites + b"\x01\x00"
    body += struct.pack(">H", len(extensions)) + extensions
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


def records(data, size=16384, kind=22):
    """The data in records of this size."""
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(struct.pack(">BHH", kind, 0x0301, len(part)) + part for part in parts)


def said(port, data, seconds=15):
    """What the server sends to bytes: the kinds of its records, and the last plain alert."""
    with socket.create_connection((HOST, port), timeout=seconds) as plain:
        plain.sendall(data)
        answer, kinds, alert, closed = b"", [], None, False
        try:
            while chunk := plain.recv(65536):
                answer += chunk
                if answer[:1] == b"\x16":
                    break
            else:
                closed = True
        except OSError:
            closed = True
        while len(answer) >= 5:
            size = struct.unpack(">H", answer[3:5])[0]
            kinds.append(answer[0])
            if answer[0] == 21 and size == 2:
                alert = answer[6]
            answer = answer[5 + size :]
        return kinds, alert, closed


CRAFTED = [
    ("no common cipher", records(client_hello(ciphers=(0x0005, 0x1399))), 40),
    ("TLS 1.1 is all it knows", records(client_hello(version=0x0302, versions=())), 70),
    ("SSL 3 is all it knows", records(client_hello(version=0x0300, versions=())), 40),
    ("only unknown versions", records(client_hello(versions=(0x7F1C, 0x0A0A))), 70),
    ("no common group", records(client_hello(ciphers=(0x1301,), versions=(0x0304,),
                                             groups=(0x0019,), key_share=False)), 40),
    ("no list of key shares", records(client_hello(ciphers=(0x1301,), versions=(0x0304,),
                                                   key_share=None)), 109),
    ("no common application protocol", records(client_hello(protocols=[b"h2", b"smtp"])), 120),
    ("a record longer than any may be", struct.pack(">BHH", 22, 0x0301, 0x4801) + bytes(0x4801), 22),
    ("an unknown kind of record", struct.pack(">BHH", 99, 0x0303, 4) + b"what", 10),
    ("application data first", records(b"GET / HTTP/1.1\r\n\r\n", kind=23), 10),
    ("the end of a handshake first", records(b"\x14\x00\x00\x0c" + bytes(12)), 10),
    ("a hello with a length that lies", records(b"\x01\x00\x00\x05\x03\x03" + bytes(3)), 50),
]  # fmt: skip


def crafted(report, server):
    port = server.ports["api"]
    for name, data, expected in CRAFTED:
        kinds, alert, closed = said(port, data)
        report.check(f"{name}: alert {expected}, and the end", alert == expected and closed,
                     f"records {kinds}, alert {alert}")  # fmt: skip
    hello = client_hello()
    for name, data in [
        ("a hello in one record", records(hello)),
        ("a hello in records of one byte", records(hello, size=1)),
        ("a hello with an unknown name", records(client_hello(name=b"other.example"))),
        ("a hello without a share of a key", records(client_hello(ciphers=(0x1301,),
                                                             versions=(0x0304,),
                                                             key_share=False))),
    ]:  # fmt: skip
        kinds, alert, _ = said(port, data)
        report.check(f"{name} is answered", kinds[:1] == [22], f"records {kinds}, alert {alert}")
    with socket.create_connection((HOST, port), timeout=15) as plain:
        plain.sendall(records(hello)[:100])
        plain.settimeout(3)
        started = time.monotonic()
        try:
            ended = plain.recv(100) == b"" or True
        except TimeoutError:
            ended = False
        report.check("half a hello is waited for", not ended, f"{time.monotonic() - started:.1f} s")
        plain.settimeout(20)
        ended = plain.recv(100) == b""
        took = time.monotonic() - started
        report.check("for ten seconds", ended and 8 < took < 13, f"{took:.1f} s")


# tlslite-ng

if TLSConnection:

    class Changed(TLSConnection):
        """A client whose messages pass through `change`, which gives those to be sent instead."""

        def __init__(self, plain, change):
            super().__init__(plain)
            self.change = change

        def _sendMsg(self, message, *rest, **more):  # noqa: N802
            for each in self.change(message):
                yield from super()._sendMsg(each, *rest, **more)

    def unchanged(message):
        return [message]

    def spoiled_finished(message):
        if isinstance(message, Finished):
            message.verify_data = bytearray(message.verify_data)
            message.verify_data[0] ^= 1
        return [message]

    def leaving_out(kind):
        return lambda message: [] if isinstance(message, kind) else [message]

    def before(kind, more):
        return lambda message: [more(), message] if isinstance(message, kind) else [message]

    def instead(kind, more):
        return lambda message: [more()] if isinstance(message, kind) else [message]

    def data():
        return ApplicationData().create(bytearray(b"GET / HTTP/1.1\r\n\r\n"))

    def other_kind():
        return Message(99, bytearray(b"what"))

    CHANGED = [
        ("a wrong Finished", spoiled_finished, (TLS12, TLS13), ["decrypt_error"]),
        ("no Finished, but data", instead(Finished, data), (TLS12, TLS13), ["unexpected_message"]),
        ("data before Finished", before(Finished, data), (TLS12, TLS13), ["unexpected_message"]),
        ("no key exchange", leaving_out(ClientKeyExchange), (TLS12,), ["unexpected_message"]),
        ("no change of the cipher", leaving_out(ChangeCipherSpec), (TLS12,), ["unexpected_message"]),
        ("an unknown kind before Finished", before(Finished, other_kind), (TLS12, TLS13),
         ["unexpected_message"]),
        ("two hellos", before(ClientKeyExchange, lambda: Message(22, bytearray(client_hello()))),
         (TLS12,), ["unexpected_message"]),
    ]  # fmt: skip

    def handshake(port, change, version, **settings):
        """A handshake; gives the connection, and the name of the alert that ended it or None."""
        chosen = HandshakeSettings()
        chosen.minVersion = chosen.maxVersion = version
        for name, value in settings.items():
            setattr(chosen, name, value)
        plain = socket.create_connection((HOST, port), timeout=15)
        connection = Changed(plain, change)
        try:
            connection.handshakeClientCert(settings=chosen, serverName="localhost")
            return connection, None
        except (TLSRemoteAlert, TLSAbruptCloseError, TLSClosedConnectionError, OSError) as error:
            return connection, alert_name(error)

    def alert_name(error):
        if isinstance(error, TLSRemoteAlert):
            return AlertDescription.toStr(error.description)
        return type(error).__name__

    def answer_alert(connection, request):
        """Sends bytes; gives the name of the alert that comes back; None when an answer comes."""
        try:
            if request:
                connection.send(request)
            connection.read(max=1000, min=1)
            return None
        except TLSAlert as error:
            return alert_name(error)
        except (TLSAbruptCloseError, TLSClosedConnectionError) as error:
            return type(error).__name__
        except OSError:
            return None


def changed(report, server):
    port = server.ports["api"]
    request = Connection.encode("GET", "/livez")
    for version in (TLS12, TLS13):
        word = f"TLS 1.{version[1] - 1}"
        connection, alert = handshake(port, unchanged, version)
        report.check(f"{word}: an honest client is served",
                     answer_alert(connection, request) is None, alert)  # fmt: skip
        connection.sock.close()
        # An altered record after the handshake.
        connection, _ = handshake(port, unchanged, version)
        connection.sock.send(struct.pack(">BHH", 23, 0x0303, 40) + bytes(40))
        alert = answer_alert(connection, b"")
        report.check(f"{word}: a record with a wrong seal is told", alert == "bad_record_mac", alert)
        connection.sock.close()
    for name, change, versions, expected in CHANGED:
        for version in versions:
            connection, alert = handshake(port, change, version)
            alert = alert or answer_alert(connection, request)
            connection.sock.close()
            report.check(f"TLS 1.{version[1] - 1}: {name}: {' or '.join(expected)}",
                         alert in expected, alert)  # fmt: skip


def main():
    options = arguments(__doc__.splitlines()[0], seed=(1, "seed of the data"))
    report = Report("misbehaving TLS clients")
    with Workspace(options) as space:
        randoms = random.Random(options.seed)
        train = write_images(space, "train", 500, 28, 10, randoms)
        configuration = write_configuration(space, [image_model("bars", (28, 28), 10, train)])
        leeway = Leeway(options, configuration)
        leeway.retrain()
        with leeway.serve(space, space / "state") as server:
            server.wait_ready()
            before = server.metrics()
            crafted(report, server)
            if TLSConnection:
                changed(report, server)
            else:
                report.note("skipped: clients whose messages are changed: no tlslite-ng "
                            "(pip install tlslite-ng)")  # fmt: skip
            rise = server.metrics().risen(before)
            reasons = {dict(labels)["reason"]: value for (name, labels), value in rise.items()
                       if name == "leeway_tls_handshake_failures_total"}  # fmt: skip
            report.note(f"handshake failures by reason: {reasons}")
            for reason in ("no_shared_cipher", "protocol_version", "no_application_protocol",
                           "not_tls", "protocol_error", "timed_out"):  # fmt: skip
                report.check(f"counted as {reason}", reasons.get(reason, 0) > 0)
            report.check("an honest client is still served", server.get("/livez", "api")[0] == 200)
            opened = wait_until(lambda: server.metrics().value(
                "leeway_tls_handshakes_open", state="running") == 1, 5)  # fmt: skip
            report.check("no handshake is left behind but that of the scrape",
                         opened or server.metrics().value("leeway_tls_handshakes_open") <= 1)  # fmt: skip
            report.check("the server ends well", server.stop() == 0)
    report.end()


if __name__ == "__main__":
    main()
