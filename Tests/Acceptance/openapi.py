#!/usr/bin/env python3
"""The description at /openapi.json: valid OpenAPI 3.1, and true: schemathesis finds no difference.

Schemathesis makes requests from the description, right ones and wrong ones, and checks that every
answer is as described: status, type and form, right bodies taken, wrong ones refused, no 5xx.
`openapi-spec-validator` and `schemathesis` are needed; without them this is skipped and says so.
"""

import importlib.util
import json
import os
import pathlib
import random
import re
import subprocess
import sys

from clients import CLASSES, table_model
from common import Leeway, Report, Workspace, arguments, image_model, write_configuration, write_images

# Small, so that a request made at random can be whole.
SIDE = 3
SIZE = SIDE * SIDE

# Bytes and CSV are nothing that JSON Schema could describe, so the hook makes them.
HOOKS = """
import schemathesis
from hypothesis import strategies

schemathesis.openapi.media_type(
    "application/octet-stream", strategies.binary(min_size={size}, max_size={size})
)
schemathesis.openapi.media_type("text/csv", strategies.sampled_from({rows}))
"""

def described(server, listener):
    """The description that a listener gives."""
    status, text = server.get("/openapi.json", listener)
    return json.loads(text) if status == 200 else {}


def validate(report, server):
    """Both descriptions are valid, and every example in them is by its own schema and answered."""
    from openapi_spec_validator import OpenAPIV31SpecValidator

    for listener in ("api", "operations"):
        document = described(server, listener)
        errors = [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
        report.check(f"{listener}: valid by openapi-spec-validator", not errors, errors[:2] or "")
        names = [op["operationId"] for path in document["paths"].values() for op in path.values()]
        report.check(f"{listener}: every operation has a name of its own",
                     len(set(names)) == len(names) > 8, len(names))  # fmt: skip
    document = described(server, "api")
    answered = 0
    wrong = []
    media = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    known = json.dumps(media["example"]).encode()
    with server.connect() as connection:
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                media = operation.get("requestBody", {}).get("content", {})
                example = media.get("application/json", {}).get("example")
                if example is None:
                    continue
                place = path.replace("{version}", "1").replace("{label}", "stable")
                if "request_id" in example:
                    # What it labels has to be predicted before.
                    name = f"X-Request-Id: {example['request_id']}\r\n"
                    connection.request("POST", "/predict", known, name)
                body = json.dumps(example).encode()
                answer = connection.request(method.upper(), place, body)
                answered += 1
                if answer.status != 200:
                    wrong.append((place, answer.status, answer.body))
    report.check("api: every example is answered", answered >= 8 and not wrong, wrong or answered)


def fuzz(report, server, folder, examples):
    """Runs schemathesis against the api listener; its report is shown when it finds something."""
    hooks = folder / "hooks.py"
    rows = [b"41,basic\n", b"7,pro\r\n70,team"]
    if folder.name == "image":
        rows = [",".join(["7"] * SIZE).encode(), b"\n".join([b",".join([b"200"] * SIZE)] * 2)]
    hooks.write_text(HOOKS.format(size=SIZE, rows=rows))
    program = pathlib.Path(sys.executable).with_name("schemathesis")
    base = f"https://localhost:{server.ports['api']}"
    command = [
        str(program), "run", f"{base}/openapi.json", "--url", base, "--tls-verify", server.authority,
        "--max-examples", str(examples), "--seed", "1", "--checks", "all", "--no-color",
        "--generation-database", "none",
    ]  # fmt: skip
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(folder)}
    environment["REQUESTS_CA_BUNDLE"] = environment["SSL_CERT_FILE"] = server.authority
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    text = process.stdout + process.stderr
    cases = re.search(r"(\d+) generated", text)
    if not report.check("schemathesis finds nothing", process.returncode == 0):
        print(text[-12_000:])
    report.figure("schemathesis: cases", cases.group(1) if cases else "unknown")


def main():
    options = arguments(__doc__.splitlines()[0], examples=(25, "cases of an operation"))
    report = Report("openapi")
    for package in ("schemathesis", "openapi_spec_validator"):
        if not importlib.util.find_spec(package):
            report.note(f"skipped: no package {package} here")
            report.end()
    randoms = random.Random(1)
    with Workspace(options) as space:
        for name in ("image", "table"):
            folder = space.folder(name)
            if name == "image":
                train = write_images(folder, "train", 400, SIDE, CLASSES - 1, randoms)
                test = write_images(folder, "test", 100, SIDE, CLASSES - 1, randoms)
                model = image_model("bars", (SIDE, SIDE), CLASSES - 1, train, test)
            else:
                model = table_model(folder, randoms)
            leeway = Leeway(options, write_configuration(folder, [model]))
            leeway.retrain()
            with leeway.serve(folder, folder / "state") as server:
                report.check(f"{name}: ready", server.wait_ready())
                validate(report, server)
                fuzz(report, server, folder, options.examples)
                report.check(f"{name}: the server ends well", server.stop() == 0)
    report.end()


if __name__ == "__main__":
    main()
