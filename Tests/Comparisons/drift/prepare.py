"""Makes what all detectors are fed from: a split of the data, a model by Leeway, shifted pools."""

import pathlib
import subprocess

import numpy

import images as im
from network import Network, Representation

TRAINING, REFERENCE, POOL = 40_000, 10_000, 20_000
FOLDERS = {"fashion": "/usr/share/datasets/fashion-mnist", "mnist": None}
KINDS = ["clean", *im.NOISE, *im.AFFINE, "adversarial"]


def configuration(folder, name):
    return f"""state: {folder}/state
models:
  - name: {name}
    task: classification
    labels: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
    input: {{kind: image, shape: [28, 28], scale: 255}}
    network: {{hidden: [64], activation: relu}}
    training: {{epochs: 5, batch: 32, optimizer: adam, learning_rate: 0.001, seed: 1}}
    data:
      format: idx
      train: {{features: ["file://{folder}/train.idx"], labels: ["file://{folder}/train-labels.idx"]}}
      test: {{features: ["file://{folder}/reference.idx"], labels: ["file://{folder}/reference-labels.idx"]}}
"""


def prepare(name, source, folder, leeway, seed=1):
    """Splits, trains and shifts; what is there already is not made again."""
    folder = pathlib.Path(folder).resolve() / name
    if (folder / "done").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(source)
    pictures = numpy.concatenate([im.read_idx(source / f"{part}-images-idx3-ubyte.gz") for part in ("train", "t10k")])
    labels = numpy.concatenate([im.read_idx(source / f"{part}-labels-idx1-ubyte.gz") for part in ("train", "t10k")])
    # The sets' own split is itself a shift, so all rows are shuffled before they are divided.
    order = numpy.random.default_rng(seed).permutation(len(pictures))
    parts = numpy.split(order, [TRAINING, TRAINING + REFERENCE])
    for part, rows in zip(("train", "reference", "clean"), parts):
        im.write_idx(folder / f"{part}.idx", pictures[rows])
        im.write_idx(folder / f"{part}-labels.idx", labels[rows])
    (folder / "leeway.yaml").write_text(configuration(folder, name))
    run = [str(leeway), "retrain", "--config", str(folder / "leeway.yaml"), "--json"]
    print(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    run = [str(leeway), "models", "export", "--config", str(folder / "leeway.yaml"), "--overwrite"]
    subprocess.run([*run, str(folder / "model.safetensors")], check=True, capture_output=True)
    network = Network(folder / "model.safetensors")
    clean = pictures[parts[2]]
    for number, kind in enumerate(KINDS[1:]):
        im.write_idx(folder / f"{kind}.idx", im.changed_images(kind, clean, network, (seed, number)))
    represent(folder, network)
    (folder / "done").touch()
    return folder


def represent(folder, network):
    """Writes the representation of every set as NumPy files."""
    training = im.read_idx(folder / "train.idx").reshape(TRAINING, -1).astype(numpy.float32) / 255
    representation = Representation(network, training)
    for part in ["train", "reference", *KINDS]:
        pictures = im.read_idx(folder / f"{part}.idx")
        numpy.save(folder / f"{part}-seen.npy", representation.of(pictures))
        numpy.save(folder / f"{part}-softmax.npy", representation.probabilities(pictures))
