"""Which rows are held out, and the folds of the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from sknethp.cli.data import Dataset
from sknethp.cli.errors import CommandError
from sknethp.exceptions import first_line

# Groups are held out by as many parts as come closest to the fraction.
_MOST_PARTS = 20


@dataclass(frozen=True)
class Rows:
    """Columns (n_rows, n_features), labels and groups (n_rows,), and the rows' positions."""

    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray | None
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


def split(data: Dataset, *, test_fraction: float, cv: int, seed: int) -> tuple[Rows, Rows]:
    """Divide the rows into those to tune on and those held out, stratified."""
    train, test = _positions(data, test_fraction, cv, seed)
    tuned = _rows(data, train)
    missing = np.setdiff1d(data.y, tuned.y)
    if len(missing) or np.unique(tuned.y, return_counts=True)[1].min() < cv:
        raise _too_few(data, cv, test_fraction)
    if data.groups is not None and len(set(data.groups[train])) < cv:
        n_groups = len(set(data.groups))
        raise CommandError(
            f"column {data.group!r} has {n_groups} groups, too few for {cv} folds beside a "
            f"held-out part of {test_fraction:g}; use a smaller --cv"
        )
    return tuned, _rows(data, test)


def _rows(data: Dataset, index: np.ndarray) -> Rows:
    groups = None if data.groups is None else data.groups[index]
    return Rows(data.X.iloc[index], data.y[index], groups, index)


def _positions(
    data: Dataset, test_fraction: float, cv: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    positions = np.arange(len(data.y))
    if data.groups is not None:
        return _grouped(data, data.groups, test_fraction, seed)
    try:
        train, test = train_test_split(
            positions, test_size=test_fraction, stratify=data.y, random_state=seed
        )
    except ValueError as error:
        few = np.unique(data.y, return_counts=True)[1].min() < 2
        what = f"cannot split: {first_line(error)}"
        raise (_too_few(data, cv, test_fraction) if few else CommandError(what)) from error
    return train, test


def _grouped(
    data: Dataset, groups: np.ndarray, test_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out whole groups: as many parts of a stratified division as the fraction asks for."""
    n_parts = min(_MOST_PARTS, len(np.unique(groups)))
    n_held_out = min(n_parts - 1, max(1, round(test_fraction * n_parts)))
    parts = StratifiedGroupKFold(n_parts, shuffle=True, random_state=seed)
    tests = [test for _, test in parts.split(data.X, data.y, groups)]
    test = np.sort(np.concatenate(tests[:n_held_out]))
    return np.setdiff1d(np.arange(len(data.y)), test), test


def _too_few(data: Dataset, cv: int, test_fraction: float) -> CommandError:
    classes, counts = np.unique(data.y, return_counts=True)
    return CommandError(
        f"class {str(classes[counts.argmin()])!r} has {counts.min()} of {len(data.y)} rows, too "
        f"few for {cv} folds beside a held-out part of {test_fraction:g}; use a smaller --cv or "
        "remove the class"
    )


def folds(rows: Rows, cv: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the folds, the same for every candidate and baseline; groups stay together."""
    kind: Any = StratifiedKFold if rows.groups is None else StratifiedGroupKFold
    splitter = kind(cv, shuffle=True, random_state=seed)
    found = list(splitter.split(np.zeros(len(rows)), rows.y, rows.groups))
    for train, _ in found:
        if len(missing := np.setdiff1d(rows.y, rows.y[train])):
            raise CommandError(
                f"class {str(missing[0])!r} is in so few groups that a fold cannot learn it; use a "
                "smaller --cv or remove the class"
            )
    return found
