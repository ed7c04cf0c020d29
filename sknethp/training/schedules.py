"""Learning-rate schedules as pure functions of the step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCHEDULES = (
    "constant",
    "linear",
    "exponential",
    "step",
    "cosine",
    "one_cycle",
    "inverse_sqrt",
    "plateau",
)
# Where the rate of a one-cycle schedule starts, as a fraction of its peak (Smith & Topin, 2018).
_ONE_CYCLE_START = 0.04
_ONE_CYCLE_WARMUP = 0.3


@dataclass(frozen=True)
class Schedule:
    """How the learning rate changes from one update to the next.

    Parameters
    ----------
    name : str
        One of `SCHEDULES`.
    lr : float
        The highest rate.
    total_epochs : int
        The epochs over which the schedule runs; afterwards the rate stays.
    warmup_fraction : float
        Share of all epochs in which the rate rises linearly to `lr`.
    final : float
        Fraction of `lr` at the end (linear, exponential, cosine, one_cycle).
    factor : float
        What the rate is multiplied by at each drop (step, plateau).
    every : int
        Epochs between drops (step).
    """

    name: str
    lr: float
    total_epochs: int
    warmup_fraction: float = 0.0
    final: float = 0.01
    factor: float = 0.5
    every: int = 10

    def rates(self, epoch: int, n_steps: int, drops: int = 0) -> np.ndarray:
        """Return the learning rate of each update of an epoch.

        Parameters
        ----------
        epoch : int
            From 0.
        n_steps : int
            Updates in an epoch.
        drops : int
            Drops so far; they matter to ``"plateau"`` alone.

        Returns
        -------
        ndarray of shape (n_steps,)
        """
        if self.name == "constant" and self.warmup_fraction == 0:
            return np.full(n_steps, self.lr)
        epochs = np.minimum(epoch + np.arange(n_steps) / n_steps, self.total_epochs)
        warmup = self.warmup_fraction
        if self.name == "one_cycle" and warmup == 0:
            warmup = _ONE_CYCLE_WARMUP
        warmup_epochs = warmup * self.total_epochs
        span = max(self.total_epochs - warmup_epochs, 1 / n_steps)
        progress = np.clip((epochs - warmup_epochs) / span, 0.0, 1.0)
        rates = self.lr * self._decay(progress, epochs, warmup_epochs)
        if self.name == "plateau":
            rates = rates * self.factor**drops
        if warmup_epochs == 0:
            return rates
        start = _ONE_CYCLE_START if self.name == "one_cycle" else 0.0
        rise = np.minimum(epochs + 1 / n_steps, warmup_epochs) / warmup_epochs
        return np.where(epochs < warmup_epochs, self.lr * (start + (1 - start) * rise), rates)

    def _decay(self, progress: np.ndarray, epochs: np.ndarray, warmup_epochs: float) -> np.ndarray:
        """Fraction of the highest rate after the warm-up."""
        match self.name:
            case "linear":
                return 1 - (1 - self.final) * progress
            case "exponential":
                return self.final**progress
            case "cosine" | "one_cycle":
                return self.final + (1 - self.final) * (1 + np.cos(np.pi * progress)) / 2
            case "step":
                return self.factor ** (np.maximum(epochs - warmup_epochs, 0) // self.every)
            case "inverse_sqrt":
                return 1 / np.sqrt(1 + np.maximum(epochs - warmup_epochs, 0))
            case _:
                return np.ones_like(progress)
