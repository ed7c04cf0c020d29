"""Scores of held-out predictions, by any of scikit-learn's scorers."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, check_scoring

from sknethp.classifier import DeepNetClassifier
from sknethp.estimator.stopping import Answers
from sknethp.self_tuning.folds import Folds

LOG_LOSS = "neg_log_loss"
_SMALLEST = 1e-15
_LEVELS = 101


class ThresholdAnswers(Answers):
    """Precomputed predictions that are decided at a threshold."""

    def __init__(self, classes: np.ndarray, probabilities: np.ndarray, threshold: float):
        super().__init__(classes, probabilities)
        self._threshold = threshold

    def decision_function(self, X: object) -> np.ndarray:
        """Return the decision values."""
        return decision_values(self.probabilities, self._threshold)

    def predict(self, X: object) -> np.ndarray:
        """Return the labels."""
        return self.classes_[decided(self.probabilities, self._threshold)]


def decided(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return the index of each sample's class; with two, the second from a threshold on."""
    if probabilities.shape[1] == 2:
        return (probabilities[:, 1] > threshold).astype(int)
    return probabilities.argmax(1)


def decision_values(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return log-probabilities; of two classes the log-odds of the second, 0 at the threshold."""
    logs = np.log(np.maximum(probabilities, _SMALLEST))
    if logs.shape[1] > 2:
        return logs
    return logs[:, 1] - logs[:, 0] - np.log(threshold / (1 - threshold))


def log_losses(probabilities: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the log-loss of each sample, ``(n_samples,)``."""
    return -np.log(np.maximum(probabilities[np.arange(len(y)), y], _SMALLEST))


def best_threshold(scorer: Scorer, probabilities: np.ndarray) -> float:
    """Return the probability of the second class from which to decide for it, for the best score.

    Of several that are as good, the nearest to one half.
    """
    levels = np.unique(np.quantile(probabilities[:, 1], np.linspace(0, 1, _LEVELS)))
    thresholds = np.append((levels[1:] + levels[:-1]) / 2, 0.5)
    scores = np.array([scorer.of_all(probabilities, threshold) for threshold in thresholds])
    best = thresholds[scores == np.nanmax(scores)] if np.isfinite(scores).any() else thresholds
    return float(best[np.abs(best - 0.5).argmin()])


class Scorer:
    """Scores predictions of what is held out, higher is better; NaN where that fails.

    `reason` is why it last failed. `X` are the samples, which a scorer of the user's own may look
    at.
    """

    def __init__(self, scoring: Any, folds: Folds, X: Any):
        self.scoring = scoring
        self._folds, self._X = folds, X
        self.reason = ""
        self._function: Callable[..., float] = check_scoring(DeepNetClassifier(), scoring)
        self.has_threshold = (
            getattr(self._function, "_response_method", "") == "predict"
            and getattr(self._function, "_score_func", None) is not accuracy_score
            and len(folds.samples.classes) == 2
        )

    def of_folds(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the score of each fold, given ``(n_held_out, n_classes)``.

        If it fails in one, as where a class is missing, that of all together stands for each.
        """
        scores = np.array([self._of(probabilities, part, 0.5) for part in self._folds.slices])
        return (
            scores
            if np.isfinite(scores).all()
            else np.full_like(scores, self.of_all(probabilities))
        )

    def of_all(self, probabilities: np.ndarray, threshold: float = 0.5) -> float:
        """Return the score of what is held out from all folds together."""
        return self._of(probabilities, slice(None), threshold)

    def _of(self, probabilities: np.ndarray, part: slice, threshold: float) -> float:
        folds = self._folds
        y, weight = folds.y[part], None if folds.weight is None else folds.weight[part]
        if self.scoring == LOG_LOSS:  # a fold may lack a class
            return -float(np.average(log_losses(probabilities[part], y), weights=weight))
        classes = folds.samples.classes
        answers = ThresholdAnswers(classes, probabilities[part], threshold)
        X = self._X[folds.held_out[part]]
        try:
            return float(self._function(answers, X, classes[y], **self._weights(weight)))
        except ValueError as error:  # of a fold without some class, for example
            self.reason = str(error)
            return np.nan

    def _weights(self, weight: np.ndarray | None) -> dict[str, Any]:
        """Return sample weights, if there are some, for a metric that takes them."""
        metric = getattr(self._function, "_score_func", self._function)
        if weight is None or "sample_weight" not in signature(metric).parameters:
            return {}
        return {"sample_weight": weight}
