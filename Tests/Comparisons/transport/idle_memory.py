#!/usr/bin/env python3
"""Memory of idle TLS connections: Leeway and nginx with the same certificate, in turns.

So many connections make one request each and then say nothing. Told is the server's anonymous
resident memory for one of them, against that before, as the median of the rounds with the least and
the largest; each figure is of a new server.
"""

import socket
import ssl
import time

from servers import (
    HOST,
    LOAD_CORE,
    PATH,
    make_certificates,
    pinned,
    spread,
    start_leeway,
    start_nginx,
)

from common import Connection, Report, Workspace, arguments


def open_idle(server, context, count):
    """Opens connections that make one request each; gives them."""
    opened = []
    for _ in range(count):
        plain = socket.create_connection((HOST, server.port), timeout=30)
        secure = context.wrap_socket(plain, server_hostname="localhost")
        secure.sendall(Connection.encode("GET", PATH))
        secure.recv(4096)
        opened.append(secure)
    return opened


def for_one(server, certificates, version, count):
    """Kilobytes of the server for each idle connection."""
    context = ssl.create_default_context(cafile=certificates[0])
    context.maximum_version = version
    # What the first connections touch for good is not theirs.
    for connection in open_idle(server, context, 50):
        connection.close()
    time.sleep(0.5)
    before = server.memory_kilobytes()
    opened = open_idle(server, context, count)
    time.sleep(1)
    each = (server.memory_kilobytes() - before) / count
    for connection in opened:
        connection.close()
    return each


def main():
    options = arguments(
        __doc__.splitlines()[0],
        rounds=(3, "how many rounds"),
        connections=(2000, "how many connections"),
    )
    report = Report(f"{options.connections} idle TLS connections: leeway and nginx")
    pinned(LOAD_CORE)
    with Workspace(options) as space:
        certificates = make_certificates(space / "certificates")
        figures = {}
        versions = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2)
        for turn in range(options.rounds):
            for version in versions:
                for start in (start_leeway, start_nginx):
                    folder = space.folder(f"{start.__name__}-{turn}-{version.name}")
                    server = start(options, folder, certificates)
                    each = for_one(server, certificates, version, options.connections)
                    figures.setdefault((server.name, version.name), []).append(each)
                    server.stop()
        for (name, version), values in sorted(figures.items()):
            report.figure(f"{name} {version}: kB for one idle connection", spread(values, 1))
    report.end()


if __name__ == "__main__":
    main()
