"""A temperature of the logits, fitted on the validation part (Guo et al., 2017)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from sknethp.training.network import Network
from sknethp.training.objectives import Objective
from sknethp.training.rows import Part
from sknethp.training.slots import views

_HIGHEST = 20.0
# Standard deviation of the logarithm of the temperature before any sample is seen: a few samples
# hardly move it.
_SPREAD = 0.3


def fitted_temperature(objective: Objective, logits: Tensor, part: Part) -> float:
    """Return the most probable temperature, given each member's logits of the part's samples.

    `logits` is ``(n_members, n_samples, n_outputs)``. The logarithm has a normal prior.
    """
    logits = logits.double()
    targets = part.targets[part.index].double()
    weight = None if part.weight is None else part.weight[part.index].double()

    def loss(logarithm: float) -> float:
        scaled = objective.average(logits / math.exp(logarithm))
        losses = objective.sample_losses(scaled, targets)
        total = losses.sum() if weight is None else (losses * weight).sum()
        return float(total) + (logarithm / _SPREAD) ** 2 / 2

    limit = math.log(_HIGHEST)
    with torch.no_grad():
        return math.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x)


def divide_logits(networks: Sequence[Network], temperature: float) -> None:
    """Divide the weights and biases of the output layers by a temperature."""
    for network in networks:
        own = views(network.parameters, network.architecture.parameters)
        for name in ("output.weight", "output.bias"):
            own[name].div_(temperature)
