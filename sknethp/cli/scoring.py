"""Scores of models, cross-validated and on the rows held out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline

from sknethp.cli.metrics import metric_name, scorer
from sknethp.cli.splits import Rows
from sknethp.comparison.scoring import LOG_LOSS, Answered, score_of

ACCURACY = "accuracy"


@dataclass(frozen=True)
class Scoring:
    """Scores a fitted classifier by several metrics, larger being better; `chosen` decides."""

    chosen: str
    metrics: dict[str, Any]

    @classmethod
    def by(cls, given: str, classes: np.ndarray) -> Scoring:
        """Score by a metric, and always by accuracy and log-loss."""
        chosen = metric_name(given, len(classes))
        names = dict.fromkeys((ACCURACY, LOG_LOSS, chosen))
        return cls(chosen, {name: scorer(name, classes) for name in names})

    def __call__(self, estimator: Any, X: object, y: np.ndarray) -> dict[str, float]:
        """Return the scores by name."""
        return self.of(Answered.of(estimator, X, estimator.classes_), X, y)

    def of(self, answers: Answered, X: object, y: np.ndarray) -> dict[str, float]:
        """Return the scores of answers; NaN where there is none, as of an area with one class."""
        scores = dict.fromkeys(self.metrics, float("nan"))
        for name, metric in self.metrics.items():
            with suppress(ValueError), warnings.catch_warnings():
                warnings.simplefilter("ignore", UndefinedMetricWarning)
                scores[name] = score_of(metric, answers, X, y)
        return scores


@dataclass(frozen=True)
class Scored:
    """A fitted model: its scores in each fold by metric, and its answers for the rows held out."""

    model: Pipeline
    folds: dict[str, np.ndarray]
    answers: Answered

    def summary(self, scoring: Scoring, held_out: Rows) -> dict[str, float]:
        """Return all scores as people know them, such as ``cv_log_loss``."""
        of_folds = {name: float(np.nanmean(scores)) for name, scores in self.folds.items()}
        of_test = scoring.of(self.answers, held_out.X, held_out.y)
        return {**_known("cv", of_folds), **_known("test", of_test)}


def answers_of(model: Pipeline, held_out: Rows) -> Answered:
    """Return a fitted model's answers for the rows held out."""
    return Answered.of(model, held_out.X, model.classes_)


def _known(prefix: str, scores: Mapping[str, float]) -> dict[str, float]:
    """Turn back what was negated for larger to be better."""
    return {
        f"{prefix}_{name.removeprefix('neg_')}": -value if name.startswith("neg_") else value
        for name, value in scores.items()
    }


def scored_baseline(
    model: Pipeline, rows: Rows, held_out: Rows, folds: Sequence[Any], scoring: Scoring
) -> Scored:
    """Cross-validate a model, and fit it to all rows but those held out."""
    found = cross_validate(model, rows.X, rows.y, cv=folds, scoring=scoring)
    model.fit(rows.X, rows.y)
    of_folds = {name: found[f"test_{name}"] for name in scoring.metrics}
    return Scored(model, of_folds, answers_of(model, held_out))
