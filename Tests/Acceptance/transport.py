"""What the scripts about the transport share: `leeway bench transport` as a process."""

import json
import pathlib
import re
import ssl
import subprocess

from common import HOST, Connection, make_certificates, wait_until


class BenchServer:
    """The appliance's listener with a responder that answers a constant, over TLS or plain."""

    def __init__(self, options, folder, *words, secure=True, descriptors=None):
        self.log_path = pathlib.Path(folder) / "bench.log"
        command = [options.leeway, "bench", "transport", *words]
        self.authority = None
        if secure:
            self.authority, chain, key = make_certificates(pathlib.Path(folder) / "tls")
            command += ["--certificate", chain, "--key", key]
        if descriptors:
            command = ["prlimit", f"--nofile={descriptors}:{descriptors}", *command]
        self._log = open(self.log_path, "wb")
        self.process = subprocess.Popen(command, stdout=self._log, stderr=self._log)
        self._read = 0
        if not wait_until(self._find_port, 20):
            raise RuntimeError(f"bench does not listen: {self.log_path.read_text()[-500:]}")

    def _find_port(self):
        found = re.search(r"listening on \S+:(\d+)", self.log_path.read_text())
        self.port = int(found.group(1)) if found else None
        return found is not None

    @property
    def pid(self):
        """The number of the process."""
        return self.process.pid

    def connect(self, seconds=30):
        """A new keep-alive connection over TLS."""
        return Connection(self.port, ssl.create_default_context(cafile=self.authority), seconds)

    def is_alive(self):
        """Whether the process runs."""
        return self.process.poll() is None

    def new_requests(self):
        """The access log's records since the last call."""
        with open(self.log_path, "rb") as file:
            file.seek(self._read)
            data = file.read()
        whole, _, _ = data.rpartition(b"\n")
        self._read += len(whole) + 1 if whole else 0
        records = [json.loads(line) for line in whole.split(b"\n") if line.startswith(b"{")]
        return [record["Attributes"] for record in records]

    def descriptors(self):
        """How many descriptors it has open."""
        return len(list(pathlib.Path(f"/proc/{self.pid}/fd").iterdir()))

    def memory_kilobytes(self):
        """Resident memory."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB", text, re.M).group(1))

    def cpu_seconds(self):
        """Processor time so far, user and system."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def stop(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(10)
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_alive():
            self.stop()
