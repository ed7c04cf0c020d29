"""Tuning by a search: which one, and what became of it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import ParameterGrid

from sknethp import DeepNetClassifier, fused
from sknethp.cli.errors import failure_in_a_sentence
from sknethp.cli.pipelines import STEP, make_net_pipeline
from sknethp.cli.scoring import Scored, Scoring, answers_of
from sknethp.cli.splits import Rows
from sknethp.model_selection import (
    BayesSearchCV,
    GridSearchCV,
    LayerGrowthSearchCV,
    RandomizedSearchCV,
)
from sknethp.model_selection.results import fold_scores
from sknethp.model_selection.spaces import Size, search_space

SIZE: Size = "medium"
_CANDIDATES = 20
# More than fit any budget, or in a grid, the most that are useful.
_CANDIDATES_IN_TIME = 500
_GRID_IN_TIME = 48


@dataclass(frozen=True)
class Tuned:
    """The tuned pipeline, all candidates, and what there is to tell.

    `net` is the best net by itself.
    """

    scored: Scored
    net: Any
    results: pd.DataFrame
    notes: list[str]
    is_interrupted: bool = False


@dataclass(frozen=True)
class Task:
    """What a tuner is given; `memory` is where it keeps finished fits."""

    arguments: argparse.Namespace
    rows: Rows
    held_out: Rows
    folds: Sequence[tuple[np.ndarray, np.ndarray]]
    scoring: Scoring
    memory: Path


def make_search(task: Task) -> tuple[Any, int | None]:
    """Return a search, and how many candidates it tries at most, if that is known."""
    given, X = task.arguments, task.rows.X
    pipeline = make_net_pipeline(DeepNetClassifier(), X, given.seed)
    common: dict[str, Any] = {
        "scoring": task.scoring,
        "cv": task.folds,
        "refit": task.scoring.chosen,
        "memory": task.memory,
        "max_time": given.budget,
        "progress": True,
    }
    if given.method == "grow":
        return LayerGrowthSearchCV(pipeline, **common), None
    in_time = _GRID_IN_TIME if given.method == "grid" else _CANDIDATES_IN_TIME
    n = given.candidates or (_CANDIDATES if given.budget is None else in_time)
    space = search_space(pipeline, given.method, SIZE, X=X, max_candidates=n)
    if given.method == "grid":
        return GridSearchCV(pipeline, space, **common), len(ParameterGrid(space))
    common |= {"n_iter": n, "random_state": given.seed}
    if given.method == "random":
        return RandomizedSearchCV(pipeline, space, **common), n
    return BayesSearchCV(pipeline, space, error_score=np.nan, **common), n


def tuned_by_search(task: Task, announce: Callable[[str], None]) -> Tuned:
    """Run a search, fused; the pipeline that it chooses does not keep the memory."""
    search, n_candidates = make_search(task)
    given = task.arguments
    announce(_words(given, n_candidates))
    with _fused(given.jobs), failure_in_a_sentence("search"):
        search.fit(task.rows.X, task.rows.y)
    model = search.best_estimator_.set_params(**{f"{STEP}__memory": None})
    return Tuned(
        Scored(model, _of_folds(search, task.scoring), answers_of(model, task.held_out)),
        model[STEP],
        ranked(search, task.scoring),
        _notes(search, n_candidates, task),
    )


def _words(given: argparse.Namespace, n_candidates: int | None) -> str:
    folds = f"{given.cv} folds"
    if n_candidates is None:
        what = f"growing layers: {folds}"
    elif given.budget is not None and given.candidates is None:
        what = f"{given.method} search: {folds}"
    else:
        what = f"{given.method} search: {n_candidates} candidates x {folds}"
    return what if given.budget is None else f"{what}, at most {given.budget:g} s"


def _fused(n_jobs: int | None) -> AbstractContextManager[Any]:
    """Spread the fits over so many processes, or over as many as pay."""
    return nullcontext() if n_jobs is None else fused(n_jobs, progress=True, silent=True)


def _of_folds(search: Any, scoring: Scoring) -> dict[str, np.ndarray]:
    best = search.best_index_
    return {name: fold_scores(search.cv_results_, name)[best] for name in scoring.metrics}


def ranked(search: Any, scoring: Scoring) -> pd.DataFrame:
    """Return a row per candidate, the best first, with when it was evaluated."""
    table = pd.DataFrame(search.cv_results_).drop(columns="params")
    table = table.rename(columns=lambda name: name.replace("test_score", f"test_{scoring.chosen}"))
    table["candidate"], table["evaluated_at"] = table.index, search.evaluated_at_
    rank = f"rank_test_{scoring.chosen}"
    first = [rank, *(name for name in table.columns if name.startswith("mean_test_"))]
    ordered = [*first, *(name for name in table.columns if name not in first)]
    return table[ordered].sort_values(rank, kind="stable")


def _notes(search: Any, n_candidates: int | None, task: Task) -> list[str]:
    notes, n_tried = [], len(search.cv_results_["params"])
    if n_found := search.fused_summary_.found:
        notes.append(f"finished in an earlier run: {n_found}")
    if n_candidates is not None and n_tried < n_candidates:
        notes.append(f"tried in the time: {n_tried} candidates")
    failed = np.isnan(fold_scores(search.cv_results_, task.scoring.chosen)).sum()
    if failed:
        n_fits = n_tried * len(task.folds)
        notes.append(f"{failed} of {n_fits} fits failed; their scores are left blank")
    if hasattr(search, "best_n_layers_"):
        n_layers = search.best_n_layers_
        notes.append(f"{n_layers} hidden layer{'s' * (n_layers != 1)}")
    return notes
