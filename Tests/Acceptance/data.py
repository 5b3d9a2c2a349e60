#!/usr/bin/env python3
"""Data that nobody watches: fetched in pieces, signed, checked, kept, and made into a version again.

The program itself over HTTPS: a source that breaks off is gone on with by the next run; a mirror
that is not on the signed list is refused; labels of which three in ten are wrong are refused before
training; a version is made again bit for bit, here and from its folder and the sources alone on
another checkout; a bucket that wants S3's signatures is moto's, if that package is there.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys

from common import (
    HOST, HTTPSSource, Leeway, Report, Workspace, arguments, image_model, make_certificates,
    read_idx, wait_until, write_configuration, write_idx, write_images,
)  # fmt: skip

SIDE, CLASSES = 16, 8


def main():
    options = arguments(__doc__.splitlines()[0])
    report = Report("data")
    randoms = random.Random(8)
    with Workspace(options) as space:
        certificates = make_certificates(space.folder("tls"))
        breaks_off(options, report, space, certificates, randoms)
        poisoned(options, report, space, randoms)
        reproduced(options, report, space, randoms)
        signed(options, report, space, certificates, randoms)
        bucket(options, report, space, certificates, randoms)
    report.end()


def configure(space, name, source, certificates, images, **sections):
    """A configuration over files at an HTTPS source."""
    urls = [f"{source.url}/{pathlib.Path(path[7:]).name}" for path in images]
    model = image_model("bars", (SIDE, SIDE), CLASSES, urls, retrain={"margin": 1}, **sections)
    downloads = {"ca_file": certificates[0], "proxy": "", "attempts_max": 1}
    return write_configuration(space.folder(name), [model], downloads=downloads)


def weights(state, version=1):
    """The digest of a version's weights."""
    path = pathlib.Path(state) / f"models/bars/versions/{version}/model.safetensors"
    return hashlib.sha256(path.read_bytes()).hexdigest()


# Transfers


def breaks_off(options, report, space, certificates, randoms):
    """The images break off in the first run; the second one fetches the rest alone."""
    folder = space.folder("broken-files")
    images = write_images(folder, "part", 2000, SIDE, CLASSES, randoms)
    source = HTTPSSource(folder, *certificates[1:])
    body = (folder / "part-images").read_bytes()
    asked = []

    def answer(handler):
        asked.append((handler.headers.get("Range"), handler.headers.get("If-Range")))
        start = int(asked[-1][0][6:-1]) if asked[-1][0] else 0
        end = len(body) if len(asked) > 1 else len(body) // 2
        fields = {"ETag": '"one"'}
        if start:
            fields["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.answer(206 if start else 200, body[start:end], len(body) - start, **fields)
        handler.close_connection = end < len(body)

    source.answers["/part-images"] = answer
    leeway = Leeway(options, configure(space, "broken", source, certificates, images))
    first = leeway.run("retrain", "--json")
    downloads = sorted(os.listdir(space / "broken/state/downloads"))
    report.check("a transfer that breaks off fails the run, and no file is published",
                 first.returncode == 1 and "bars-train.features" not in downloads
                 and "bars-train.features.part" in downloads, downloads)  # fmt: skip
    second = leeway.run("retrain", "--json")
    report.check("the next run fetches the rest alone and publishes",
                 second.returncode == 0
                 and asked[1:] == [(f"bytes={len(body) // 2}-", '"one"')], asked)  # fmt: skip
    kept = (space / "broken/state/downloads/bars-train.features").read_bytes()
    report.check("the file is the source's, byte for byte", kept == body)
    litter = [name for name in os.listdir(space / "broken/state/downloads")
              if ".part" in name or ".tmp-" in name]  # fmt: skip
    report.check("and nothing is left of the parts", not litter, litter or "")
    source.close()


# Validation


def poisoned(options, report, space, randoms):
    """Three in ten labels are wrong: refused with the reason, and the champion stays."""
    folder = space.folder("poisoned")
    good = write_images(folder, "day", 3000, SIDE, CLASSES, randoms)
    model = image_model("bars", (SIDE, SIDE), CLASSES, good, retrain={"margin": 1})
    leeway = Leeway(options, write_configuration(folder, [model]))
    leeway.retrain()
    write_images(folder, "day", 3000, SIDE, CLASSES, randoms)
    fresh = leeway.retrain()
    report.check("fresh data with right labels go live", fresh["published"], fresh["reason"])
    _, labels = read_idx(folder / "day-labels")
    wrong = [(label + randoms.randrange(1, CLASSES)) % CLASSES
             if randoms.random() < 0.3 else label for label in labels]  # fmt: skip
    write_idx(folder / "day-labels", wrong, (len(labels),))
    process = leeway.run("retrain", "--json")
    outcome = json.loads(process.stdout)
    report.check("30 % wrong labels are refused before training, by rule",
                 process.returncode == 3 and not outcome["published"]
                 and "checks.agreement_lost_max" in outcome["reason"]
                 and "training" not in outcome, outcome["reason"])  # fmt: skip
    journal = (folder / "state/models/bars/journal.jsonl").read_text().splitlines()
    last = json.loads(journal[-1])
    report.check("the journal has the refusal, and the champion stays current",
                 last["event"] == "refused" and last["reason"] == outcome["reason"]
                 and (folder / "state/models/bars/current").read_text().startswith("2 "))  # fmt: skip
    accepted = leeway.retrain("--accept-data")
    report.check("a person who has looked may accept them; then the gate decides",
                 any("agreement_lost_max" in warning for warning in accepted["warnings"]),
                 accepted["reason"])  # fmt: skip


# Reproduction


def reproduced(options, report, space, randoms):
    """A version is made again after the source has gone on, and elsewhere."""
    folder = space.folder("first")
    train = write_images(folder, "data", 1500, SIDE, CLASSES, randoms)
    model = image_model("bars", (SIDE, SIDE), CLASSES, train, retrain={"margin": 1})
    leeway = Leeway(options, write_configuration(folder, [model]))
    leeway.retrain()
    digest = weights(folder / "state")

    # Another checkout: the same files and settings, nothing else.
    other = space.folder("second")
    elsewhere = Leeway(options, write_configuration(other, [model]))
    elsewhere.retrain()
    report.check("the same sources and settings give the same weights on another checkout",
                 weights(other / "state") == digest, digest)  # fmt: skip
    third = space.folder("third")
    (third / "state/models/bars/versions").mkdir(parents=True)
    shutil.copytree(folder / "state/models/bars/versions/1",
                    third / "state/models/bars/versions/1")  # fmt: skip
    process = Leeway(options, write_configuration(third, [model])).run(
        "retrain", "--reproduce", "1", "--json")  # fmt: skip
    report.check("a version's folder and the sources are enough to make it again",
                 process.returncode == 0
                 and json.loads(process.stdout)["result"] == "reproduced", process.stderr[-200:])  # fmt: skip

    # The source has other rows by now; the files that went in were kept.
    write_images(folder, "data", 1500, SIDE, CLASSES, randoms)
    leeway.retrain()
    process = leeway.run("retrain", "--reproduce", "1", "--json")
    report.check("it is made again though the source has gone on",
                 process.returncode == 0 and digest in json.loads(process.stdout)["reason"],
                 process.stderr[-200:])  # fmt: skip
    process = Leeway(options, write_configuration(third, [model])).run(
        "retrain", "--reproduce", "1")  # fmt: skip
    report.check("without the files it is told which is missing, and code 1",
                 process.returncode == 1 and "train.features: nobody has" in process.stderr,
                 process.stderr.strip()[-160:])  # fmt: skip
    wider = {**model, "network": {"hidden": [33], "activation": "relu"}}
    configuration = write_configuration(space.folder("wider"), [wider], state=f"{folder}/state")
    process = Leeway(options, configuration).run("retrain", "--reproduce", "1")
    report.check("other settings are named",
                 process.returncode == 1 and "hidden: [32] then, [33] now" in process.stderr,
                 process.stderr.strip()[-160:])  # fmt: skip


# Signed lists


def signed(options, report, space, certificates, randoms):
    """A list that is signed as the README says, and a mirror that is not on it."""
    folder = space.folder("signed-files")
    images = write_images(folder, "day", 1000, SIDE, CLASSES, randoms)
    key, public = folder / "data.pem", folder / "data.pub.pem"
    run = lambda *words: subprocess.run(words, check=True, capture_output=True)  # noqa: E731
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", key)
    run("openssl", "pkey", "-in", key, "-pubout", "-out", public)

    def sign(sequence, expires="2099-01-01T00:00:00Z"):
        files = []
        for name in ("day-images", "day-labels"):
            data = (folder / name).read_bytes()
            files.append({"path": name, "size": len(data),
                          "sha256": hashlib.sha256(data).hexdigest()})  # fmt: skip
        text = json.dumps({"format": 1, "sequence": sequence, "created": "2026-01-01T00:00:00Z",
                           "expires": expires, "files": files})  # fmt: skip
        (folder / "manifest.json").write_text(text)
        (folder / "signed").write_text("leeway-manifest-v1\n" + text)
        run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", folder / "signed",
            "-out", folder / "manifest.json.sig")  # fmt: skip

    source = HTTPSSource(folder, *certificates[1:])
    manifest = {"urls": [f"{source.url}/manifest.json"], "keys": [str(public)]}
    leeway = Leeway(options, configure(space, "signed", source, certificates, images,
                                       data={"manifest": manifest}))  # fmt: skip
    sign(1)
    report.check("files on a signed list are taken", leeway.retrain()["published"])
    _, labels = read_idx(folder / "day-labels")
    write_idx(folder / "day-labels", bytes(reversed(labels)), (len(labels),))
    process = leeway.run("retrain")
    report.check("another file of the same length is refused",
                 process.returncode == 1 and "signed list" in process.stderr,
                 process.stderr.strip()[-200:])  # fmt: skip
    write_images(folder, "day", 1000, SIDE, CLASSES, randoms)
    sign(2)
    report.check("until a newer list has it", leeway.retrain()["published"])
    sign(1)
    process = leeway.run("retrain")
    report.check("an older list is refused", process.returncode == 1
                 and "after one with 2 was believed" in process.stderr)  # fmt: skip
    sign(3, "2026-01-02T00:00:00Z")
    process = leeway.run("retrain")
    report.check("and so is one that has ended",
                 process.returncode == 1 and "held back" in process.stderr)  # fmt: skip
    source.close()


# S3


def bucket(options, report, space, certificates, randoms):
    """Objects of a bucket of moto's that answers signed requests only."""
    server = pathlib.Path(sys.executable).parent / "moto_server"
    try:
        import boto3
    except ImportError:
        boto3 = None
    if boto3 is None or not server.exists():
        report.note("skipped: S3: the packages moto[server] and boto3 are not there")
        return
    folder = space.folder("bucket")
    images = write_images(folder, "day", 1000, SIDE, CLASSES, randoms)
    # As many requests as it takes to set up are let through; from then on signatures are checked.
    process, url, credentials = start_moto(boto3, server, folder, certificates, images)
    try:
        secret = folder / "credentials"
        region, text = "eu-central-1", "aws_access_key_id = {}\naws_secret_access_key = {}\n"
        model = image_model("bars", (SIDE, SIDE), CLASSES, images)
        for kind, path in zip(("features", "labels"), images):
            name = pathlib.Path(path[7:]).name
            model["data"]["train"][kind] = [{"url": f"{url}/leeway/{name}", "s3_region": region,
                                             "s3_credentials_file": str(secret)}]  # fmt: skip
        downloads = {"ca_file": certificates[0], "proxy": "", "attempts_max": 1}
        leeway = Leeway(options, write_configuration(folder, [model], downloads=downloads))
        secret.write_text(text.format(credentials[0], "wrong" + credentials[1][5:]))
        process_wrong = leeway.run("retrain")
        report.check("a wrong secret is refused by the bucket",
                     process_wrong.returncode == 1 and "answered 403" in process_wrong.stderr,
                     process_wrong.stderr.strip()[-160:])  # fmt: skip
        secret.write_text(text.format(*credentials))
        outcome = leeway.run("retrain", "--json")
        report.check("the right one brings the objects, and a version is published",
                     outcome.returncode == 0, outcome.stderr.strip()[-200:])  # fmt: skip
    finally:
        process.terminate()
        process.wait()


def start_moto(boto3, server, folder, certificates, images):
    """Starts moto over TLS with a user, a key and a bucket; gives (process, URL, key and secret)."""
    import socket

    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "6"}
    process = subprocess.Popen(
        [server, "-H", HOST, "-p", str(port), "-c", certificates[1], "-k", certificates[2]],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    url = f"https://localhost:{port}"

    def client(name):
        return boto3.client(name, endpoint_url=url, region_name="eu-central-1",
                            verify=certificates[0], aws_access_key_id="setup",
                            aws_secret_access_key="setup")  # fmt: skip

    import socket as sockets

    def answers():
        try:
            with sockets.create_connection((HOST, port), timeout=1):
                return True
        except OSError:
            return False

    wait_until(answers, 60)
    iam, s3 = client("iam"), client("s3")
    iam.create_user(UserName="leeway")
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}  # fmt: skip
    iam.put_user_policy(UserName="leeway", PolicyName="read", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="leeway")["AccessKey"]
    s3.create_bucket(Bucket="leeway",
                     CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})  # fmt: skip
    for path in images:
        s3.put_object(Bucket="leeway", Key=pathlib.Path(path[7:]).name,
                      Body=pathlib.Path(path[7:]).read_bytes())  # fmt: skip
    return process, url, (key["AccessKeyId"], key["SecretAccessKey"])


if __name__ == "__main__":
    main()
