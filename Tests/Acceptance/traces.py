#!/usr/bin/env python3
"""Traces as a collector gets them: OTLP over HTTPS, read with OpenTelemetry's own types.

A receiver of this script takes the requests of the exporter. It must be told of every failed and
every slow request, of the first and of one in so many others, and of each retraining run with its
stages; a receiver that is away or busy is tried again without a lost span.
"""

import http.server
import json
import random
import ssl
import threading

from common import (
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    make_certificates,
    synthetic_images,
    wait_until,
    write_configuration,
    write_images,
)

SIDE, CLASSES = 8, 4
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it is sent; answers with `status`."""

    def __init__(self, certificate, key):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.requests, self.spans = 200, [], []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, headers, body):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
            ExportTraceServiceRequest,
        )

        message = ExportTraceServiceRequest()
        message.ParseFromString(body)
        # What is written anew from what was read must be the same bytes: nothing was unknown.
        self.requests.append((self.status, dict(headers), message.SerializeToString() == body))
        if self.status == 200:
            for resource in message.resource_spans:
                facts = {a.key: a.value.string_value for a in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self.spans += [(facts, span) for span in scope.spans]

    def named(self, name):
        """The spans of a name."""
        return [span for _, span in self.spans if span.name == name]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.take(self.headers, body)
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def attributes(span):
    """Attributes as a plain dictionary."""
    return {
        a.key: a.value.int_value if a.value.HasField("int_value") else a.value.string_value
        for a in span.attributes
    }


def bodies():
    pixels, _ = synthetic_images(16, SIDE, CLASSES, random.Random(3))
    size = SIDE * SIDE
    return [
        json.dumps({"image": list(pixels[i * size : (i + 1) * size])}).encode() for i in range(16)
    ]


def check_retraining(report, receiver):
    """The run that trained the first version."""
    runs = wait_until(lambda: receiver.named("retrain"), 30) or []
    report.check("the first retraining run is a span", len(runs) == 1)
    if not runs:
        return
    run = runs[0]
    facts = attributes(run)
    report.check(
        "with model, trigger and result",
        (facts.get("leeway.model.name"), facts.get("leeway.retraining.result"))
        == ("bars", "published"),
        facts,
    )
    stages = [
        span
        for _, span in receiver.spans
        if span.parent_span_id == run.span_id and span.trace_id == run.trace_id
    ]
    names = {span.name for span in stages}
    report.check(
        "and a span for every stage, within it",
        {"download", "validate", "train", "evaluate", "publish"} <= names
        and all(
            run.start_time_unix_nano
            <= s.start_time_unix_nano
            <= s.end_time_unix_nano
            <= run.end_time_unix_nano
            for s in stages
        ),
        sorted(names),
    )


def check_requests(report, server, receiver):
    """Failed, asked for, and one in so many."""
    with server.connect() as connection:
        for number in range(100):
            answer = connection.request("POST", "/predict", bodies()[number % 16])
            assert answer.status == 200
        fields = f"traceparent: 00-{TRACE}-{PARENT}-01\r\n"
        connection.request("POST", "/predict", bodies()[0], fields)

    def asked():
        return [s for s in receiver.named("POST /predict") if s.trace_id.hex() == TRACE]

    spans = wait_until(asked, 20) or []
    report.check(
        "a request that its caller traces is part of that trace",
        len(spans) == 1 and spans[0].parent_span_id.hex() == PARENT and spans[0].kind == 2,
    )
    if spans:
        phases = [s for _, s in receiver.spans if s.parent_span_id == spans[0].span_id]
        names = [s.name for s in phases]
        report.check(
            "with a span for each phase, within it",
            {"parse", "compute", "monitor", "serialise"} <= set(names)
            and all(
                spans[0].start_time_unix_nano <= s.start_time_unix_nano
                and s.end_time_unix_nano <= spans[0].end_time_unix_nano
                for s in phases
            ),
            names,
        )
        facts = attributes(spans[0])
        report.check(
            "and the facts of the semantic conventions",
            facts.get("http.response.status_code") == 200
            and facts.get("http.route") == "/predict"
            and facts.get("leeway.model.version") == "1",
            facts,
        )
    others = [s for s in receiver.named("POST /predict") if s.trace_id.hex() != TRACE]
    loops = len(others)
    # One in 40 of 100, and the first of each event loop: the loop of the one connection gives 3.
    report.check("of the others the first and one in 40", 2 <= loops <= 4, loops)


def check_away(report, server, receiver):
    """A receiver that is busy for a while."""
    before = len(receiver.named("POST /predict"))
    receiver.status = 503
    refused = len(receiver.requests)
    with server.connect() as connection:
        for _ in range(5):
            fields = f"traceparent: 00-{TRACE}-{PARENT}-01\r\n"
            connection.request("POST", "/predict", bodies()[0], fields)
    waited = wait_until(lambda: len(receiver.requests) > refused, 20)
    receiver.status = 200
    came = wait_until(lambda: len(receiver.named("POST /predict")) >= before + 5, 60)
    report.check("what a busy receiver refused comes again", bool(waited and came))
    metrics = server.metrics()
    report.check(
        "and is counted",
        metrics.value("leeway_trace_exports_total", result="unavailable") > 0
        and metrics.value("leeway_trace_spans_total", result="accepted") == len(receiver.spans)
        and metrics.value("leeway_trace_dropped_total") == 0,
    )


def main():
    options = arguments(__doc__)
    report = Report("traces")
    try:
        import opentelemetry.proto.collector.trace.v1.trace_service_pb2  # noqa: F401
    except ImportError:
        report.note("no opentelemetry-proto: skipped")
        report.end()
    with Workspace(options) as folder:
        authority, certificate, key = make_certificates(folder)
        receiver = Receiver(certificate, key)
        headers = folder / "headers"
        headers.write_text("X-Api-Key: of-the-collector\n")
        train = write_images(folder, "train", 300, SIDE, CLASSES, random.Random(5))
        configuration = write_configuration(
            folder,
            [image_model("bars", [SIDE, SIDE], CLASSES, train)],
            traces={
                "endpoint": f"https://localhost:{receiver.server_address[1]}/v1/traces",
                "ca_file": str(authority),
                "headers_file": str(headers),
                "sample_every": 40,
                "slow_milliseconds": 60000,
            },
        )
        leeway = Leeway(options, configuration)
        with leeway.serve(folder, f"{folder}/state") as server:
            report.check("the first version is trained", server.wait_ready())
            check_retraining(report, receiver)
            check_requests(report, server, receiver)
            check_away(report, server, receiver)
            with server.connect() as connection:
                fields = f"traceparent: 00-{TRACE[::-1]}-{PARENT}-01\r\n"
                connection.request("POST", "/predict", bodies()[0], fields)
            report.check("leeway ends in order", server.stop() == 0)
        last = [s for s in receiver.named("POST /predict") if s.trace_id.hex() == TRACE[::-1]]
        report.check("what was traced last is sent before the end", len(last) == 1)
        report.check(
            "every request is what OpenTelemetry's types write, under its type and key",
            receiver.requests
            and all(
                same
                and headers["Content-Type"] == "application/x-protobuf"
                and headers["X-Api-Key"] == "of-the-collector"
                for _, headers, same in receiver.requests
            ),
            len(receiver.requests),
        )
        facts = {json.dumps(facts, sort_keys=True) for facts, _ in receiver.spans}
        report.check("all from one service instance", len(facts) == 1 and "leeway" in str(facts))
    report.end()


if __name__ == "__main__":
    main()
