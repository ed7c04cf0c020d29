"""The ensemble: which candidates predict together, with which weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from sknethp.estimator.prediction import forward_in_double, probabilities
from sknethp.self_tuning.temperature import scaled
from sknethp.training.module import attach, build_module, detach
from sknethp.training.network import Network
from sknethp.training.objectives import Objective

# Picks, of which one candidate may have several.
_PICKS = 40
# To choose by; more would take seconds.
_MOST_SAMPLES = 20_000
_SMALLEST = 1e-15


def greedy_weights(
    likelihoods: np.ndarray, weight: np.ndarray | None, max_members: int
) -> np.ndarray:
    """Return weights of candidates, ``(n_candidates,)``, by greedy selection with replacement.

    `likelihoods` are the probabilities that each candidate gave to the right class of what was held
    out, ``(n_candidates, n_held_out)``. In each turn the candidate is added that lowers the mean
    log-loss of the average most; the best of all turns is returned.

    References
    ----------
    Caruana et al. (2004), Ensemble selection from libraries of models, ICML.
    """
    step = -(-likelihoods.shape[1] // _MOST_SAMPLES)
    likelihoods, weight = likelihoods[:, ::step], None if weight is None else weight[::step]
    counts = np.zeros(len(likelihoods))
    total = np.zeros(likelihoods.shape[1])
    best_loss, best_counts = np.inf, counts
    for turn in range(1, _PICKS + 1):
        is_full = (counts > 0).sum() >= max_members
        indices = np.flatnonzero(counts) if is_full else np.arange(len(counts))
        losses = [_loss((total + likelihoods[i]) / turn, weight) for i in indices]
        chosen = indices[int(np.argmin(losses))]
        counts[chosen] += 1
        total += likelihoods[chosen]
        if min(losses) < best_loss:
            best_loss, best_counts = min(losses), counts.copy()
    return best_counts / best_counts.sum()


def _loss(likelihood: np.ndarray, weight: np.ndarray | None) -> float:
    return -float(np.average(np.log(np.maximum(likelihood, _SMALLEST)), weights=weight))


@dataclass(frozen=True)
class Member:
    """A candidate in the ensemble: its number and parameters, its weight, and its networks.

    `modules` return logits, ``(n_samples, n_outputs)``; their probabilities are averaged.
    """

    candidate: int
    params: dict[str, Any]
    weight: float
    modules: list[nn.Module]


@dataclass(frozen=True)
class Ensemble:
    """Candidates whose probabilities are averaged by weight, then softened by `temperature`."""

    members: list[Member]
    temperature: float
    objective: Objective

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return class probabilities, ``(n_samples, n_classes)``."""
        mean = np.zeros((X.shape[0], self.objective.n_classes))
        for member in self.members:
            for module in member.modules:
                logits = forward_in_double(module, X)
                mean += member.weight * probabilities(self.objective, logits)
        return scaled(mean / mean.sum(axis=1, keepdims=True), self.temperature)


def module_of(network: Network) -> nn.Module:
    """Return the plain module of a trained network."""
    module = build_module(network.architecture, network.settings.dropout)
    attach(module, network)
    detach(module, network.n_steps)
    return module
