"""What a network asks for when it comes to train for an epoch, and what it gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sknethp.training.blocks import Blocks
from sknethp.training.network import Network
from sknethp.training.rows import Part


class Observer(Protocol):
    """Is told of every batch; a network with an observer trains alone."""

    def batch_begins(self, samples: Tensor) -> None:
        """Before the forward pass over `samples`, ``(n_batch,)``."""

    def gradient_computed(self, gradient: Blocks) -> None:
        """Before the update by `gradient`, that of a single network."""

    def batch_ends(self, samples: Tensor, logits: Tensor) -> None:
        """After the update; `logits` is ``(n_batch, n_outputs)``."""


@dataclass(eq=False)
class Epoch:
    """One network's wish to train for an epoch.

    Attributes
    ----------
    network : Network
    train : Part
    valid : Part or None
    rates : ndarray of shape (n_steps,)
        The learning rate of each update.
    device : torch.device
    observer : Observer or None
    """

    network: Network
    train: Part
    valid: Part | None
    rates: np.ndarray
    device: torch.device = torch.device("cpu")
    observer: Observer | None = None

    @property
    def n_steps(self) -> int:
        """Number of updates in the epoch."""
        return len(self.rates)


def n_steps(n_samples: int, batch_size: int) -> int:
    """Return the number of batches, the ragged last one included."""
    return -(-n_samples // batch_size)


@dataclass(frozen=True)
class EpochResult:
    """Losses and accuracies of an epoch; in training, means over its batches as they came.

    Attributes
    ----------
    train_loss, train_accuracy : float
    is_finite : bool
        Whether all of the network's parameters are finite.
    valid_loss, valid_accuracy : float or None
    valid_logits : Tensor of shape (n_valid, n_outputs) or None
    """

    train_loss: float
    train_accuracy: float
    is_finite: bool
    valid_loss: float | None = None
    valid_accuracy: float | None = None
    valid_logits: Tensor | None = None
