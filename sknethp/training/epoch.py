"""A network's request to train for an epoch, and the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sknethp.training.blocks import Blocks
from sknethp.training.network import Network
from sknethp.training.objectives import Objective
from sknethp.training.rows import Part


class Observer(Protocol):
    """Follows every batch; a network with an observer is trained on its own."""

    def batch_begins(self, samples: Tensor) -> None:
        """Called before the forward pass over `samples`, ``(n_batch,)``."""

    def gradient_computed(self, gradient: Blocks) -> None:
        """Called before the update by `gradient`, that of a single network."""

    def batch_ends(self, samples: Tensor, logits: Tensor) -> None:
        """Called after the update; `logits` is ``(n_batch, n_outputs)``."""


@dataclass(eq=False)
class Epoch:
    """A network's request to train for an epoch; `rates` has the learning rate of each update.

    `fit` is the serial of the first network of its fit, which may have several.
    `n_left` epochs will be trained, this one included, as far as is known.
    """

    network: Network
    train: Part
    valid: Part | None
    rates: np.ndarray
    objective: Objective
    device: torch.device = torch.device("cpu")
    observer: Observer | None = None
    fit: int = -1
    n_left: int = 1

    def __post_init__(self) -> None:
        """By default a network is the only one of its fit."""
        self.fit = self.network.serial if self.fit < 0 else self.fit

    @property
    def n_steps(self) -> int:
        """Number of updates in the epoch."""
        return len(self.rates)


def n_steps(n_samples: int, batch_size: int) -> int:
    """Return the number of batches, the ragged last one included."""
    return -(-n_samples // batch_size)


@dataclass(frozen=True)
class Measures:
    """Weighted means over samples of the loss and of the objective's scores, by name."""

    loss: float
    scores: dict[str, float]

    @classmethod
    def of(cls, loss: float, names: Sequence[str], scores: Sequence[float]) -> Measures:
        """Name the scores."""
        return cls(loss, dict(zip(names, scores, strict=True)))

    def named(self, part: str) -> dict[str, float]:
        """Return all by their names in a history, such as ``valid_loss``."""
        return {
            f"{part}_{name}": value for name, value in {"loss": self.loss, **self.scores}.items()
        }


@dataclass(frozen=True)
class Evaluation:
    """Result on a network's validation part; the logits are ``(n_valid, n_outputs)``."""

    measures: Measures
    logits: Tensor


@dataclass(frozen=True)
class EpochResult:
    """Result of an epoch; `train` holds means over its batches, each at the time of its update.

    `is_finite` tells whether all of the network's parameters are finite.
    """

    train: Measures
    is_finite: bool
    valid: Evaluation | None = None
