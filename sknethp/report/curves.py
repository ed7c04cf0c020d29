"""ROC, precision-recall and calibration curves of held-out rows, as tables for charts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from sknethp.display.comparison import equal_bins
from sknethp.report.bootstrap import Answers

_MOST_POINTS = 150
_FEWEST_IN_BIN = 10


def roc_points(name: str, is_positive: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """Return the points of a ROC curve; none if there is only one class."""
    if len(np.unique(is_positive)) < 2:
        return pd.DataFrame()
    false_rate, true_rate, threshold = roc_curve(is_positive, scores)
    area = roc_auc_score(is_positive, scores)
    return _points(name, false_rate, true_rate, np.minimum(threshold, 1), area)


def precision_recall_points(name: str, is_positive: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """Return the points of a precision-recall curve; none if there is only one class."""
    if len(np.unique(is_positive)) < 2:
        return pd.DataFrame()
    precision, recall, threshold = precision_recall_curve(is_positive, scores)
    area = average_precision_score(is_positive, scores)
    return _points(name, recall, precision, np.append(threshold, 1.0), area)


def _points(
    name: str, x: np.ndarray, y: np.ndarray, threshold: np.ndarray, area: float
) -> pd.DataFrame:
    points = pd.DataFrame({"name": name, "x": x, "y": y, "threshold": threshold, "area": area})
    return points.iloc[_thinned(x, y)].reset_index(drop=True)


def _thinned(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the points of a curve to draw: its ends, and others at equal distances along it."""
    if len(x) <= _MOST_POINTS:
        return np.arange(len(x))
    length = np.r_[0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
    return np.unique(np.searchsorted(length, np.linspace(0, length[-1], _MOST_POINTS)))


def calibration_points(name: str, answers: Answers) -> pd.DataFrame:
    """Return bins of equally many rows: mean probability, share that it came true, and the count.

    For two classes the probability is that of the second one, for more that of the class
    predicted as the most probable.
    """
    probabilities = answers.probabilities
    if probabilities.shape[1] == 2:
        given, came_true = probabilities[:, 1], answers.label == 1
    else:
        given, came_true = probabilities.max(axis=1), answers.label == probabilities.argmax(axis=1)
    return pd.DataFrame(list(_binned(given, came_true))).assign(name=name)


def _binned(given: np.ndarray, came_true: np.ndarray) -> Iterator[dict[str, float]]:
    for rows in equal_bins(given, _FEWEST_IN_BIN):
        yield {"x": given[rows].mean(), "y": came_true[rows].mean(), "count": len(rows)}
