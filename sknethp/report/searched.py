"""The part of the page about a search and its training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from sknethp.display.figures import floor_of
from sknethp.display.importance import Importance
from sknethp.display.scales import UNSET, label_of
from sknethp.report import charts
from sknethp.report.search import SearchTable
from sknethp.report.tables import Cell, Table, number, table

_MOST_ROWS = 100
_MOST_PANELS = 12
_MOST_BARS = 20
_FEWEST_CANDIDATES = 3
_FEW_VALUES = 6
_MOST_LETTERS = 32
# A smaller number is shorter as a power of ten.
_SMALL = 1e-3


def candidate_table(search: SearchTable) -> Table:
    """Return the best candidates, with the hyperparameters that differ."""
    rows = [_row(search, rank, i) for rank, i in enumerate(_order(search)[:_MOST_ROWS], start=1)]
    return table("Candidates, the best first", _headings(search), rows)


def ensemble_table(search: SearchTable) -> Table | None:
    """Return the candidates that predict together, the heaviest first, if there are several."""
    weights = search.results.get("weight")
    if weights is None or (weights > 0).sum() < 2:
        return None
    ranks = {i: rank for rank, i in enumerate(_order(search), start=1)}
    members = sorted(ranks, key=lambda i: -weights[i])[: (weights > 0).sum()]
    rows = [[number(weights[i], ".3f"), *_row(search, ranks[i], i)] for i in members]
    return table("Candidates that predict together", ["weight", *_headings(search)], rows)


def _headings(search: SearchTable) -> list[str]:
    labels = search.candidates.labels
    return ["rank", search.metric, *(labels[name] for name in _varied(search))]


def _row(search: SearchTable, rank: int, i: int) -> list[Cell]:
    """Return the cells of a candidate by its position in the results."""
    candidates = search.candidates
    return [
        Cell(str(rank), rank),
        number(candidates.mean[i], ".4f", f" ± {candidates.spread[i]:.4f}"),
        *(_value_cell(candidates.values[name][i]) for name in _varied(search)),
    ]


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
    limits, n_below = _limits(search)
    text = (
        "A dot is a candidate, its line one standard deviation over the folds; higher is better, "
        "and the best one is orange."
    )
    if n_below:
        text += (
            f" {n_below} worse than the axis shows {'lie' if n_below > 1 else 'lies'} at its foot."
        )
    yield charts.candidates("Every candidate", text, points, x, search.metric, limits)
    names = _varied(search)
    if importance is not None:
        shares = importance.mean
        names = sorted(names, key=lambda name: -shares.get(name, 0))
    for name in names[:_MOST_PANELS]:
        yield _panel(search, points, name)


def convergence_charts(search: SearchTable) -> Iterator[charts.Chart]:
    """Yield the best score so far by candidates and, if these ended one by one, by seconds."""
    points = _points(search).sort_values("order")
    if len(points) < _FEWEST_CANDIDATES:
        return
    for column, title, text in (
        ("order", "candidates", "A dot is a candidate, in the order in which they ended."),
        ("seconds", "seconds", "The same by time, in the last run if there were several."),
    ):
        if points[column].nunique() >= _FEWEST_CANDIDATES:
            x = alt.X(f"{column}:Q", title=title, axis=alt.Axis(grid=False, tickMinStep=1))
            name = f"Best score by {title}"
            limits = _limits(search)[0]
            yield charts.convergence(name, text, points, x, search.metric, limits)


def _points(search: SearchTable) -> pd.DataFrame:
    """Return a row per candidate with a score: its mean, and each hyperparameter as text."""
    candidates = search.candidates
    ranks = np.empty(len(candidates.mean), int)
    ranks[_order(search)] = np.arange(1, len(ranks) + 1)
    names = _varied(search)
    seconds = search.results["evaluated_at"].astype(float)
    order = np.lexsort((search.results["candidate"], seconds))
    so_far = np.empty(len(ranks))
    so_far[order] = np.fmax.accumulate(candidates.mean[order])
    points = pd.DataFrame(
        {
            "rank": ranks,
            "seconds": seconds,
            "order": np.argsort(order) + 1,
            "so_far": so_far,
            "mean": candidates.mean,
            "low": candidates.mean - candidates.spread,
            "high": candidates.mean + candidates.spread,
            "best": ranks == 1,
        }
    )
    titles = {f"value {i}": candidates.labels[name] for i, name in enumerate(names)}
    for key, name in zip(titles, names, strict=True):
        points[key] = [label_of(value) for value in candidates.values[name]]
    points.attrs["titles"] = titles
    return points[~candidates.failed]


def _limits(search: SearchTable) -> tuple[tuple[float, float], int]:
    """Return limits of an axis on which the good candidates differ, and how many are below."""
    good = ~search.candidates.failed
    mean, spread = search.candidates.mean[good], search.candidates.spread[good]
    shown = mean >= floor_of(mean)
    low, high = (mean - spread)[shown].min(), (mean + spread)[shown].max()
    margin = 0.06 * (high - low) or 0.01
    return (float(low - margin), float(high + margin)), int((~shown).sum())


def _panel(search: SearchTable, points: pd.DataFrame, name: str) -> charts.Chart:
    scale, label = search.candidates.scales[name], search.candidates.labels[name]
    values = [search.candidates.values[name][i] for i in points.index]
    is_number = [isinstance(v, (int, float)) and not isinstance(v, bool) for v in values]
    distinct = [v for v in scale.distinct() if v in values]
    if scale.kind == "categories" or not any(is_number) or len(distinct) <= _FEW_VALUES:
        column = points.assign(x=[label_of(v) for v in values])
        order = [label_of(v) for v in distinct]
        is_narrow = sum(map(len, order)) + 2 * len(order) > _MOST_LETTERS
        axis = alt.Axis(labelAngle=-40 if is_narrow else 0, labelLimit=80)
        x = alt.X("x:N", title=None, axis=axis, sort=order)
        return _kept(column, points, label, x, search, "")
    column = points.assign(x=[v if ok else np.nan for v, ok in zip(values, is_number, strict=True)])
    if scale.kind == "log":
        column = column[column["x"] > 0]
    n_away = len(points) - int(column["x"].notna().sum())
    away = f"{n_away} candidates do not set it." if n_away else ""
    how = alt.Scale(type="log") if scale.kind == "log" else alt.Scale(zero=False)
    form = ".0e" if scale.kind == "log" and column["x"].min() < _SMALL else "~g"
    ticks = alt.Axis(grid=False, tickCount=4, format=form, labelOverlap=True)
    x = alt.X("x:Q", title=None, scale=how, axis=ticks)
    return _kept(column.dropna(subset=["x"]), points, label, x, search, away)


def _kept(
    column: pd.DataFrame, points: pd.DataFrame, label: str, x: Any, search: SearchTable, text: str
) -> charts.Chart:
    column.attrs = points.attrs
    return charts.candidates(label, text, column, x, search.metric, _limits(search)[0])


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
    text += " Features that tell the same each look less important than they are."
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
    whose = f"{n_nets} nets" if n_nets > 1 else "the best net"
    table = pd.concat(parts).dropna(subset=["loss"])
    rows = " and ".join(table["name"].unique())
    text = f"Cross-entropy of {whose} on {rows} rows, by epoch."
    return charts.losses(text, table, int(best[0]) if len(best) == 1 else None)
