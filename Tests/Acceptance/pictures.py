"""Draws the panels of a dashboard from what a Prometheus has seen; used by prometheus.py.

These are no screenshots of Grafana, which is not at hand in the checks: the same queries, titles and
legends, drawn with matplotlib. Blue lines are swaps, orange stretches drift alarms.
"""

import math
import pathlib
import re
import time

# What is drawn of each dashboard: the panels that tell the story, in the order of reading.
CHOSEN = {
    "service.json": [
        "Requests by route",
        "Answers by status",
        "Latency of predictions",
        "Phases of a prediction, 99 %",
        "CPU",
        "Memory",
    ],
    "model.json": [
        "Rows by version",
        "Share of each class",
        "Confidence",
        "Evidence and threshold",
        "PSI by stream",
        "Distance and leeway by stream",
    ],
    "retraining.json": [
        "Runs by result",
        "Progress of the run",
        "Accuracy",
        "Loss and accuracy while training",
        "Stages over time",
        "Rows fitted a second",
    ],
}
LEGEND_MAX = 6


def legend(form, metric):
    """A series' legend, as Grafana writes it."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: metric.get(match.group(1), ""), form).strip()


def series(prometheus, query, start, end):
    """The series of a query, as (labels, times since the start, values)."""
    step = f"{max(1, round((end - start) / 240))}s"
    result = prometheus.ask("query_range", query=query, start=start, end=end, step=step)["result"]
    for entry in result:
        points = [(float(t) - start, float(v)) for t, v in entry["values"]]
        points = [(t, v) for t, v in points if math.isfinite(v)]
        if points:
            yield entry["metric"], [t for t, _ in points], [v for _, v in points]


def marks(axes, prometheus, start, end):
    """Swaps as lines, alarms as stretches."""
    swaps = "changes(leeway_model_loaded_timestamp_seconds[2s]) > 0"
    for _, times, _ in series(prometheus, swaps, start, end):
        for when in times:
            axes.axvline(when, color="tab:blue", linewidth=0.8, alpha=0.6)
    for _, times, _ in series(prometheus, "leeway_drift_alarm == 1", start, end):
        axes.axvspan(times[0], times[-1] + 1, color="tab:orange", alpha=0.15, linewidth=0)


def draw(dashboard, prometheus, concrete, folder):
    """Draws the chosen panels of a dashboard as one PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    start, end = prometheus.started, time.time()
    wanted = CHOSEN[dashboard.name]
    panels = {panel["title"]: panel for panel in dashboard.panels}
    figure, grid = pyplot.subplots(len(wanted) // 2, 2, figsize=(11, 7.5), sharex=True)
    for title, axes in zip(wanted, grid.flat):
        panel = panels[title]
        lines = 0
        for target in panel["targets"]:
            for metric, times, values in series(prometheus, concrete(target["expr"]), start, end):
                name = legend(target.get("legendFormat", ""), metric)
                shown = name if lines < LEGEND_MAX else None
                axes.plot(times, values, linewidth=1, label=shown)
                lines += 1
        marks(axes, prometheus, start, end)
        axes.set_title(f"{title} [{panel['fieldConfig']['defaults']['unit']}]", fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3, linewidth=0.5)
        if lines:
            axes.legend(fontsize=6, loc="upper left", framealpha=0.6)
    for axes in grid[-1]:
        axes.set_xlabel("seconds", fontsize=7)
    figure.suptitle(dashboard.json["title"], fontsize=11)
    figure.tight_layout()
    path = pathlib.Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    figure.savefig(path / dashboard.name.replace(".json", ".png"), dpi=80)
    pyplot.close(figure)
