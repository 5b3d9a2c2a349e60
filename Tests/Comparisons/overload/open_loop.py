"""An open loop: requests leave at random times of their own, however long answers take.

One process, one epoll set, many kept TLS connections; each arrival takes one that is free. Arrivals
are Poisson, so that they do not come in step as those of a generator with one period for all do.
"""

import collections
import random
import select
import ssl
import time

from common import Connection


class OpenLoop:
    """So many requests a second for some time."""

    def __init__(self, port, context, connections, body):
        self.request = Connection.encode("POST", "/predict", body,
                                         "Content-Type: application/json\r\n")  # fmt: skip
        self.epoll = select.epoll()
        self.sockets, self.begun, self.partial = {}, {}, {}
        self.free = collections.deque()
        for _ in range(connections):
            socket = Connection(port, context).socket
            socket.setblocking(False)
            self.sockets[socket.fileno()] = socket
            self.epoll.register(socket.fileno(), select.EPOLLIN)
            self.free.append(socket.fileno())

    def run(self, rate, seconds, seed=1):
        """Gives (arrival, status, milliseconds) of each answer, and how many found no connection."""
        randoms = random.Random(seed)
        answers, crowded = [], 0
        start = now = time.perf_counter()
        due = start + randoms.expovariate(rate)
        end = start + seconds
        while now < end or self.begun:
            while due <= now and due < end:
                if self.free:
                    self.send(self.free.popleft(), due)
                else:
                    crowded += 1
                due += randoms.expovariate(rate)
            wait = max(0.0, (due if due < end else end + 0.05) - time.perf_counter())
            for number, _ in self.epoll.poll(min(wait, 0.05)):
                if status := self.receive(number):
                    begun = self.begun.pop(number)
                    took = 1000 * (time.perf_counter() - begun)
                    answers.append((begun - start, status, took))
                    self.free.append(number)
            now = time.perf_counter()
            if now > end + 10:
                break
        return answers, crowded, len(self.begun)

    def send(self, number, due):
        """Sends a request that was due then."""
        self.begun[number] = due
        self.sockets[number].send(self.request)

    def receive(self, number):
        """The status of an answer that is complete; None while it is not."""
        data = self.partial.pop(number, b"")
        try:
            while True:
                more = self.sockets[number].recv(65536)
                if not more:
                    raise ConnectionError("the server closed a connection")
                data += more
        except ssl.SSLWantReadError:
            pass
        head, found, body = data.partition(b"\r\n\r\n")
        if found:
            _, named, length = head.partition(b"Content-Length: ")
            if named and len(body) >= int(length.partition(b"\r\n")[0]):
                return int(head[9:12])
        self.partial[number] = data
        return None
