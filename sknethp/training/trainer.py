"""Training of networks, an epoch at a time."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sknethp.training.epoch import Epoch, EpochResult
from sknethp.training.population import Population
from sknethp.training.rows import Rows


class Trainer(Protocol):
    """Trains networks an epoch at a time."""

    def rows(self, X: Any) -> Rows:
        """Return the rows of `X`, ``(n_samples, n_features)``, possibly shared with others."""

    def targets(self, targets: np.ndarray) -> Tensor:
        """Return targets ``(n_samples, n_outputs)`` as a tensor, possibly shared with others."""

    def train(self, epoch: Epoch) -> EpochResult:
        """Train a network for an epoch."""


class LoneTrainer:
    """Trains one network as a population of one."""

    def __init__(self) -> None:
        self._population: Population | None = None

    def rows(self, X: Any) -> Rows:
        """Return rows that are not shared."""
        return Rows(X)

    def targets(self, targets: np.ndarray) -> Tensor:
        """Return the targets as a tensor."""
        return torch.from_numpy(targets)

    def train(self, epoch: Epoch) -> EpochResult:
        """Train the network immediately."""
        if self._population is None or self._population.networks != [epoch.network]:
            self._population = Population([epoch.network], epoch.device)
        return self._population.run([epoch])[0]
