#!/usr/bin/env python3
"""Networks made in Python, imported and served: the answers are those of the Python side.

NumPy and safetensors are needed: where they are missing, pip puts them into .venv-bring-your-own
of the checkout. Keras and PyTorch are used when they can be imported (they are large; install them
into an environment of your own and run this script with its Python), else skipped with a line.

The lines that save and load weights are those of README.md, run as they stand there.
"""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import random
import re
import subprocess
import sys

from common import ROOT, Leeway, Report, Workspace, arguments, image_model, wait_until
from common import write_configuration, write_images

DIFFERENCE_MAX = 1e-5
SIDE, CLASSES, HIDDEN = 10, 5, [48, 24]
WIDTHS = [SIDE * SIDE, *HIDDEN, CLASSES]
ACTIVATIONS = ["relu", "leaky_relu", "tanh", "sigmoid", "gelu", "identity"]
IMAGES = 500


def find_numpy(report):
    """Makes numpy and safetensors importable; gives whether they are."""
    folder = ROOT / ".venv-bring-your-own"
    for attempt in range(2):
        try:
            import numpy  # noqa: F401
            import safetensors.numpy  # noqa: F401

            return True
        except ImportError:
            if attempt:
                return False
        sys.path.append(str(folder))
        if not (folder / "safetensors").exists():
            report.note(f"numpy and safetensors are missing: pip installs them into {folder.name}")
            subprocess.run(
                [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target",
                 str(folder), "--disable-pip-version-check", "--root-user-action", "ignore",
                 "numpy", "safetensors"],
                timeout=300,
            )  # fmt: skip
        sys.path_importer_cache.clear()
    return False


class Lines:
    """The Python lines of README.md, by the comment on top of each block."""

    def __init__(self, folder):
        self.folder = folder
        text = (ROOT / "README.md").read_text()
        blocks = re.findall(r"^```python\n# ([^\n]*)\n(.*?)^```", text, re.M | re.S)
        self.blocks = {title: code for title, code in blocks}

    def run(self, title, **names):
        """Runs the block whose comment begins so, in the folder; gives its names."""
        code = next(code for name, code in self.blocks.items() if name.startswith(title))
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            exec(code, names)
        finally:
            os.chdir(before)
        return names


# The Python side


def apply(activation, sums):
    """The activation in double precision."""
    import math

    import numpy as np

    return {
        "identity": lambda: sums,
        "relu": lambda: np.maximum(sums, 0),
        "leaky_relu": lambda: np.where(sums > 0, sums, 0.01 * sums),
        "tanh": lambda: np.tanh(sums),
        "sigmoid": lambda: 1 / (1 + np.exp(-sums)),
        "gelu": lambda: sums * (1 + np.vectorize(math.erf)(sums / math.sqrt(2))) / 2,
    }[activation]()


def forward(layers, activation, rows):
    """The last layer's sums in double precision: rows @ kernel + bias, layer by layer."""
    import numpy as np

    values = np.asarray(rows, dtype=np.float64)
    for index, (kernel, bias) in enumerate(layers):
        values = values @ kernel.astype(np.float64) + bias.astype(np.float64)
        if index < len(layers) - 1:
            values = apply(activation, values)
    return values


def softmax(sums):
    """Each row's probabilities."""
    import numpy as np

    exponentials = np.exp(sums - sums.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def some_layers(widths, seed, scale=1.5):
    """Random kernels and biases, as wide as trained ones."""
    import numpy as np

    numbers = np.random.default_rng(seed)
    return [
        (
            (scale * numbers.standard_normal((i, o)) / i**0.5).astype(np.float32),
            (0.3 * numbers.standard_normal(o)).astype(np.float32),
        )
        for i, o in zip(widths, widths[1:])
    ]


class Numpy:
    """Kernels and biases in NumPy."""

    name = "numpy"

    def __init__(self, activation, seed):
        self.activation = activation
        self.layers = some_layers(WIDTHS, seed)

    def save(self, lines):
        lines.run("NumPy: inputs @ kernel", layers=self.layers)

    def predict(self, rows):
        return softmax(forward(self.layers, self.activation, rows))

    layout = "keras"

    def loads(self, lines):
        """Whether an export has the very numbers."""
        loaded = lines.run("NumPy, from")["layers"]
        same = [(k == a).all() and (b == c).all() for (k, b), (a, c) in zip(loaded, self.layers)]
        return len(loaded) == len(self.layers) and all(same)


class Keras:
    """A Keras model of Dense layers, fitted for a moment."""

    name, layout = "keras", "keras"

    def __init__(self, activation, seed, data):
        import keras

        keras.utils.set_random_seed(seed)
        self.activation = activation
        self.model = self.build()
        self.model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        self.model.fit(*data, epochs=2, verbose=0)

    def build(self):
        import keras

        function = {
            "leaky_relu": lambda: keras.layers.LeakyReLU(negative_slope=0.01),
            "identity": lambda: "linear",
        }.get(self.activation, lambda: self.activation)()
        dense = [keras.layers.Dense(width, activation=function) for width in HIDDEN]
        model = keras.Sequential([keras.Input((WIDTHS[0],)), *dense, keras.layers.Dense(CLASSES)])
        return model

    def save(self, lines):
        lines.run("Keras 3", model=self.model)

    def predict(self, rows):
        return softmax(self.model.predict(rows, verbose=0).astype("float64"))

    def loads(self, lines):
        other = self.build()
        lines.run("Keras, from", model=other)
        pairs = zip(self.model.get_weights(), other.get_weights())
        return all((one == same).all() for one, same in pairs)


class Torch:
    """A PyTorch model of Linear layers, fitted for a moment."""

    name, layout = "pytorch", "pytorch"

    def __init__(self, activation, seed, data):
        import torch

        torch.manual_seed(seed)
        self.activation = activation
        self.model = self.build()
        rows, labels = (torch.from_numpy(part) for part in data)
        optimiser = torch.optim.Adam(self.model.parameters(), lr=0.003)
        for _ in range(60):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(self.model(rows), labels.long()).backward()
            optimiser.step()

    def build(self):
        from torch import nn

        function = {
            "relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "tanh": nn.Tanh,
            "sigmoid": nn.Sigmoid, "gelu": nn.GELU, "identity": nn.Identity,
        }[self.activation]  # fmt: skip
        layers = []
        for inputs, outputs in zip(WIDTHS, HIDDEN):
            layers += [nn.Linear(inputs, outputs), function()]
        return nn.Sequential(*layers, nn.Linear(HIDDEN[-1], CLASSES))

    def save(self, lines):
        lines.run("PyTorch: weights", model=self.model)

    def predict(self, rows):
        import torch

        with torch.no_grad():
            return self.model(torch.from_numpy(rows)).softmax(dim=1).double().numpy()

    def loads(self, lines):
        other = self.build()
        lines.run("PyTorch, from", model=other)
        pairs = zip(self.model.state_dict().values(), other.state_dict().values())
        return all((one == same).all() for one, same in pairs)


MAKERS = {"numpy": Numpy, "keras": Keras, "pytorch": Torch}
MODULES = {"numpy": "numpy", "keras": "keras", "pytorch": "torch"}


# The appliance


def import_file(leeway, path, *words):
    """`leeway models import --json`; gives the exit code, the outcome, and what it said."""
    process = leeway.run("models", "import", str(path), "--json", *words)
    outcome = json.loads(process.stdout) if process.stdout.strip() else None
    return process.returncode, outcome, process.stderr


class Images:
    """Networks of one maker for images, one model for each activation."""

    def __init__(self, options, report, space, maker):
        import numpy as np

        self.report = report
        self.folder = space.folder("images")
        self.lines = Lines(self.folder)
        randoms = random.Random(4)
        urls = write_images(self.folder, "train", 2000, SIDE, CLASSES, randoms)
        test = write_images(self.folder, "test", 500, SIDE, CLASSES, randoms)
        pixels = pathlib.Path(urls[0][len("file://"):]).read_bytes()[16:]
        labels = pathlib.Path(urls[1][len("file://"):]).read_bytes()[8:]
        rows = np.frombuffer(pixels, np.uint8).reshape(-1, SIDE * SIDE)
        data = rows.astype(np.float32) / 255, np.frombuffer(labels, np.uint8).astype(np.int32)
        # Half of what is asked are rows of the data, half is noise.
        noise = np.random.default_rng(9).integers(0, 256, (IMAGES // 2, SIDE * SIDE), np.uint8)
        self.asked = np.concatenate([rows[: IMAGES - len(noise)], noise])
        more = () if maker is Numpy else (data,)
        self.networks = {
            f"{maker.name}-{activation}": maker(activation, seed + 1, *more)
            for seed, activation in enumerate(ACTIVATIONS)
        }
        models = [
            image_model(name, (SIDE, SIDE), CLASSES, urls, test, retrain={"margin": 1},
                        network={"hidden": HIDDEN, "activation": network.activation})
            for name, network in self.networks.items()
        ]  # fmt: skip
        models[0]["default"] = True
        self.leeway = Leeway(options, write_configuration(self.folder, models))

    def run(self):
        """Imports all, serves all, asks all, exports all."""
        for name, network in self.networks.items():
            network.save(self.lines)
            code, outcome, said = import_file(self.leeway, self.file, "--model", name)
            published = code == 0 and outcome["published"] and outcome["version"] == 1
            detail = "" if published else said[-300:]
            if not self.report.check(f"{name}: the import is published", published, detail):
                return
        with self.leeway.serve(self.folder, self.folder / "state") as server:
            server.wait_ready()
            with server.connect() as connection:
                self.answers(connection)
                self.swap(server, connection)
            self.report.check("the server ends well", server.stop() == 0)
        self.exports()
        self.refusals()

    @property
    def file(self):
        return self.folder / "model.safetensors"

    def ask(self, connection, name):
        """The probabilities and the version of the asked images."""
        body = json.dumps({"image": self.asked.tolist(), "model": name}).encode()
        answer = connection.request("POST", "/predict", body).json()
        rows = [prediction["probabilities"] for prediction in answer["predictions"]]
        return rows, answer["version"]

    def difference(self, connection, name):
        """The greatest difference between served and expected probabilities."""
        import numpy as np

        expected = self.networks[name].predict(self.asked.astype(np.float32) / 255)
        served, version = self.ask(connection, name)
        return float(np.abs(np.asarray(served) - expected).max()), version

    def answers(self, connection):
        """The served answers are the Python side's."""
        greatest = 0
        for name in self.networks:
            found, _ = self.difference(connection, name)
            self.report.check(f"{name}: {IMAGES} answers as in Python", found <= DIFFERENCE_MAX,
                              f"{found:.1e}")  # fmt: skip
            greatest = max(greatest, found)
        maker = name.split("-")[0]
        self.report.figure(f"{maker}: greatest difference of all", f"{greatest:.1e}")

    def swap(self, server, connection):
        """An import beside a running server goes live."""
        name = next(iter(self.networks))
        self.networks[name] = Numpy("relu", 99)
        self.networks[name].save(self.lines)
        code, outcome, _ = import_file(self.leeway, self.file, "--model", name)
        self.report.check("a second import is published beside the running server",
                          code == 0 and outcome["version"] == 2)  # fmt: skip
        live = wait_until(lambda: self.difference(connection, name)[1] == "2", 5, 0.05)
        found, version = self.difference(connection, name)
        self.report.check("the server answers by it", live and found <= DIFFERENCE_MAX,
                          f"version {version}, {found:.1e}")  # fmt: skip

    def exports(self):
        """Exports of both layouts give the same network in Python and in a new version."""
        target = self.folder / "export.safetensors"
        for name, network in self.networks.items():
            process = self.leeway.run("models", "export", str(target), "--model", name,
                                      "--layout", network.layout, "--overwrite")  # fmt: skip
            loads = process.returncode == 0 and network.loads(self.lines)
            self.report.check(f"{name}: the export loads in Python as the same numbers", loads,
                              process.stderr)  # fmt: skip
        again = self.leeway.run("models", "export", str(target), "--model", name)
        self.report.check("an export does not replace a file unasked", again.returncode == 2,
                          again.stderr.strip())  # fmt: skip
        files = []
        for layout in ("pytorch", "keras"):
            name = list(self.networks)[2]
            self.leeway.run("models", "export", str(target), "--model", name, "--layout", layout,
                            "--overwrite")  # fmt: skip
            import_file(self.leeway, target, "--model", name)
            versions = sorted((self.folder / f"state/models/{name}/versions").iterdir())
            files.append((versions[-1] / "model.safetensors").read_bytes())
            files.append((versions[0] / "model.safetensors").read_bytes())
        self.report.check("both layouts import as the same bytes",
                          len(set(files)) == 1 and len(versions) == 3, len(versions))  # fmt: skip

    def refusals(self):
        """What cannot be taken, with its exit code and words."""
        from safetensors.numpy import save_file

        name = list(self.networks)[4]
        kernels = {f"{i}.kernel": kernel for i, (kernel, _) in
                   enumerate(some_layers(WIDTHS, 7))}  # fmt: skip
        whole = self.file.read_bytes()
        cases = {
            "a weight that is not transposed": {
                **{k: v for k, v in kernels.items() if k[0] != "1"},
                "1.weight": kernels["1.kernel"],
            },
            "another width": {"0.kernel": kernels["0.kernel"][:, :40],
                              "1.kernel": kernels["1.kernel"][:40],
                              "2.kernel": kernels["2.kernel"]},
            "NaN": {**kernels, "0.kernel": kernels["0.kernel"] * float("nan")},
            "a missing layer": {k: v for k, v in kernels.items() if k[0] != "2"},
        }  # fmt: skip
        for case, tensors in cases.items():
            save_file(tensors, str(self.file))
            self.refused(case, name)
        self.file.write_bytes(whole[: len(whole) // 2])
        self.refused("a truncated file", name)
        self.file.unlink()
        self.refused("a missing file", name)
        process = self.leeway.run("models", "list", "--model", name, "--json")
        self.report.check("nothing of it became a version", len(json.loads(process.stdout)) == 1)

    def refused(self, case, name):
        code, outcome, said = import_file(self.leeway, self.file, "--model", name)
        said = said.strip().splitlines()[-1].replace(str(self.folder), "…")
        self.report.check(f"{case} is refused", code == 1 and outcome is None, said)


class Prices:
    """A regression on a table: the inputs are what the schema of a version says."""

    def __init__(self, options, report, space):
        self.report = report
        self.folder = space.folder("table")
        numbers = random.Random(3)
        self.rows = [
            {"width": numbers.uniform(1, 9), "height": numbers.uniform(100, 300),
             "colour": numbers.choice(["red", "green", "blue"])}
            for _ in range(400)
        ]  # fmt: skip
        lines = ["width,height,colour,price"]
        for row in self.rows:
            price = 20 * row["width"] + row["height"] / 3 + 15 * (row["colour"] == "red")
            lines.append(f"{row['width']},{row['height']},{row['colour']},{price}")
        (self.folder / "data.csv").write_text("\n".join(lines) + "\n")
        model = {
            "name": "prices",
            "task": "regression",
            "input": {"kind": "table", "target": "price"},
            "network": {"hidden": [8], "activation": "tanh"},
            "training": {"epochs": 2},
            "data": {"format": "csv", "train": [f"file://{self.folder}/data.csv"]},
        }
        configuration = write_configuration(self.folder, [model])
        self.leeway = Leeway(options, configuration)
        # The schema comes from a version in a store of its own, so that no gate is in the way.
        self.fitted = Leeway(options, configuration, {"LEEWAY_STATE": f"{self.folder}/fitted"})

    def encoded(self, columns):
        """The rows as README.md says that the network gets them."""
        import numpy as np

        rows = []
        for row in self.rows:
            inputs = []
            for column in columns:
                value = row[column["name"]]
                if column["type"] == "numeric":
                    scaling = column["scaling"]["standardise"]
                    inputs.append((value - scaling["mean"]) / scaling["deviation"])
                else:
                    inputs += [float(value == category) for category in column["categories"]]
            rows.append(inputs)
        return np.asarray(rows)

    def run(self):
        """Learns the schema from a version, brings weights for it, and compares."""
        import numpy as np

        self.fitted.retrain()
        shown = json.loads(self.fitted.run("models", "show", "--json").stdout)
        rows = self.encoded(shown["schema"]["columns"])
        layers = some_layers([rows.shape[1], 8, 1], 5)
        lines = Lines(self.folder)
        lines.run("NumPy: inputs @ kernel", layers=layers)
        code, outcome, said = import_file(self.leeway, self.folder / "model.safetensors")
        published = code == 0 and outcome["version"] == 1
        self.report.check("a table's network is published", published,
                          "" if published else said[-300:])  # fmt: skip
        expected = forward(layers, "tanh", rows)[:, 0]
        with self.leeway.serve(self.folder, self.folder / "state") as server:
            server.wait_ready()
            with server.connect() as connection:
                body = json.dumps({"features": self.rows}).encode()
                answer = connection.request("POST", "/predict", body).json()
        served = [prediction["value"] for prediction in answer["predictions"]]
        found = float(np.abs(np.asarray(served) - expected).max())
        self.report.check("a table's values as in Python", found <= DIFFERENCE_MAX, f"{found:.1e}")


def each(options, report):
    """Runs the script for each maker in a process of its own: two frameworks in one do not bear
    each other. One that is not installed is skipped."""
    for maker, module in MODULES.items():
        if importlib.util.find_spec(module) is None:
            report.note(f"skipped: {maker}: the module {module} is not installed")
            continue
        command = [sys.executable, __file__, "--leeway", options.leeway, "--maker", maker]
        report.check(maker, subprocess.run(command + ["--keep"] * options.keep).returncode == 0)


def main():
    options = arguments(
        __doc__.splitlines()[0], maker=("", "numpy, keras or pytorch; each when not given")
    )
    report = Report(f"bring your own model {options.maker}".strip())
    if not find_numpy(report):
        report.note("skipped: numpy and safetensors are neither here nor to be had by pip")
    elif not options.maker:
        each(options, report)
    else:
        version = importlib.metadata.version(MODULES[options.maker])
        report.figure(f"{options.maker}: version", version)
        with Workspace(options) as space:
            Images(options, report, space, MAKERS[options.maker]).run()
            if options.maker == "numpy":
                Prices(options, report, space).run()
    report.end()


if __name__ == "__main__":
    main()
