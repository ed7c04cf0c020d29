"""Temperature: how much softer, or sharper, probabilities should be."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from sknethp.estimator.calibration import most_probable_temperature

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

    def loss(temperature: float) -> float:
        at = logits / temperature
        return float((logsumexp(at, axis=1) - at[rows, y]) @ each)

    return most_probable_temperature(loss)
