"""Training of networks, an epoch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sknethp.training.epoch import Epoch, EpochResult
from sknethp.training.grouping import plan
from sknethp.training.rounds import Rounds, raise_first_error
from sknethp.training.rows import Rows


class Trainer(Protocol):
    """Trains networks an epoch at a time."""

    def rows(self, X: Any) -> Rows:
        """Return the rows of `X`, ``(n_samples, n_features)``, possibly shared with others."""

    def targets(self, targets: np.ndarray) -> Tensor:
        """Return targets ``(n_samples, n_outputs)`` as a tensor, possibly shared with others."""

    def train(self, epochs: Sequence[Epoch]) -> list[EpochResult]:
        """Train networks for an epoch each."""


class LoneTrainer:
    """Trains the networks of one fit: one, or the members of an ensemble."""

    def __init__(self) -> None:
        self._rounds = Rounds()

    def rows(self, X: Any) -> Rows:
        """Return rows that are not shared."""
        return Rows(X)

    def targets(self, targets: np.ndarray) -> Tensor:
        """Return the targets as a tensor."""
        return torch.from_numpy(targets)

    def train(self, epochs: Sequence[Epoch]) -> list[EpochResult]:
        """Train the networks immediately."""
        answers = self._rounds.train(epochs, plan(epochs))
        raise_first_error(answers)
        return answers
