"""Scores of predictions that are made once, by any of scikit-learn's scorers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names, log_loss

from sknethp.hyperparameters.constraints import Choice
from sknethp.self_tuning.scoring import LOG_LOSS, ThresholdAnswers


class Answered(ThresholdAnswers):
    """A fitted classifier's answers for some rows, in its place for a scorer.

    `probabilities` are ``(n_rows, n_classes)``, `predicted` labels ``(n_rows,)``.
    """

    def __init__(self, classes: np.ndarray, probabilities: np.ndarray, predicted: np.ndarray):
        super().__init__(classes, probabilities, threshold=0.5)
        self.predicted = predicted

    @classmethod
    def of(cls, fitted: Any, X: Any, classes: np.ndarray) -> Answered:
        """Ask a classifier, which may not know all of the classes."""
        given = np.asarray(fitted.predict_proba(X), dtype=np.float64)
        probabilities = np.zeros((len(given), len(classes)))
        probabilities[:, np.searchsorted(classes, fitted.classes_)] = given
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return cls(classes, probabilities, np.ravel(fitted.predict(X)))

    def predict(self, X: object) -> np.ndarray:
        """Return the labels."""
        return self.predicted


def score_of(scoring: Any, answers: Answered, X: Any, y: np.ndarray) -> float:
    """Return a score, higher is better; raises an error where there is none."""
    if scoring == LOG_LOSS:  # the scorer of this name fails where a class is missing
        return -float(log_loss(y, answers.probabilities, labels=answers.classes_))
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    return float(scorer(answers, X, y))


def scorers(scoring: Any) -> dict[str, Any]:
    """Return metrics by name: from a name or callable, several of them, or a dict."""
    if isinstance(scoring, dict):
        metrics = dict(scoring)
    else:
        is_one = isinstance(scoring, str) or not isinstance(scoring, Iterable)
        metrics = {_name_of(each): each for each in ([scoring] if is_one else scoring)}
    if not metrics:
        raise ValueError(f"scoring={scoring!r} is not valid: give at least one metric.")
    for name, metric in metrics.items():
        _check(name, metric)
    return metrics


def _check(name: str, metric: Any) -> None:
    if isinstance(metric, str):
        names = Choice(tuple(get_scorer_names()))
        if not names.allows(metric):
            near = names.nearest(metric)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(
                f"scoring={metric!r} is not a metric of scikit-learn{hint} "
                "sklearn.metrics.get_scorer_names() lists them."
            )
    elif not callable(metric):
        raise ValueError(f"scoring has {metric!r} for {name!r}, which is neither name nor scorer.")


def _name_of(scoring: Any) -> str:
    if isinstance(scoring, str):
        return scoring
    metric = getattr(scoring, "_score_func", scoring)
    return str(getattr(metric, "__name__", type(metric).__name__))
