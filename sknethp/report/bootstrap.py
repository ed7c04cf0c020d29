"""Scores of held-out rows, with confidence intervals from the bootstrap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

# Efron & Tibshirani (1993), An introduction to the bootstrap: 1000 are enough for an interval.
_RESAMPLES = 1000
_FEWER = 200
_MANY_ROWS = 20_000
_CELLS = 2_000_000
_LEVEL = 0.95


@dataclass(frozen=True)
class Answers:
    """What a model answered: true and predicted classes by number, and probabilities.

    `label` and `predicted` are ``(n_rows,)``, `probabilities` ``(n_rows, n_classes)``. `group`,
    ``(n_rows,)``, has a number from 0 for each group of rows, if they belong to groups.
    """

    label: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    group: np.ndarray | None = None


@dataclass(frozen=True)
class Score:
    """A score and the limits of its 95% confidence interval."""

    value: float
    low: float
    high: float


def held_out_scores(answers: Answers, seed: int = 0) -> dict[str, Score]:
    """Return scores by name, with percentile intervals over resampled rows or groups of them.

    A score that the rows do not determine, as an area with one class, is NaN.
    """
    ones = np.ones((1, len(answers.label)))
    values = {name: found[0] for name, found in weighted_scores(answers, ones).items()}
    resampled = [weighted_scores(answers, weights) for weights in _resamples(answers, seed)]
    scores = {}
    for name, value in values.items():
        drawn = np.concatenate([part[name] for part in resampled])
        low, high = _limits(drawn)
        scores[name] = Score(float(value), low, high)
    return scores


def _resamples(answers: Answers, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each row is drawn, ``(n_resamples, n_rows)``, in parts that fit memory.

    Of groups, all rows are drawn together.
    """
    random = np.random.default_rng(seed)
    n_rows = len(answers.label)
    group = np.arange(n_rows) if answers.group is None else answers.group
    n_groups = int(group.max()) + 1
    left = _RESAMPLES if n_rows <= _MANY_ROWS else _FEWER
    while left > 0:
        n = min(left, max(1, _CELLS // n_rows))
        drawn = random.integers(n_groups, size=(n, n_groups))
        counts = np.stack([np.bincount(row, minlength=n_groups) for row in drawn])
        yield counts[:, group].astype(float)
        left -= n


def _limits(drawn: np.ndarray) -> tuple[float, float]:
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def weighted_scores(answers: Answers, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores by name for each row of weights, ``(n_resamples,)``.

    `weights` are ``(n_resamples, n_rows)``.
    """
    is_right = answers.label == answers.predicted
    total = weights.sum(axis=1)
    return {
        "log-loss": weights @ _losses(answers) / total,
        "accuracy": weights @ is_right / total,
        "balanced accuracy": _balanced(answers.label, is_right, weights),
        "ROC AUC": _area(answers, weights),
    }


def _balanced(label: np.ndarray, is_right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over the classes drawn of the share that was recognized."""
    members = label[:, None] == np.unique(label)
    drawn, right = weights @ members, weights @ (members & is_right[:, None])
    shares = np.divide(right, drawn, where=drawn > 0, out=np.full_like(right, np.nan))
    return np.nanmean(shares, axis=1)


def _area(answers: Answers, weights: np.ndarray) -> np.ndarray:
    """Return the area for two classes, or the mean of each class's against the rest."""
    n_classes = answers.probabilities.shape[1]
    chosen = [1] if n_classes == 2 else range(n_classes)
    areas = [
        weighted_area(answers.probabilities[:, k], answers.label == k, weights) for k in chosen
    ]
    return np.mean(areas, axis=0)


def weighted_area(scores: np.ndarray, is_positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve for each row of weights; NaN without both classes."""
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    weights, is_positive = weights[:, order], is_positive[order]
    positive = np.add.reduceat(weights * is_positive, starts, axis=1)
    negative = np.add.reduceat(weights * ~is_positive, starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    found = (positive * below).sum(axis=1)
    return np.divide(found, pairs, where=pairs > 0, out=np.full(len(pairs), np.nan))


def loss_lead(first: Answers, other: Answers, seed: int = 0) -> Score:
    """Return by how much the first model's log-loss is lower, on the same rows resampled alike."""
    gains = _losses(other) - _losses(first)
    drawn = np.concatenate(
        [weights @ gains / weights.sum(axis=1) for weights in _resamples(first, seed)]
    )
    return Score(float(gains.mean()), *_limits(drawn))


def _losses(answers: Answers) -> np.ndarray:
    own = answers.probabilities[np.arange(len(answers.label)), answers.label]
    return -np.log(np.clip(own, np.finfo(float).eps, 1))
