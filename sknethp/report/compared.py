"""The part of the page about a comparison."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sknethp.comparison import Comparison
from sknethp.display.comparison import ComparisonDisplay
from sknethp.report import charts
from sknethp.report.tables import Cell, Table, number, seconds, table


def comparison_table(comparison: Comparison) -> Table:
    """Return the means with standard errors, and how each model stands against the leader."""
    frame, metrics = comparison.to_frame(), comparison.metrics_
    headings = [*metrics, "behind", "p (Holm)", "P(equivalent)", "fit, s", "predict, s"]
    rows = [[Cell(str(model)), *_cells(row, metrics)] for model, row in frame.iterrows()]
    return table("Cross-validated comparison", ["model", *headings], rows)


def _cells(row: Any, metrics: list[str]) -> list[Cell]:
    means = [number(row[m], ".4f", f" ± {row[f'{m}_se']:.4f}") for m in metrics]
    return [
        *means,
        number(row["behind"]),
        number(row["p_holm"], ".3f"),
        number(row["p_equivalent"], ".2f"),
        seconds(row["fit_seconds"]),
        seconds(row["predict_seconds"]),
    ]


def comparison_charts(comparison: Comparison) -> list[charts.Chart]:
    """Return scores per fold, and score against time."""
    metric = comparison.metrics_[0]
    scores = comparison.fold_scores()
    folds = [
        {"name": model, "fold": fold, "score": score}
        for model in comparison.models_
        for fold, score in enumerate(scores[model], start=1)
    ]
    table = pd.DataFrame(folds).dropna()
    times = _times(comparison)
    found = []
    if len(table):
        text = f"A dot is a fold, the bar the mean; {metric}, higher is better."
        found.append(charts.fold_scores(text, table, metric))
    if len(times):
        text = "Up and to the left is better; the line joins models that none beats in both."
        found.append(charts.trade_off(text, times, metric))
    return found


def _times(comparison: Comparison) -> pd.DataFrame:
    columns = ["model", comparison.metrics_[0], "fit_seconds", "predict_seconds"]
    times = comparison.to_frame().reset_index()[columns].dropna()
    times = times.set_axis(["name", "mean", "seconds", "predict"], axis=1)
    times = times[times["seconds"] > 0]  # the axis is logarithmic
    front = ComparisonDisplay.from_comparison(comparison).front
    return times.assign(is_front=times["name"].isin(front))
