"""The part of the page about a search and its training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from sknethp.display.importance import Importance
from sknethp.display.scales import UNSET, label_of
from sknethp.report import charts
from sknethp.report.search import SearchTable
from sknethp.report.tables import Cell, Table, number, table

_MOST_ROWS = 100
_MOST_PANELS = 12
_MOST_BARS = 20
_FEWEST_CANDIDATES = 3


def candidate_table(search: SearchTable) -> Table:
    """Return the best candidates, with the hyperparameters that differ."""
    names = _varied(search)
    mean, spread = search.candidates.mean, search.candidates.spread
    labels = search.candidates.labels
    rows = [
        [
            Cell(str(rank), rank),
            number(mean[i], ".4f", f" ± {spread[i]:.4f}"),
            *(_value_cell(search.candidates.values[name][i]) for name in names),
        ]
        for rank, i in enumerate(_order(search)[:_MOST_ROWS], start=1)
    ]
    headings = ["rank", search.metric, *(labels[name] for name in names)]
    return table("Candidates, the best first", headings, rows)


def _varied(search: SearchTable) -> list[str]:
    return search.candidates.varied() if search.candidates.values else []


def _order(search: SearchTable) -> np.ndarray:
    return np.argsort(-np.nan_to_num(search.candidates.mean, nan=-np.inf), kind="stable")


def _value_cell(value: Any) -> Cell:
    if value is UNSET:
        return Cell("")
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return Cell(label_of(value), float(value) if is_number else None)


def search_charts(search: SearchTable, importance: Importance | None) -> Iterator[charts.Chart]:
    """Yield the candidates by rank, and by each hyperparameter, the most important ones first."""
    points = _points(search)
    if len(points) < _FEWEST_CANDIDATES:
        return
    x = alt.X("rank:Q", title="rank", axis=alt.Axis(tickMinStep=1, grid=False))
    text = "A dot is a candidate, its line one standard deviation over the folds."
    yield charts.candidates("Every candidate", text, points, x, search.metric)
    names = _varied(search)
    if importance is not None:
        shares = importance.mean
        names = sorted(names, key=lambda name: -shares.get(name, 0))
    for name in names[:_MOST_PANELS]:
        yield _panel(search, points, name)


def _points(search: SearchTable) -> pd.DataFrame:
    """Return a row per candidate with a score: its mean, and each hyperparameter as text."""
    candidates = search.candidates
    ranks = np.empty(len(candidates.mean), int)
    ranks[_order(search)] = np.arange(1, len(ranks) + 1)
    names = _varied(search)
    points = pd.DataFrame(
        {
            "rank": ranks,
            "mean": candidates.mean,
            "low": candidates.mean - candidates.spread,
            "high": candidates.mean + candidates.spread,
            "best": ranks == 1,
        }
    )
    titles = {f"value {i}": candidates.labels[name] for i, name in enumerate(names)}
    for key, name in zip(titles, names, strict=True):
        points[key] = ["not set" if v is UNSET else label_of(v) for v in candidates.values[name]]
    points.attrs["titles"] = titles
    return points[~candidates.failed]


def _panel(search: SearchTable, points: pd.DataFrame, name: str) -> charts.Chart:
    scale, label = search.candidates.scales[name], search.candidates.labels[name]
    values = [search.candidates.values[name][i] for i in points.index]
    is_number = [isinstance(v, (int, float)) and not isinstance(v, bool) for v in values]
    if scale.kind == "categories" or not any(is_number):
        shown = [label_of(v) if v is not UNSET else "not set" for v in values]
        column = points.assign(x=shown)
        x = alt.X("x:N", title=label, axis=alt.Axis(labelAngle=0), sort=sorted(set(shown)))
        return _kept(column, points, label, x, search, "")
    column = points.assign(x=[v if ok else np.nan for v, ok in zip(values, is_number, strict=True)])
    if scale.kind == "log":
        column = column[column["x"] > 0]
    n_away = len(points) - int(column["x"].notna().sum())
    away = f"{n_away} candidates do not set it." if n_away else ""
    how = alt.Scale(type="log") if scale.kind == "log" else alt.Scale(zero=False)
    x = alt.X("x:Q", title=label, scale=how, axis=alt.Axis(grid=False, tickCount=5))
    return _kept(column.dropna(subset=["x"]), points, label, x, search, away)


def _kept(
    column: pd.DataFrame, points: pd.DataFrame, label: str, x: Any, search: SearchTable, text: str
) -> charts.Chart:
    column.attrs = points.attrs
    return charts.candidates(label, text, column, x, search.metric)


def hyperparameter_chart(search: SearchTable, importance: Importance) -> charts.Chart:
    """Draw what share of the scores' variance each hyperparameter explains."""
    names = list(importance.mean)[:_MOST_BARS]
    text = (
        "The share of the variance of the scores that each explains by itself (functional "
        f"analysis of variance). The forest behind it explains {max(0, importance.r2):.0%} of the "
        "variance of candidates that it has not seen."
    )
    rows = pd.DataFrame(
        {
            "name": [search.candidates.labels[name] for name in names],
            "mean": [importance.mean[name] for name in names],
            "std": [importance.spread[name] for name in names],
        }
    )
    return charts.bars(
        "Importance of hyperparameters", text, _with_limits(rows), "share of variance", ".3f"
    )


def feature_chart(importance: pd.DataFrame) -> charts.Chart:
    """Draw by how much the loss grows without each feature."""
    rows = importance.rename(columns={"feature": "name"}).head(_MOST_BARS)
    rest = len(importance) - len(rows)
    text = "By how much the log-loss of held-out rows grows when a feature's values are permuted."
    if rest > 0:
        text += f" The first {len(rows)} of {len(importance)}."
    text += " Features that tell the same share their importance."
    return charts.bars(
        "Importance of features", text, _with_limits(rows), "increase of log-loss", ".4f"
    )


def _with_limits(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(low=rows["mean"] - rows["std"], high=rows["mean"] + rows["std"])


def loss_chart(curves: pd.DataFrame) -> charts.Chart:
    """Draw the training curves."""
    parts = [
        curves.assign(name=title, loss=curves[column])[["net", "epoch", "name", "loss"]]
        for title, column in (("training", "train_loss"), ("validation", "valid_loss"))
    ]
    best = curves["best"].unique()
    n_nets = curves["net"].nunique()
    text = "Cross-entropy by epoch" + (f", of {n_nets} nets." if n_nets > 1 else ", of the best net.")
    return charts.losses(
        text, pd.concat(parts).dropna(subset=["loss"]), int(best[0]) if len(best) == 1 else None
    )
