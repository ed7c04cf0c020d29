"""The objective of a network: its outputs, targets, loss, scores and predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sknethp.training.rounding import in_whole_vectors

aten = torch.ops.aten


class Objective(ABC):
    """An objective of training. Logits and targets have the shape ``(..., n_outputs)``.

    `score_names` are measured beside the loss, higher is better; `criterion` is the loss in torch,
    computed from logits and `criterion_targets`.
    """

    score_names: ClassVar[tuple[str, ...]] = ("accuracy",)
    criterion: ClassVar[type[nn.Module]]

    n_classes: int

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Number of output units."""

    @abstractmethod
    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return the targets ``(n_samples, n_outputs)`` of samples, in float32."""

    @abstractmethod
    def smoothed(self, targets: Tensor, amount: Tensor) -> Tensor:
        """Mix targets with the uniform distribution (Szegedy et al., 2016)."""

    @abstractmethod
    def write_gradient(
        self, logits: Tensor, targets: Tensor, weight: Tensor | float, out: Tensor
    ) -> None:
        """Write the gradient of the weighted loss with respect to the logits.

        `weight` is a number or has the shape ``(..., 1)``.
        """

    @abstractmethod
    def sample_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each sample, ``(...)``."""

    @abstractmethod
    def sample_scores(self, logits: Tensor, targets: Tensor) -> list[Tensor]:
        """Return each of `score_names` for each sample, ``(...)``."""

    def measures(self, logits: Tensor, targets: Tensor) -> list[Tensor]:
        """Return the loss and each of `score_names` for each sample, ``(...)``, as numbers."""
        scores = self.sample_scores(logits, targets)
        return [self.sample_losses(logits, targets), *(score.float() for score in scores)]

    @abstractmethod
    def by_class(self, logits: Tensor) -> Tensor:
        """Return logits ``(..., n_classes)``, one for each class."""

    @abstractmethod
    def criterion_targets(self, targets: Tensor) -> Tensor:
        """Return targets in the form that torch's `criterion` takes."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return class probabilities ``(..., n_classes)``."""
        return torch.softmax(self.by_class(logits), -1)

    def log_probabilities(self, logits: Tensor) -> Tensor:
        """Return log-probabilities, finite even where the probabilities would be zero."""
        return torch.log_softmax(self.by_class(logits), -1)

    @abstractmethod
    def average(self, logits: Any) -> Any:
        """Return the logits of the mean probabilities over the first axis.

        Only of torch's operations, so that it can be traced.
        """

    @abstractmethod
    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Return the index of the most probable class of each sample, ``(n_samples,)``."""


@dataclass(frozen=True)
class BinaryCrossEntropy(Objective):
    """Two classes: one sigmoid unit, whose logit is that of the second class; in nats."""

    criterion: ClassVar[type[nn.Module]] = nn.BCEWithLogitsLoss
    n_classes: int = field(default=2, init=False)

    @property
    def n_outputs(self) -> int:
        """One."""
        return 1

    def encode(self, y: np.ndarray) -> np.ndarray:
        """Return indices of classes as 0 and 1."""
        return y.astype(np.float32)[:, None]

    def smoothed(self, targets: Tensor, amount: Tensor) -> Tensor:
        """Move targets towards one half."""
        return targets * (1 - amount) + amount / 2

    def write_gradient(
        self, logits: Tensor, targets: Tensor, weight: Tensor | float, out: Tensor
    ) -> None:
        """Write probabilities minus targets, weighted."""
        in_whole_vectors(torch.sigmoid, logits.numel())(logits, out=out)
        out.sub_(targets).mul_(weight)

    def sample_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropies."""
        losses = torch.empty_like(logits)
        in_whole_vectors(aten.softplus.out, logits.numel())(logits, out=losses)
        return (losses - targets * logits).squeeze(-1)

    def sample_scores(self, logits: Tensor, targets: Tensor) -> list[Tensor]:
        """Return whether the more probable class is the target."""
        return [((logits > 0) == (targets > 0.5)).squeeze(-1)]

    def by_class(self, logits: Tensor) -> Tensor:
        """Add a logit of zero for the first class."""
        return torch.cat([torch.zeros_like(logits), logits], -1)

    def criterion_targets(self, targets: Tensor) -> Tensor:
        """Return the targets unchanged."""
        return targets

    def average(self, logits: Any) -> Any:
        """Return the logit of the second class's mean probability."""
        both = torch.stack([-logits / 2, logits / 2])  # of log_softmax, as ONNX has no logsigmoid
        means = torch.logsumexp(torch.log_softmax(both, 0), 1)
        return means[1] - means[0]

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Return the second class where its logit is positive."""
        return (logits[:, 0] > 0).astype(int)


@dataclass(frozen=True)
class CrossEntropy(Objective):
    """Several classes: a softmax unit for each; in nats."""

    n_classes: int

    criterion: ClassVar[type[nn.Module]] = nn.CrossEntropyLoss

    @property
    def n_outputs(self) -> int:
        """One for each class."""
        return self.n_classes

    def encode(self, y: np.ndarray) -> np.ndarray:
        """One-hot encode indices of classes."""
        return np.eye(self.n_classes, dtype=np.float32)[y]

    def smoothed(self, targets: Tensor, amount: Tensor) -> Tensor:
        """Move targets towards equal probabilities."""
        return targets * (1 - amount) + amount / self.n_classes

    def write_gradient(
        self, logits: Tensor, targets: Tensor, weight: Tensor | float, out: Tensor
    ) -> None:
        """Write probabilities minus targets, weighted."""
        torch.softmax(logits, -1, out=out)
        out.sub_(targets).mul_(weight)

    def sample_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropies."""
        return torch.logsumexp(logits, -1) - (targets * logits).sum(-1)

    def sample_scores(self, logits: Tensor, targets: Tensor) -> list[Tensor]:
        """Return whether the most probable class is the target."""
        return [logits.argmax(-1) == targets.argmax(-1)]

    def by_class(self, logits: Tensor) -> Tensor:
        """Return the logits unchanged."""
        return logits

    def criterion_targets(self, targets: Tensor) -> Tensor:
        """Return the indices of the classes."""
        return targets.argmax(-1)

    def average(self, logits: Any) -> Any:
        """Return the logarithms of the mean probabilities, up to a constant."""
        return torch.logsumexp(torch.log_softmax(logits, -1), 0)

    def decode(self, logits: np.ndarray) -> np.ndarray:
        """Return the class with the largest logit."""
        return logits.argmax(1)


def classification(n_classes: int) -> Objective:
    """Return the objective of a classifier."""
    return BinaryCrossEntropy() if n_classes == 2 else CrossEntropy(n_classes)
