"""A new table with the columns that a pipeline knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from sknethp.cli.columns import check_finite, is_number, listed
from sknethp.cli.errors import CommandError


def aligned(frame: pd.DataFrame, known: dict[str, Any], source: str) -> tuple[pd.DataFrame, list]:
    """Return the columns that were learnt from, in their order, and what is to be told.

    `known` has their names as ``columns``, which of them hold ``numbers``, and the ``categories``
    of those that have few values.
    """
    frame = frame.rename(columns=str)
    if missing := [name for name in known["columns"] if name not in frame]:
        raise CommandError(
            f"{source!r} lacks {_columns(missing)} that the net was tuned on{_near(missing, frame)}"
        )
    X = frame[known["columns"]].copy()
    notes = list(_of_extra(frame, known))
    for name in known["numbers"]:
        X[name], note = _numbers(X[name], name)
        notes += [note] if note else []
    check_finite(X, source)
    return X, [*notes, *_of_unknown(X, known["categories"])]


def _columns(names: list[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {listed(map(repr, names))}"


def _near(missing: list[str], frame: pd.DataFrame) -> str:
    """Return a hint, if a column of the table has nearly the name of one that is missing."""
    for name in missing:
        if near := difflib.get_close_matches(name, frame.columns, n=1):
            return f"; is {near[0]!r} meant to be {name!r}?"
    return ""


def _of_extra(frame: pd.DataFrame, known: dict[str, Any]) -> Iterator[str]:
    extra = [name for name in frame if name not in known["columns"]]
    if known.get("target") in extra:
        yield f"the label column {known['target']!r} is ignored"
        extra.remove(known["target"])
    if extra:
        yield f"ignored, since the net was not tuned on them: {listed(extra)}"


def _numbers(column: pd.Series, name: str) -> tuple[pd.Series, str | None]:
    """Return a column as numbers; what is none becomes a gap, and is counted."""
    if is_number(column):
        return column, None
    numbers = pd.to_numeric(column, errors="coerce")
    odd = column[numbers.isna() & column.notna()]
    note = (
        f"column {name!r} held numbers when the net was tuned; {len(odd)} of {len(column)} rows "
        f"have something else, such as {str(odd.iloc[0])!r}, and are taken as empty"
        if len(odd)
        else None
    )
    return numbers.astype(np.float64), note


def _of_unknown(X: pd.DataFrame, categories: dict[str, list[str]]) -> Iterator[str]:
    """Count the values of categories that the net has not seen."""
    for name, values in categories.items():
        given = X[name].dropna().astype(str)
        unknown = given[~given.isin(values)]
        if len(unknown):
            yield (
                f"column {name!r}: {len(unknown)} of {len(X)} rows have a category that the net "
                f"has not seen: {listed(dict.fromkeys(unknown), 5)}"
            )
