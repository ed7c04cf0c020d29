"""Cross-entropy of logits, its gradient and the accuracy, for many networks at once."""

from __future__ import annotations

import torch
from torch import Tensor

from sknethp.training.rounding import in_whole_vectors

aten = torch.ops.aten


def write_gradient(logits: Tensor, targets: Tensor, weight: Tensor | float, out: Tensor) -> None:
    """Write the gradient of the weighted loss with respect to the logits.

    Parameters
    ----------
    logits, targets : Tensor of shape (..., n_outputs)
        One output is a sigmoid unit, several are softmax units.
    weight : float or Tensor of shape (..., 1)
    out : Tensor of shape (..., n_outputs)
    """
    if logits.shape[-1] == 1:
        in_whole_vectors(torch.sigmoid, logits.numel())(logits, out=out)
    else:
        torch.softmax(logits, -1, out=out)
    out.sub_(targets).mul_(weight)


def sample_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the cross-entropy of each sample in nats, ``(...)``."""
    if logits.shape[-1] == 1:
        losses = torch.empty_like(logits)
        in_whole_vectors(aten.softplus.out, logits.numel())(logits, out=losses)
        return (losses - targets * logits).squeeze(-1)
    return torch.logsumexp(logits, -1) - (targets * logits).sum(-1)


def sample_hits(logits: Tensor, targets: Tensor) -> Tensor:
    """Return whether the most probable class is the target, ``(...)``."""
    if logits.shape[-1] == 1:
        return ((logits > 0) == (targets > 0.5)).squeeze(-1)
    return logits.argmax(-1) == targets.argmax(-1)


def smoothed(targets: Tensor, amount: Tensor) -> Tensor:
    """Mix targets with the uniform distribution (Szegedy et al., 2016).

    Parameters
    ----------
    targets : Tensor of shape (..., n_outputs)
    amount : Tensor that broadcasts to it
    """
    n_classes = max(targets.shape[-1], 2)
    return targets * (1 - amount) + amount / n_classes
