#!/usr/bin/env python3
"""The pages that Leeway writes, laid out by a real browser: the report of a candidate, a drift check.

Each page is opened as it is, from its file, without any network: at the width of a screen and of a
telephone it must not be wider than the window, every figure and table must take up room, its text
must be there, and it must ask for nothing from anywhere. Without Chromium this is skipped.
"""

import html
import json
import pathlib
import random
import re
import shutil
import subprocess
import sys

from common import Leeway, Report, Workspace, arguments, image_model, write_configuration, write_images

WIDTHS = (1280, 390)
# Runs in the page after all else, and leaves what it found in the title.
PROBE = """
<script>
addEventListener("load", () => {
  const room = query => [...document.querySelectorAll(query)].map(part => {
    const box = part.getBoundingClientRect();
    return Math.min(box.width, box.height);
  });
  const wide = [...document.querySelectorAll("body *")].filter(part => {
    const holder = part.parentElement.closest("table, .scroll");
    return !holder && part.getBoundingClientRect().right > innerWidth + 1;
  });
  document.title = "found:" + JSON.stringify({
    window: innerWidth, page: document.documentElement.scrollWidth, figures: room("svg"), tables: room("table"),
    wide: wide.slice(0, 3).map(part => part.tagName + " " + part.textContent.slice(0, 30)),
    asked: performance.getEntriesByType("resource").map(entry => entry.name), text: document.body.innerText,
  });
});
</script>
"""


def laid_out(browser, page, width):
    """What the browser makes of the page in a window of this width."""
    copy = page.with_name(f"probe-{width}.html")
    copy.write_text(page.read_text().replace("</body>", PROBE + "</body>"))
    # A headless window is no narrower than 500; a frame is as narrow as it is told.
    frame = page.with_name(f"frame-{width}.html")
    frame.write_text(
        f'<!DOCTYPE html><title>waiting</title><iframe src="{copy.name}" width="{width}" height="2000"></iframe><script>'
        "addEventListener('load', () => setTimeout(() => { document.title = frames[0].document.title }, 0))</script>"
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
               f"--user-data-dir={page.parent / 'browser'}", "--window-size=1400,2000", "--virtual-time-budget=5000",
               "--dump-dom", frame.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    title = re.search(r"<title>found:(.*?)</title>", done.stdout, re.S)
    if not title:
        raise RuntimeError(f"the browser found nothing: {done.stdout[:300]} {done.stderr[-300:]}")
    return json.loads(html.unescape(title[1]))


def judge(report, browser, name, page, words):
    for width in WIDTHS:
        found = laid_out(browser, page, width)
        where = f"{name}, {width} wide"
        report.check(f"{where}: the window is that wide", found["window"] == width, found["window"])
        report.check(f"{where}: nothing is wider than the window", not found["wide"] and found["page"] <= width,
                     f"{found['page']} {found['wide']}")  # fmt: skip
        parts = found["figures"] + found["tables"]
        report.check(f"{where}: figures and tables take up room", found["figures"] and found["tables"] and min(parts) > 10,
                     f"{len(found['figures'])}, {len(found['tables'])}")  # fmt: skip
        missing = [word for word in words if word not in found["text"]]
        report.check(f"{where}: its text is there", not missing, missing or "")
        report.check(f"{where}: asks for nothing", not found["asked"], found["asked"] or "")


def main():
    options = arguments(__doc__.splitlines()[0])
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not browser:
        print("skipped: no Chromium is installed (Debian: chromium)")
        sys.exit(0)
    report = Report("pages in a browser")
    with Workspace(options) as space:
        randoms = random.Random(1)
        train = write_images(space, "train", 3000, 28, 10, randoms)
        test = write_images(space, "test", 600, 28, 10, randoms)
        model = image_model("bars", (28, 28), 10, train, test, training={"epochs": 3}, retrain={"margin": 1})
        leeway = Leeway(options, write_configuration(space, [model]))
        leeway.retrain()
        Leeway(options, leeway.configuration, {"LEEWAY_MODELS_0_TRAINING_SEED": "2"}).retrain()
        pages = pathlib.Path(space / "pages")
        pages.mkdir()
        kept = sorted(pathlib.Path(space / "state").glob("models/bars/versions/*/report.html"))
        report.check("both versions have a report", len(kept) == 2, len(kept))
        shutil.copy(kept[-1], pages / "candidate.html")
        judge(report, browser, "report of a candidate", pages / "candidate.html",
              ["Gates", "Reliability", "By class", "Confusion", "champion", "passed"])  # fmt: skip
        write_images(space, "dark", 400, 28, 5, randoms)
        done = leeway.run("drift", "check", str(space / "dark-images"), "--html", str(pages / "check.html"))
        report.check("a moved data set ends with code 5", done.returncode == 5, done.stderr[-200:])
        judge(report, browser, "drift check", pages / "check.html", ["DRIFT in", "prediction.class", "Holm", "hold-out"])
    report.end()


if __name__ == "__main__":
    main()
