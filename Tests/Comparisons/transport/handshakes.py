#!/usr/bin/env python3
"""Full and resumed handshakes: Leeway and nginx with the same certificate, in turns.

`openssl s_time` on one core makes connections one after the other, each with one request and the
end; the server has another core. Told are connections a second and the server's processor time for
one of them, as medians with the least and the largest of the rounds.
"""

import re
import subprocess

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

from common import Report, Workspace, arguments

KINDS = [
    (version, mode) for version in ("-tls1_3", "-tls1_2") for mode in ("-new", "-reuse")
]


def round_of(server, version, mode, seconds):
    """Connections a second, and microseconds of the server's processor for each."""
    before = server.cpu_seconds()
    printed = subprocess.run(
        ["openssl", "s_time", "-connect", f"{HOST}:{server.port}", "-www", PATH, mode, version,
         "-time", str(seconds)],
        capture_output=True, text=True, preexec_fn=lambda: pinned(LOAD_CORE),
    ).stdout  # fmt: skip
    used = server.cpu_seconds() - before
    found = re.findall(r"(\d+) connections in (\d+) real seconds", printed)
    count, took = int(found[-1][0]), int(found[-1][1])
    return count / max(1, took), 1e6 * used / max(1, count)


def main():
    options = arguments(
        __doc__.splitlines()[0], rounds=(5, "how many rounds"), seconds=(4, "seconds of a round")
    )
    report = Report("handshakes: leeway and nginx")
    with Workspace(options) as space:
        certificates = make_certificates(space / "certificates")
        servers = [
            start_leeway(options, space.folder("leeway"), certificates),
            start_nginx(options, space.folder("nginx"), certificates),
        ]
        figures = {}
        for turn in range(options.rounds):
            for version, mode in KINDS:
                for server in servers if turn % 2 == 0 else reversed(servers):
                    rate, cost = round_of(server, version, mode, options.seconds)
                    figures.setdefault((version, mode, server.name), []).append((rate, cost))
        for version, mode in KINDS:
            for server in servers:
                rates, costs = zip(*figures[version, mode, server.name])
                name = f"{version[1:]} {mode[1:]} {server.name}"
                report.figure(f"{name}: connections a second", spread(rates))
                report.figure(f"{name}: µs of the server for one", spread(costs))
        for server in servers:
            server.stop()
    report.end()


if __name__ == "__main__":
    main()
