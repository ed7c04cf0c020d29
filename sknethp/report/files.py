"""What a run leaves in its folder, read as plain text: nothing in it is executed.

``settings.json`` says what was run. Every other file may be missing:

``cv_results.csv``
    A row per candidate of the search, the best first, with scikit-learn's columns; ``candidate``,
    its number from 0 in the order of the search; ``evaluated_at``, the seconds after which its
    scores were known; and ``weight`` in an ensemble, if there is one.
``held_out.csv``
    A row per model and held-out row: ``model``, ``row``, ``label``, ``predicted``, a column
    ``proba_<class>`` for each class, ``fold`` if there are several, and ``group`` if rows belong
    to groups.
``curves.csv``
    A row per net and epoch: ``net``, ``epoch``, ``train_loss``, ``valid_loss`` (empty if nothing
    was held out while training), and ``best``, the net's best epoch.
``importance.csv``
    A row per feature, the most important first: ``feature``, and ``mean`` and ``std`` of by how
    much the log-loss of held-out rows grows when the feature's values are permuted among them.
``scores.csv`` and ``comparison.json``
    A comparison, as ``Comparison.save`` writes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from sknethp.comparison import Comparison
from sknethp.comparison.files import ABOUT, HELD_OUT

SETTINGS, CANDIDATES, PIPELINE = "settings.json", "cv_results.csv", "pipeline.joblib"
CURVES, IMPORTANCE = "curves.csv", "importance.csv"
GROUP = "group"
_PROBABILITY = "proba_"
_NEEDED = {
    CANDIDATES: ("candidate", "evaluated_at"),
    HELD_OUT: ("model", "label", "predicted"),
    CURVES: ("net", "epoch", "train_loss", "valid_loss", "best"),
    IMPORTANCE: ("feature", "mean", "std"),
}


class RunError(ValueError):
    """A folder that does not hold a run, or a file in it that cannot be read."""


@dataclass(frozen=True)
class Run:
    """A run's settings, and those of its tables that are there."""

    folder: Path
    settings: Mapping[str, Any]
    candidates: pd.DataFrame | None = None
    held_out: pd.DataFrame | None = None
    curves: pd.DataFrame | None = None
    importance: pd.DataFrame | None = None
    comparison: Comparison | None = None

    @property
    def classes(self) -> list[str]:
        """The classes, as texts, in the order of the columns of probabilities."""
        if self.held_out is None:
            return [str(label) for label in self.settings["data"].get("classes", ())]
        return [
            name.removeprefix(_PROBABILITY)
            for name in self.held_out
            if name.startswith(_PROBABILITY)
        ]


def read_run(folder: Path) -> Run:
    """Read the files of a run; a RunError says which one is not as it should be."""
    return Run(
        folder,
        _settings(folder),
        _table(folder / CANDIDATES),
        _table(folder / HELD_OUT),
        _table(folder / CURVES),
        _table(folder / IMPORTANCE),
        _comparison(folder),
    )


def _settings(folder: Path) -> dict[str, Any]:
    file = folder / SETTINGS
    if not file.is_file():
        raise RunError(f"{str(folder)!r} holds no finished run: there is no {SETTINGS} in it")
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunError(f"{str(file)!r} is not valid JSON: {error}") from error
    is_known = isinstance(settings, dict) and all(
        isinstance(settings.get(name), dict) for name in ("arguments", "data")
    )
    if not is_known:
        raise RunError(f"{str(file)!r} does not say what was run: it lacks arguments or data")
    return settings


def _table(file: Path) -> pd.DataFrame | None:
    """Read a table, in which the names of models, classes and features stay texts."""
    if not file.is_file():
        return None
    texts = dict.fromkeys(("model", "label", "predicted", GROUP, "feature", "net"), str)
    numbers = dict.fromkeys(("train_loss", "valid_loss", "mean", "std"), float)
    is_results = file.name == CANDIDATES
    try:
        table = pd.read_csv(
            file, dtype={**texts, **numbers}, keep_default_na=is_results, na_values=[""]
        )
    except (ValueError, UnicodeError) as error:
        raise RunError(f"{str(file)!r} cannot be read: {error}") from error
    if missing := [name for name in _NEEDED[file.name] if name not in table]:
        raise RunError(f"{str(file)!r} lacks the column {missing[0]!r}")
    if file.name == HELD_OUT and sum(name.startswith(_PROBABILITY) for name in table) < 2:
        raise RunError(f"{str(file)!r} lacks a column {_PROBABILITY}<class> for each class")
    return table if len(table) else None


def _comparison(folder: Path) -> Comparison | None:
    if not (folder / ABOUT).is_file():
        return None
    try:
        return Comparison.load(folder)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"the comparison in {str(folder)!r} cannot be read: {error}") from error
