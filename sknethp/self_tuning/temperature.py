"""Temperature: how much softer, or sharper, probabilities should be."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

_LOWEST, _HIGHEST = 0.25, 4.0
# Standard deviation of the logarithm, as if known beforehand: few samples change little.
_SPREAD = 0.5
# To fit it to; more would take seconds.
_MOST_NUMBERS = 2_000_000


def scaled(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Return class probabilities ``(n_samples, n_classes)`` at another temperature."""
    if temperature == 1:
        return probabilities
    logits = np.log(np.maximum(probabilities, 1e-15)) / temperature
    return np.exp(logits - logsumexp(logits, axis=1, keepdims=True))


def fitted_temperature(
    probabilities: np.ndarray, y: np.ndarray, weight: np.ndarray | None
) -> float:
    """Return the temperature that gives held-out samples the lowest log-loss, drawn towards 1.

    `y` are indices of classes, ``(n_samples,)``.

    References
    ----------
    Guo et al. (2017), On calibration of modern neural networks, ICML.
    """
    step = -(-probabilities.size // _MOST_NUMBERS)
    y, weight = y[::step], None if weight is None else weight[::step]
    logits = np.log(np.maximum(probabilities[::step], 1e-15))
    rows = np.arange(len(y))
    each = np.ones(len(y)) if weight is None else weight / weight.mean()

    def loss(log_temperature: float) -> float:
        at = logits / np.exp(log_temperature)
        losses = logsumexp(at, axis=1) - at[rows, y]
        return float(losses @ each + 0.5 * (log_temperature / _SPREAD) ** 2)

    bounds = np.log([_LOWEST, _HIGHEST])
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))
