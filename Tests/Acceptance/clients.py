#!/usr/bin/env python3
"""The clients that people have: Triton's and KServe's own packages make their usual calls over TLS.

Nothing is patched: `tritonclient[http]` and `kserve` are used as their documentation says. Where a
package is not installed, its part is skipped and said to be.
"""

import asyncio
import importlib.util
import json
import random
import ssl
import struct
import subprocess

from common import (
    Leeway,
    Report,
    Workspace,
    arguments,
    image_model,
    synthetic_images,
    write_configuration,
    write_images,
)

SIDE, CLASSES = 8, 4


def table_model(folder, randoms):
    """A table of a number and a category that decide, over a CSV file."""
    path = folder / "people.csv"
    lines = ["age,plan,left"]
    for _ in range(600):
        age, plan = randoms.randrange(18, 80), randoms.choice(["basic", "pro", "team"])
        lines.append(f"{age},{plan},{'yes' if (age > 50) != (plan == 'pro') else 'no'}")
    path.write_text("\n".join(lines) + "\n")
    columns = [{"name": "age", "type": "numeric"}, {"name": "plan", "type": "categorical"}]
    return {
        "name": "people",
        "task": "binary",
        "input": {"kind": "table", "target": "left", "columns": columns},
        "network": {"hidden": [8]},
        "training": {"epochs": 5, "seed": 1},
        "data": {"format": "csv", "train": [f"file://{path}"], "holdout": 0.2},
    }


def price_model(folder, randoms):
    """A regression of two numbers."""
    path = folder / "prices.csv"
    lines = ["size,rooms,price"]
    for _ in range(400):
        size, rooms = randoms.randrange(20, 200), randoms.randrange(1, 7)
        lines.append(f"{size},{rooms},{size * 3 + rooms * 10}")
    path.write_text("\n".join(lines) + "\n")
    columns = [{"name": "size", "type": "numeric"}, {"name": "rooms", "type": "numeric"}]
    return {
        "name": "prices",
        "task": "regression",
        "input": {"kind": "table", "target": "price", "columns": columns},
        "network": {"hidden": [8]},
        "training": {"epochs": 5, "seed": 1},
        "data": {"format": "csv", "train": [f"file://{path}"], "holdout": 0.2},
    }


class Bench:
    """A server with an image model and a table, and what /predict says of some rows."""

    def __init__(self, server, report, pixels, labels):
        self.server, self.report = server, report
        size = SIDE * SIDE
        self.images = [pixels[i * size : (i + 1) * size] for i in range(3)]
        self.labels = labels[:3]
        _, answer = server.post(
            "/predict?model=bars",
            json.dumps({"image": [list(image) for image in self.images]}).encode(),
            "api",
        )
        self.expected = [row["probabilities"] for row in answer["predictions"]]
        self.classes = [row["class"] for row in answer["predictions"]]

    def same(self, name, found, expected=None):
        """Whether probabilities have the bits of /predict's, as numbers of four bytes."""
        expected = self.expected if expected is None else expected

        def bits(rows):
            flat = [value for row in rows for value in row]
            return struct.pack(f"{len(flat)}f", *flat)

        self.report.check(name, bits(found) == bits(expected))


# Triton


def triton(bench):
    """`tritonclient[http]`: health, metadata, inference in every form, repository, statistics."""
    import numpy
    import tritonclient.http as http
    from tritonclient.utils import InferenceServerException

    server, report = bench.server, bench.report

    def connect(listener):
        return http.InferenceServerClient(
            f"localhost:{server.ports[listener]}",
            ssl=True,
            ssl_context_factory=lambda: ssl.create_default_context(cafile=server.authority),
        )

    client, operations = connect("api"), connect("operations")
    report.check("triton: live, ready, model ready",
                 client.is_server_live() and client.is_server_ready()
                 and client.is_model_ready("bars") and client.is_model_ready("bars", "1")
                 and not client.is_model_ready("bars", "9"))  # fmt: skip
    metadata = client.get_server_metadata()
    report.check("triton: server metadata names the extensions",
                 {"binary_tensor_data", "classification", "statistics", "model_repository"}
                 <= set(metadata["extensions"]))  # fmt: skip
    model = client.get_model_metadata("bars")
    report.check("triton: model metadata",
                 [t["name"] for t in model["inputs"]] == ["image"]
                 and model["inputs"][0]["shape"] == [-1, SIDE * SIDE]
                 and [t["name"] for t in model["outputs"]] == ["probabilities", "class"],
                 model["versions"])  # fmt: skip
    config = client.get_model_config("bars")
    report.check("triton: model configuration", config["input"][0]["dims"] == [SIDE * SIDE])

    pixels = numpy.array([list(image) for image in bench.images], dtype=numpy.uint8)
    kinds = [(numpy.uint8, "UINT8"), (numpy.float32, "FP32"), (numpy.float16, "FP16"),
             (numpy.float64, "FP64"), (numpy.int64, "INT64"), (numpy.uint16, "UINT16")]  # fmt: skip
    for kind, name in kinds:
        for binary in (True, False):
            if name == "FP16" and not binary:
                continue
            tensor = http.InferInput("image", pixels.shape, name)
            tensor.set_data_from_numpy(pixels.astype(kind), binary_data=binary)
            outputs = [
                http.InferRequestedOutput("probabilities", binary_data=binary),
                http.InferRequestedOutput("class", binary_data=not binary),
            ]
            result = client.infer("bars", [tensor], outputs=outputs, request_id="r-1")
            form = "binary" if binary else "JSON"
            bench.same(f"triton: {name} in {form}", result.as_numpy("probabilities").tolist())
            report.check(f"triton: {name} in {form}: class and id",
                         result.as_numpy("class").tolist() == bench.classes
                         and result.get_response()["id"] == "r-1")  # fmt: skip
    if importlib.util.find_spec("ml_dtypes"):
        import ml_dtypes

        tensor = http.InferInput("image", (3, SIDE, SIDE), "BF16")
        tensor.set_data_from_numpy(pixels.reshape(3, SIDE, SIDE).astype(ml_dtypes.bfloat16))
        result = client.infer("bars", [tensor], model_version="1")
        bench.same("triton: BF16, nested shape, version, all outputs",
                   result.as_numpy("probabilities").tolist())  # fmt: skip
    else:
        report.note("skipped: no package ml_dtypes, and so no BF16")

    tensor = http.InferInput("image", pixels.shape, "UINT8")
    tensor.set_data_from_numpy(pixels)
    wanted = [http.InferRequestedOutput("probabilities", binary_data=True, class_count=2)]
    classes = client.infer("bars", [tensor], outputs=wanted).as_numpy("probabilities")
    best = [entry.decode().split(":") for entry in classes[:, 0]]
    report.check("triton: classification", classes.shape == (3, 2)
                 and [int(entry[1]) for entry in best] == bench.classes, best[0])  # fmt: skip

    many = numpy.tile(pixels, (40, 1))
    tensor = http.InferInput("image", many.shape, "UINT8")
    tensor.set_data_from_numpy(many)
    for algorithm in ("gzip", "deflate"):
        result = client.infer(
            "bars",
            [tensor],
            request_compression_algorithm=algorithm,
            response_compression_algorithm=algorithm,
        )
        bench.same(f"triton: {algorithm} both ways",
                   result.as_numpy("probabilities").tolist(), bench.expected * 40)  # fmt: skip
    handles = [client.async_infer("bars", [tensor], timeout=5_000_000, priority=1)
               for _ in range(8)]  # fmt: skip
    report.check("triton: asynchronous, with timeout and priority",
                 all(handle.get_result().as_numpy("class").shape == (120,) for handle in handles))  # fmt: skip

    people_triton(bench, client, http, numpy)
    for name, call in {
        "name": lambda: client.infer("bars", [wrong(http, numpy, "pixels", (1, 64), "UINT8")]),
        "shape": lambda: client.infer("bars", [wrong(http, numpy, "image", (1, 63), "UINT8")]),
        "datatype": lambda: client.infer("bars", [wrong(http, numpy, "image", (1, 64), "BYTES")]),
        "model": lambda: client.infer("else", [tensor]),
        "version": lambda: client.infer("bars", [tensor], model_version="7"),
        "output": lambda: client.infer(
            "bars", [tensor], outputs=[http.InferRequestedOutput("logits")]
        ),
    }.items():
        try:
            call()
            report.check(f"triton: a wrong {name} raises", False)
        except InferenceServerException as error:
            report.check(f"triton: a wrong {name} raises", error.status().startswith("4"), error)

    statistics = client.get_inference_statistics("bars")["model_stats"][0]
    success, failed = (statistics["inference_stats"][k]["count"] for k in ("success", "fail"))
    report.check("triton: statistics count rows, requests and failures",
                 statistics["inference_count"] > statistics["execution_count"] == success > 20
                 and failed >= 4, (success, failed))  # fmt: skip
    report.check("triton: statistics of all models",
                 len(client.get_inference_statistics()["model_stats"]) == 3)  # fmt: skip
    repository(bench, client, operations, tensor, InferenceServerException)
    client.close()
    operations.close()


def wrong(http, numpy, name, shape, datatype):
    """An input with one thing wrong."""
    tensor = http.InferInput(name, shape, datatype)
    kind = object if datatype == "BYTES" else numpy.uint8
    tensor.set_data_from_numpy(numpy.full(shape, b"x" if kind is object else 1, dtype=kind))
    return tensor


def people_triton(bench, client, http, numpy):
    """The table: one tensor a column, categories as BYTES."""
    ages = numpy.array([30, 60, 70], dtype=numpy.int32)
    plans = numpy.array([b"basic", b"pro", b"team"], dtype=object)
    rows = [{"age": int(a), "plan": p.decode()} for a, p in zip(ages, plans)]
    _, answer = bench.server.post(
        "/predict?model=people", json.dumps({"features": rows}).encode(), "api"
    )
    expected = [row["probabilities"] for row in answer["predictions"]]
    for binary in (True, False):
        age = http.InferInput("age", (3,), "INT32")
        age.set_data_from_numpy(ages, binary_data=binary)
        plan = http.InferInput("plan", (3, 1), "BYTES")
        plan.set_data_from_numpy(plans.reshape(3, 1), binary_data=binary)
        result = client.infer("people", [plan, age])
        form = "binary" if binary else "JSON"
        bench.same(f"triton: a table's columns in {form}",
                   result.as_numpy("probabilities").tolist(), expected)  # fmt: skip
    sizes = numpy.array([30, 160], dtype=numpy.float32)
    rooms = numpy.array([1, 6], dtype=numpy.float32)
    body = {"features": [[float(a), float(b)] for a, b in zip(sizes, rooms)]}
    _, answer = bench.server.post("/predict?model=prices", json.dumps(body).encode(), "api")
    expected = [[row["value"]] for row in answer["predictions"]]
    for binary in (True, False):
        tensors = []
        for name, values in (("size", sizes), ("rooms", rooms)):
            tensor = http.InferInput(name, (2,), "FP32")
            tensor.set_data_from_numpy(values, binary_data=binary)
            tensors.append(tensor)
        wanted = [http.InferRequestedOutput("value", binary_data=binary)]
        result = client.infer("prices", tensors, outputs=wanted)
        form = "binary" if binary else "JSON"
        bench.same(f"triton: a regression in {form}",
                   [[value] for value in result.as_numpy("value").tolist()], expected)  # fmt: skip


def repository(bench, client, operations, tensor, failure):
    """Index, unload and load; what changes state is for the operations listener alone."""
    report = bench.report
    for name, side in (("api", client), ("operations", operations)):
        index = side.get_model_repository_index()
        report.check(f"triton: repository index at {name}",
                     sorted((m["name"], m["state"]) for m in index)
                     == [("bars", "READY"), ("people", "READY"), ("prices", "READY")])  # fmt: skip
    try:
        client.unload_model("bars")
        report.check("triton: the api listener unloads nothing", False)
    except failure as error:
        report.check("triton: the api listener unloads nothing", error.status() == "404")
    operations.unload_model("bars")
    states = {m["name"]: m["state"] for m in client.get_model_repository_index()}
    report.check("triton: unloaded: not ready, the server and the other model are",
                 not client.is_model_ready("bars") and not operations.is_model_ready("bars")
                 and client.is_server_ready() and client.is_model_ready("people")
                 and states["bars"] == "UNAVAILABLE" and states["people"] == "READY")  # fmt: skip
    try:
        client.infer("bars", [tensor])
        report.check("triton: an unloaded model answers 503", False)
    except failure as error:
        report.check("triton: an unloaded model answers 503", error.status() == "503", error)
    operations.load_model("bars")
    report.check("triton: loaded again", client.is_model_ready("bars")
                 and client.infer("bars", [tensor]) is not None)  # fmt: skip
    try:
        operations.load_model("bars", config="{}")
        report.check("triton: a configuration by load is refused", False)
    except failure as error:
        report.check("triton: a configuration by load is refused", error.status() == "400")


# KServe


async def kserve(bench):
    """KServe's REST client: both of its protocols."""
    import numpy
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
    from kserve.protocol.infer_type import RequestedOutput

    server, report = bench.server, bench.report
    base = f"https://localhost:{server.ports['api']}"

    def connect(protocol):
        return InferenceRESTClient(RESTConfig(protocol=protocol, verify=server.context))

    async with connect("v1") as client:
        report.check("kserve v1: live, model ready", await client.is_server_live(base)
                     and await client.is_model_ready(base, "bars"))  # fmt: skip
        instances = [list(image) for image in bench.images]
        answer = await client.infer(base, {"instances": instances}, model_name="bars")
        bench.same("kserve v1: instances", answer["predictions"])
        answer = await client.infer(base, {"inputs": {"image": instances}}, model_name="bars")
        bench.same("kserve v1: columns", answer["outputs"])
    async with connect("v2") as client:
        report.check("kserve v2: live, ready, model ready",
                     await client.is_server_live(base) and await client.is_server_ready(base)
                     and await client.is_model_ready(base, "bars"))  # fmt: skip
        pixels = numpy.array([list(image) for image in bench.images])
        for kind, name in ((numpy.float32, "FP32"), (numpy.uint8, "UINT8"), (numpy.float16, "FP16")):
            for binary in (True, False):
                if name == "FP16" and not binary:
                    continue
                tensor = InferInput("image", list(pixels.shape), name)
                tensor.set_data_from_numpy(pixels.astype(kind), binary_data=binary)
                outputs = [RequestedOutput("probabilities"), RequestedOutput("class")]
                request = InferRequest(
                    "bars",
                    [tensor],
                    request_id="k-1",
                    request_outputs=outputs,
                    parameters={"binary_data_output": binary},
                )
                answer = await client.infer(base, request, model_name="bars")
                found = {output.name: output.as_numpy() for output in answer.outputs}
                form = "binary" if binary else "JSON"
                bench.same(f"kserve v2: {name} in {form}", found["probabilities"].tolist())
                report.check(f"kserve v2: {name} in {form}: class, id, model",
                             found["class"].tolist() == bench.classes
                             and answer.id == "k-1" and answer.model_name == "bars")  # fmt: skip


# What needs no package


def plain(bench, folder):
    """curl with the README's flags, and the requests of TensorFlow Serving and SageMaker."""
    server, report = bench.server, bench.report
    image = folder / "image.raw"
    image.write_bytes(bench.images[0])
    rows = folder / "rows.csv"
    rows.write_text("\n".join(",".join(map(str, i)) for i in bench.images) + "\n")
    base = f"https://localhost:{server.ports['api']}"

    def curl(path, *words):
        command = ["curl", "-sS", "--cacert", server.authority, *words, f"{base}{path}"]
        return subprocess.run(command, capture_output=True, timeout=30).stdout

    octets = ("-H", "Content-Type: application/octet-stream", "--data-binary", f"@{image}")
    answer = json.loads(curl("/predict?model=bars", *octets))
    bench.same("curl: plain bytes", [answer["probabilities"]], bench.expected[:1])
    answer = curl("/v2/models/bars/infer", "-H", "Inference-Header-Content-Length: 0",
                  "--data-binary", f"@{image}")  # fmt: skip
    start = answer.index(b"]}") + 2
    found = struct.unpack(f"<{CLASSES}f", answer[start : start + 4 * CLASSES])
    bench.same("curl: a raw request and a binary answer", [found], bench.expected[:1])
    answer = json.loads(curl("/invocations?model=bars", "-H", "Content-Type: text/csv",
                             "--data-binary", f"@{rows}"))  # fmt: skip
    bench.same("curl: CSV to /invocations", answer["predictions"])
    floats = folder / "floats.raw"
    floats.write_bytes(struct.pack(f"<{SIDE * SIDE}f", *bench.images[0]))
    answer = json.loads(curl("/predict?model=bars&datatype=FP32", "-H",
                             "Content-Type: application/octet-stream",
                             "--data-binary", f"@{floats}"))  # fmt: skip
    bench.same("curl: plain floats", [answer["probabilities"]], bench.expected[:1])

    numbers = folder / "numbers.raw"
    numbers.write_bytes(struct.pack("<4f", 30, 1, 160, 6))
    body = {"instances": [[30, 1], [160, 6]]}
    _, answer = server.post("/v1/models/prices:predict", json.dumps(body).encode(), "api")
    found = json.loads(curl("/predict?model=prices&datatype=FP32", "-H",
                            "Content-Type: application/octet-stream",
                            "--data-binary", f"@{numbers}"))  # fmt: skip
    bench.same("curl: a regression's rows as floats",
               [[row["value"]] for row in found["predictions"]],
               [[value] for value in answer["predictions"]])  # fmt: skip

    frame = {"columns": ["plan", "age"], "data": [["pro", 60], ["basic", 30]]}
    rows = [{"age": 60, "plan": "pro"}, {"age": 30, "plan": "basic"}]
    bodies = {
        "dataframe_split": {"dataframe_split": frame},
        "dataframe_records": {"dataframe_records": rows},
        "instances": {"instances": rows},
        "inputs": {"inputs": {"age": [60, 30], "plan": ["pro", "basic"]}},
    }
    found = {}
    for name, body in bodies.items():
        status, answer = server.post("/invocations?model=people", json.dumps(body).encode(), "api")
        found[name] = (status, answer.get("predictions") or answer.get("outputs"))
    text = b"plan,age\npro,60\nbasic,30\n"
    with server.connect() as connection:
        answer = connection.request(
            "POST", "/invocations?model=people", text, "Content-Type: text/csv\r\n"
        )
        found["csv with a header"] = (answer.status, answer.json().get("predictions"))
    report.check("invocations: every form of a table is answered alike",
                 len(set(map(str, found.values()))) == 1 and found["instances"][0] == 200,
                 list(found))  # fmt: skip
    status, _ = server.get("/ping", "api")
    report.check("invocations: /ping", status == 200)
    status, body = server.get("/v1/models/bars/versions/1", "api")
    state = json.loads(body)["model_version_status"][0]
    report.check("tensorflow serving: status", (state["version"], state["state"]) == ("1", "AVAILABLE"))
    status, body = server.get("/v1/models/people/metadata", "api")
    signature = json.loads(body)["metadata"]["signature_def"]["signature_def"]["serving_default"]
    report.check("tensorflow serving: metadata", set(signature["inputs"]) == {"age", "plan"})


def main():
    options = arguments(__doc__.splitlines()[0])
    report = Report("clients")
    randoms = random.Random(1)
    with Workspace(options) as space:
        folder = space.folder("clients")
        train = write_images(folder, "train", 800, SIDE, CLASSES, randoms)
        test = write_images(folder, "test", 200, SIDE, CLASSES, randoms)
        models = [
            image_model("bars", (SIDE, SIDE), CLASSES, train, test),
            table_model(folder, randoms),
            price_model(folder, randoms),
        ]
        leeway = Leeway(options, write_configuration(folder, models))
        for model in ("bars", "people", "prices"):
            leeway.retrain("--model", model)
        pixels, labels = synthetic_images(3, SIDE, CLASSES, randoms)
        with leeway.serve(folder, folder / "state") as server:
            report.check("ready", server.wait_ready())
            bench = Bench(server, report, pixels, labels)
            plain(bench, folder)
            if importlib.util.find_spec("tritonclient"):
                triton(bench)
            else:
                report.note("skipped: no package tritonclient here")
            if importlib.util.find_spec("kserve"):
                asyncio.run(kserve(bench))
            else:
                report.note("skipped: no package kserve here")
            report.check("the server ends well", server.stop() == 0)
    report.end()


if __name__ == "__main__":
    main()
