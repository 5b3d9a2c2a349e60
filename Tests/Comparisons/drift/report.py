#!/usr/bin/env python3
"""Sums the tables of a run up: what is asked of Leeway and whether it holds, and a page with plots."""

import argparse
import collections
import csv
import html
import json
import pathlib
import statistics

ROWS_AFTER = 5000
# A cell that nobody sees within the rows looked at tells nothing of speed.
USEFUL_DELAY = 2000


def tables(folder, pattern):
    for path in sorted(folder.glob(pattern)):
        with open(path, newline="") as file:
            yield from csv.DictReader(file)


def delays(folder):
    """{data: {cell: {detector: (mean, standard error, missed share, streams)}}}, early alarms left out."""
    raw = collections.defaultdict(list)
    for row in tables(folder, "delay-*.csv"):
        if row["outcome"] != "early":
            raw[row["data"], (row["shift"], float(row["fraction"])), row["detector"]].append(float(row["delay"]))
    found = collections.defaultdict(lambda: collections.defaultdict(dict))
    for (data, cell, detector), values in raw.items():
        error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
        missed = sum(value >= ROWS_AFTER for value in values) / len(values)
        found[data][cell][detector] = (statistics.mean(values), error, missed, len(values))
    return found


def compared(cells, variant):
    """For each cell: delay of the variant, of the best peer, and what became of it."""
    lines = []
    for cell, detectors in cells.items():
        if variant not in detectors:
            continue
        mine = detectors[variant]
        peer, best = min(
            ((name, value) for name, value in detectors.items() if not name.startswith("leeway")), key=lambda pair: pair[1][0]
        )
        spread = 2 * (mine[1] ** 2 + best[1] ** 2) ** 0.5
        if min(mine[0], best[0]) > USEFUL_DELAY:
            verdict = "unseen"
        elif mine[0] <= best[0]:
            verdict = "not worse"
        elif mine[0] <= best[0] + spread:
            verdict = "worse within the error"
        elif mine[0] <= 1.5 * best[0] + 32:
            verdict = "worse"
        else:
            verdict = "beyond 1.5 x + 32"
        lines.append((cell, mine, peer, best, verdict))
    return lines


def inside(folder):
    """{data: [cells in which no stream surely moves by more than a model's default tolerance]}."""
    found = collections.defaultdict(list)
    for row in tables(folder, "distance-*.csv"):
        if float(row["beyond_tolerance"]) <= 0:
            found[row["data"]].append((row["shift"], float(row["fraction"])))
    return found


def power(folder):
    """{data: {method: {rows: [detected, trials, false, null trials]}}}."""
    found = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(lambda: [0, 0, 0, 0])))
    for row in tables(folder, "power-*.csv"):
        place = 2 if row["shift"] == "none" else 0
        cell = found[row["data"]][row["method"]][int(row["rows"])]
        cell[place] += int(row["detected"])
        cell[place + 1] += int(row["trials"])
    return found


def table(heads, rows):
    def line(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"

    return "<table><thead>" + line(heads, "th") + "</thead><tbody>" + "".join(line(row, "td") for row in rows) + "</tbody></table>"


def delay_plot(lines):
    """Each cell's delays on a line of logarithmic rows: Leeway's dot and the best peer's."""
    import math

    left, width, step = 190, 520, 18

    def x(value):
        return left + width * math.log10(max(value, 1)) / math.log10(ROWS_AFTER)

    marks = "".join(
        f'<line class="grid" x1="{x(v):.0f}" x2="{x(v):.0f}" y1="0" y2="{step * len(lines) + 6}"/>'
        f'<text x="{x(v):.0f}" y="{step * len(lines) + 18}" text-anchor="middle">{v}</text>'
        for v in (1, 10, 100, 1000, 5000)
    )
    for index, (cell, mine, peer, best, verdict) in enumerate(lines):
        y = index * step + 10
        name = f"{cell[0]}, {cell[1]:g}"
        title = html.escape(f"{name}: leeway {mine[0]:.0f}, {peer} {best[0]:.0f} ({verdict})")
        marks += (
            f'<g><title>{title}</title><text x="{left - 8}" y="{y + 4}" text-anchor="end">{html.escape(name)}</text>'
            f'<line class="link" x1="{x(mine[0]):.1f}" x2="{x(best[0]):.1f}" y1="{y}" y2="{y}"/>'
            f'<circle class="peer" cx="{x(best[0]):.1f}" cy="{y}" r="4"/><circle class="own" cx="{x(mine[0]):.1f}" cy="{y}" r="4"/></g>'
        )
    return f'<svg viewBox="0 0 {left + width + 20} {step * len(lines) + 24}" role="img">{marks}</svg>'


def power_plot(methods):
    """Detection rate by sample size, a line a method."""
    import math

    def x(rows):
        return 40 + 380 * (math.log10(rows) - 1) / 3

    def y(rate):
        return 170 - 160 * rate

    marks = "".join(f'<line class="grid" x1="40" x2="420" y1="{y(v)}" y2="{y(v)}"/><text x="34" y="{y(v) + 4}" text-anchor="end">{v}</text>' for v in (0, 0.5, 1))
    marks += "".join(f'<text x="{x(v)}" y="188" text-anchor="middle">{v}</text>' for v in (10, 100, 1000, 10000))
    for index, (name, sizes) in enumerate(sorted(methods.items())):
        points = [(x(rows), y(cell[0] / cell[1])) for rows, cell in sorted(sizes.items()) if cell[1]]
        kind = "own" if name.startswith("leeway") else f"other o{index % 5}"
        marks += f'<g class="{kind}"><title>{html.escape(name)}</title><polyline points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>'
        marks += "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.5"/>' for a, b in points) + "</g>"
        marks += f'<g class="{kind}"><text x="440" y="{18 + 16 * index}">{html.escape(name)}</text></g>'
    return f'<svg viewBox="0 0 680 200" role="img">{marks}</svg>'


STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d8dde4;--page:#fff;--own:#1769aa;--peer:#c2571a}
@media(prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#a3adba;--line:#38414d;--page:#14181e;--own:#5cb0f2;--peer:#f0985c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.15rem .7rem;border-bottom:1px solid var(--line);text-align:right}
th:first-child,td:first-child{text-align:left}svg{width:100%;max-width:54rem;height:auto}text{fill:var(--soft);font-size:11px}
.grid{stroke:var(--line)}.link{stroke:var(--soft);stroke-width:1.5}.own,circle.own{fill:var(--own)}circle.peer{fill:var(--peer)}
.own polyline{stroke:var(--own);stroke-width:3}polyline{fill:none;stroke:var(--soft);stroke-width:1.5}.own text{fill:var(--own)}
.o0 polyline{stroke:#c2571a}.o1 polyline{stroke:#7a8b2a}.o2 polyline{stroke:#8a5aa8}.o3 polyline{stroke:#b0307a}.o4 polyline{stroke:#2a8b80}
.o0 text{fill:#c2571a}.o1 text{fill:#7a8b2a}.o2 text{fill:#8a5aa8}.o3 text{fill:#b0307a}.o4 text{fill:#2a8b80}
.key{color:var(--own)}.key2{color:var(--peer)}
"""


def delay_part(folder, page):
    for data, cells in delays(folder).items():
        for variant in sorted({name for cell in cells.values() for name in cell if name.startswith("leeway")}):
            lines = compared(cells, variant)
            within = inside(folder)[data] if "tolerance" in variant else []
            seen = [line for line in lines if line[4] != "unseen" and line[0] not in within]
            kept = sum(line[4] == "not worse" for line in seen)
            near = sum(line[4] == "worse within the error" for line in seen)
            beyond = [f"{c[0]} {c[1]:g} ({m[0]:.0f} to {b[0]:.0f})" for c, m, _, b, v in seen if v.startswith("beyond")]
            words = f"{data}, {variant}: not worse in {kept} of {len(seen)} cells ({kept / max(1, len(seen)):.0%}), "
            if within:
                words += f"not counted, inside the tolerance: {', '.join(f'{shift} {fraction:g}' for shift, fraction in within)}; "
            words += f"{near} more within two standard errors; beyond 1.5 x + 32: {', '.join(beyond) or 'none'}"
            print(words)
            page.append(f"<h2>Delay: {html.escape(words)}</h2>")
            if variant == "leeway" or "tolerance" in variant:
                page.append('<p><span class="key">●</span> Leeway, <span class="key2">●</span> the best of all peers in this cell; rows after the change, logarithmic.</p>')
                page.append(delay_plot(lines))
        names = sorted({name for cell in cells.values() for name in cell})
        rows = [[f"{cell[0]}, {cell[1]:g}"] + [f"{found[name][0]:.0f}" if name in found else "–" for name in names] for cell, found in cells.items()]
        page.append(f"<h2>Mean delay in rows, {data} ({ROWS_AFTER} = not seen)</h2>" + table(["cell", *names], rows))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--results", default=str(pathlib.Path(__file__).resolve().parent / "results"))
    folder = pathlib.Path(options.parse_args().results)
    page = ["<h1>The drift monitor and its peers</h1>"]
    lengths = [[row[key] for key in ("data", "detector", "threshold", "measured_run_length", "alarms", "streams")] for row in tables(folder, "run-length-*.csv")]
    delay_part(folder, page)
    page.append("<h2>Measured run length without a shift</h2>" + table(["data", "detector", "threshold", "run length", "alarms", "streams"], lengths))
    for data, methods in power(folder).items():
        page.append(f"<h2>Share of shifted batches found, by rows: {data}</h2>" + power_plot(methods))
        sizes = sorted({size for method in methods.values() for size in method})
        rows = []
        for name, found in sorted(methods.items()):
            rate = [f"{found[s][0] / found[s][1]:.3f}" if s in found and found[s][1] else "–" for s in sizes]
            false = [f"{found[s][2] / found[s][3]:.3f}" if s in found and found[s][3] else "–" for s in sizes]
            rows += [[name, *rate], [f"{name}: without a shift", *false]]
            print(f"{data} {name}: found {rate}, false {false} at {sizes}")
        page.append(table(["method", *sizes], rows))
    path = folder / "cost.json"
    if path.exists():
        rows = []
        for line in json.loads(path.read_text()):
            for figure in line.get("figures", []):
                rows.append([line["peer"], figure["rows"], f"{figure['microseconds_a_row']:.1f}", f"{figure['bytes_grown'] / 1e6:.1f}"])
            if "bench" in line:
                rows.append([f"{line['peer']}: {json.dumps(line['bench'])[:400]}", "", "", ""])
        page.append("<h2>Cost of a row and memory grown</h2>" + table(["peer", "rows", "µs a row (CPU)", "MB grown"], rows))
    body = "\n".join(page)
    text = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Drift comparison</title><style>{STYLE}</style></head><body>{body}</body></html>\n'
    (folder / "report.html").write_text(text)


if __name__ == "__main__":
    main()
