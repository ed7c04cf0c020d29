"""The scores of the validation part: the best epoch, when to stop, and when to drop the rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import get_scorer
from torch import Tensor

from sknethp.estimator.prediction import probabilities
from sknethp.hyperparameters.check import MEASURED
from sknethp.training.epoch import EpochResult
from sknethp.training.network import Network
from sknethp.training.objectives import Objective


def is_measured(monitor: str) -> bool:
    """Tell whether training itself measures this; all others are scikit-learn's scorers."""
    return monitor in MEASURED


class Answers(ClassifierMixin, BaseEstimator):
    """A classifier with precomputed predictions for one set of samples, for scorers."""

    def __init__(self, classes: np.ndarray, probabilities: np.ndarray):
        self.classes_ = classes
        self.probabilities = probabilities

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict_proba(self, X: object) -> np.ndarray:
        """Return the precomputed probabilities."""
        return self.probabilities

    def predict(self, X: object) -> np.ndarray:
        """Return the most probable labels."""
        return self.classes_[self.probabilities.argmax(1)]


@dataclass
class Monitor:
    """Score of a network on its validation part; higher is better.

    `name` is "valid_loss", "valid_accuracy" or the name of a scikit-learn scorer.
    """

    name: str
    objective: Objective
    classes: np.ndarray
    X: object = None
    y: np.ndarray | None = None

    def score(self, result: EpochResult) -> float:
        """Return the score of an epoch."""
        assert result.valid is not None
        if is_measured(self.name):
            value = result.valid.measures.named("valid")[self.name]
            return -value if self.name == "valid_loss" else value
        logits = result.valid.logits
        answers = Answers(self.classes, probabilities(self.objective, logits))
        try:
            score = float(get_scorer(self.name)(answers, self.X, self.y))
        except ValueError as error:
            raise ValueError(self._complaint(str(error).rstrip("."))) from error
        if math.isnan(score):
            raise ValueError(self._complaint("it is NaN there"))
        return score

    def _complaint(self, reason: str) -> str:
        return (
            f"monitor={self.name!r} cannot be computed on the validation part ({reason}): choose "
            "another monitor, or a validation part that has all classes."
        )


@dataclass
class Progress:
    """The best epoch, from 1 (0 before the first), and the drops of the learning rate so far."""

    patience: float
    min_improvement: float
    drop_epochs: int
    keep_best: bool
    best_score: float = -math.inf
    best_epoch: int = 0
    drops: int = 0
    epoch: int = 0
    _since_drop: int = 0
    _best: list[tuple[Tensor, Tensor]] = field(default_factory=list, repr=False)

    def update(self, score: float, networks: Sequence[Network]) -> bool:
        """Record an epoch's score; return whether to stop."""
        self.epoch += 1
        self._since_drop += 1
        if score > self.best_score + self.min_improvement or self.best_epoch == 0:
            self.best_score, self.best_epoch, self._since_drop = score, self.epoch, 0
            if self.keep_best:
                self._best = [(n.parameters.clone(), n.statistics.clone()) for n in networks]
        elif self._since_drop >= self.drop_epochs:
            self.drops, self._since_drop = self.drops + 1, 0
        return self.epoch - self.best_epoch >= self.patience

    def restore(self, networks: Sequence[Network]) -> None:
        """Restore the parameters of the best epoch."""
        if self._best:
            for network, (parameters, statistics) in zip(networks, self._best, strict=True):
                network.parameters.copy_(parameters)
                network.statistics.copy_(statistics)
