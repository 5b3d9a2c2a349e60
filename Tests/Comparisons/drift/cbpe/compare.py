#!/usr/bin/env python3
"""Compares estimates of accuracy without labels with NannyML's, on the data that it brings along.

    python3 -m venv VENV && VENV/bin/pip install nannyml==0.13.1 statsmodels
    VENV/bin/python Tests/Comparisons/drift/cbpe/compare.py --leeway .build/release/leeway

Both get the same scores of the synthetic car-loan data, in parts of 5000 rows, and estimate the
accuracy by calibrated confidence (CBPE). They must agree to 1e-3 in every part, and so must the
standard errors, of which ours also count the reference's rows. The real accuracy stands beside
them. Writes a CSV to --output, or prints it. The exit code is 1 when they do not agree.
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
ROWS = 5000
DIFFERENCE_MAX = 1e-3


def theirs(nannyml, reference, live):
    """NannyML's estimates: [(accuracy, standard error)]."""
    estimator = nannyml.CBPE(
        y_pred_proba="y_pred_proba", y_pred="y_pred", y_true="repaid", metrics=["accuracy"],
        chunk_size=ROWS, problem_type="classification_binary")
    estimator.fit(reference)
    table = estimator.estimate(live).filter(period="analysis").to_df()["accuracy"]
    return list(zip(table["value"], table["sampling_error"]))


def ours(leeway, reference, live):
    """Leeway's report on the same scores."""
    with tempfile.TemporaryDirectory() as folder:
        known, scores = Path(folder, "reference.csv"), Path(folder, "live.csv")
        reference[["y_pred_proba", "y_pred", "repaid"]].to_csv(known, index=False)
        live[["y_pred_proba", "y_pred"]].to_csv(scores, index=False)
        command = [leeway, "bench", "accuracy", "--reference", known, "--live", scores,
                   "--rows", str(ROWS)]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--leeway", default=".build/release/leeway")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    try:
        import nannyml
    except ImportError as error:
        sys.exit(f"NannyML is needed ({error}): see the top of this file")
    reference, live, truth = nannyml.load_synthetic_car_loan_dataset()
    live = live.merge(truth, on="id") if "repaid" not in live else live
    report = ours(arguments.leeway, reference, live)
    right = (live.y_pred == live.repaid).astype(float)
    rows, worst = [], 0.0
    for part, (estimate, (accuracy, error)) in enumerate(
            zip(report["estimates"], theirs(nannyml, reference, live), strict=True)):
        real = right[part * ROWS:(part + 1) * ROWS].mean()
        cbpe, atc = estimate["cbpe"], estimate["atc"]
        worst = max(worst, abs(cbpe["accuracy"] - accuracy), abs(cbpe["standard_error"] - error))
        rows.append([part, f"{real:.5f}", f"{accuracy:.5f}", f"{cbpe['accuracy']:.5f}",
                     f"{atc['accuracy']:.5f}", f"{error:.5f}", f"{cbpe['standard_error']:.5f}"])
    with open(arguments.output, "w", newline="") if arguments.output else sys.stdout as file:
        table = csv.writer(file)
        table.writerow(["part", "real", "nannyml_cbpe", "leeway_cbpe", "leeway_atc",
                        "nannyml_standard_error", "leeway_standard_error"])
        table.writerows(rows)
        print(f"greatest difference {worst:.6f}", file=sys.stderr)
    sys.exit(1 if worst > DIFFERENCE_MAX else 0)


if __name__ == "__main__":
    main()
