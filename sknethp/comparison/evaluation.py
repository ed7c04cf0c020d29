"""One model on one fold: fitted, timed, and asked about the rows that were held out."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from sknethp.comparison.edges import at_edge
from sknethp.comparison.models import Job, Model
from sknethp.comparison.scoring import Answered, score_of
from sknethp.compat import BaseSearchCV
from sknethp.exceptions import first_line
from sknethp.hyperparameters.constraints import as_python
from sknethp.self_tuning import DeepNetClassifierCV
from sknethp.training.threads import torch_threads

_MOST_TRAINING_ROWS = 2000


@dataclass
class Result:
    """What a model made of a fold.

    `scores` by metric; `train_score` is by the first metric, of at most 2000 training rows;
    `probabilities` ``(n_test, n_classes)`` and `predicted` ``(n_test,)``, as indices of classes.
    `params` and `edges` are texts, of a model that was tuned; `failure` is why there is none.
    """

    scores: dict[str, float]
    probabilities: np.ndarray
    predicted: np.ndarray
    fit_seconds: float = np.nan
    predict_seconds: float = np.nan
    train_score: float = np.nan
    n_candidates: int = 0
    params: str = ""
    edges: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: str = ""


@dataclass(frozen=True)
class Rows:
    """The training and test rows of a fold, as a model is given them, and all classes."""

    X_train: Any
    y_train: np.ndarray
    X_test: Any
    y_test: np.ndarray
    groups: np.ndarray | None
    classes: np.ndarray


def evaluated(model: Model, job: Job, rows: Rows, metrics: dict[str, Any]) -> Result:
    """Fit a model and score it; one that fails has no scores, but a failure."""
    try:
        with torch_threads(job.n_jobs), threadpool_limits(job.n_jobs):
            return _evaluated(model, job, rows, metrics)
    except Exception as error:
        nothing = np.full((len(rows.y_test), len(rows.classes)), np.nan)
        return Result(
            dict.fromkeys(metrics, np.nan),
            nothing,
            np.full(len(rows.y_test), -1),
            failure=first_line(error),
        )


def _evaluated(model: Model, job: Job, rows: Rows, metrics: dict[str, Any]) -> Result:
    estimator = model.make(job)
    is_search = isinstance(estimator, BaseSearchCV)
    extra = {"groups": rows.groups} if is_search and rows.groups is not None else {}
    start = time.perf_counter()
    with warnings.catch_warnings():
        if isinstance(model.given, str):  # what built-in models warn of is in their notes
            warnings.simplefilter("ignore", UserWarning)
        fitted = estimator.fit(rows.X_train, rows.y_train, **extra)
    fitted_at = time.perf_counter()
    if isinstance(fitted, DeepNetClassifierCV) and fitted.summary_.states.get("interrupted"):
        raise KeyboardInterrupt  # which it has taken as the end of its time
    answers = Answered.of(fitted, rows.X_test, rows.classes)
    seconds = fitted_at - start, time.perf_counter() - fitted_at
    scores, failures = _scores(answers, metrics, rows)
    best = getattr(fitted, "best_params_", {})
    return Result(
        scores,
        answers.probabilities,
        np.searchsorted(rows.classes, answers.predicted),
        *seconds,
        train_score=_train_score(fitted, job.scoring, rows),
        n_candidates=_n_candidates(fitted),
        params=json.dumps({k: as_python(v) for k, v in best.items()}, default=repr),
        edges=at_edge(fitted),
        notes=_notes(fitted),
        failure="; ".join(failures),
    )


def _scores(
    answers: Answered, metrics: dict[str, Any], rows: Rows
) -> tuple[dict[str, float], list[str]]:
    """Return the scores, and why there are none, as of a fold without a class."""
    scores, failures = {}, []
    for name, scoring in metrics.items():
        try:
            scores[name] = score_of(scoring, answers, rows.X_test, rows.y_test)
        except ValueError as error:
            scores[name] = np.nan
            failures.append(f"no {name}, since {first_line(error)}")
    return scores, failures


def _train_score(fitted: Any, scoring: Any, rows: Rows) -> float:
    """Score some training rows, spread over all."""
    some = np.linspace(0, len(rows.y_train) - 1, _MOST_TRAINING_ROWS).astype(int)
    some = np.unique(some)
    X = rows.X_train.iloc[some] if hasattr(rows.X_train, "iloc") else rows.X_train[some]
    answers = Answered.of(fitted, X, rows.classes)
    try:
        return score_of(scoring, answers, X, rows.y_train[some])
    except ValueError:
        return np.nan


def _n_candidates(fitted: Any) -> int:
    results = getattr(fitted, "cv_results_", None)
    return len(results["params"]) if results else getattr(fitted, "n_candidates_", 1)


def _notes(fitted: Any) -> list[str]:
    """Return what was less than asked for."""
    if not isinstance(fitted, DeepNetClassifierCV):
        return list(getattr(fitted, "notes_", []))
    unfinished = [] if fitted.summary_.n_complete else ["no net trained to its end"]
    return [*fitted.summary_.notes, *unfinished]
