"""Learning-rate schedules as pure functions of the step.

A schedule is an entry of `SCHEDULES`; nothing else needs to know it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

# Smith & Topin (2018): the rate rises for a third of the epochs, from a fraction of the peak.
_ONE_CYCLE_START = 0.04
_ONE_CYCLE_WARMUP = 0.3


class Elapsed(NamedTuple):
    """How far training is after the warm-up, at each update of an epoch, ``(n_steps,)``.

    `progress` goes from 0 to 1, `epochs` counts; `drops` is how often the monitored score has
    stopped improving.
    """

    progress: np.ndarray
    epochs: np.ndarray
    drops: int


@dataclass(frozen=True)
class Decay:
    """One kind of schedule.

    `fraction` maps a `Schedule` and `Elapsed` to the fraction of the highest rate. `uses` names the
    hyperparameters that it uses beside `lr`, `max_epochs` and `warmup_fraction`. The warm-up begins
    at the fraction `start`, and takes the share `warmup` of the epochs if `warmup_fraction` is
    zero.
    """

    fraction: Callable[[Schedule, Elapsed], np.ndarray]
    uses: tuple[str, ...] = ()
    start: float = 0.0
    warmup: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """The learning rate of each update, from the hyperparameters; constant after `max_epochs`."""

    lr_schedule: str
    lr: float
    max_epochs: int
    warmup_fraction: float = 0.0
    lr_final: float = 0.01
    lr_drop_factor: float = 0.5
    lr_drop_epochs: int = 10

    def rates(self, epoch: int, n_steps: int, drops: int = 0) -> np.ndarray:
        """Return the learning rate of each update of an epoch, counted from 0, ``(n_steps,)``."""
        decay = SCHEDULES[self.lr_schedule]
        epochs = np.minimum(epoch + np.arange(n_steps) / n_steps, self.max_epochs)
        warmup_epochs = (self.warmup_fraction or decay.warmup) * self.max_epochs
        span = max(self.max_epochs - warmup_epochs, 1 / n_steps)
        progress = np.clip((epochs - warmup_epochs) / span, 0.0, 1.0)
        elapsed = Elapsed(progress, np.maximum(epochs - warmup_epochs, 0), drops)
        rates = self.lr * decay.fraction(self, elapsed)
        if warmup_epochs == 0:
            return rates
        rise = np.minimum(epochs + 1 / n_steps, warmup_epochs) / warmup_epochs
        rising = self.lr * (decay.start + (1 - decay.start) * rise)
        return np.where(epochs < warmup_epochs, rising, rates)


def _constant(s: Schedule, e: Elapsed) -> np.ndarray:
    return np.ones_like(e.progress)


def _linear(s: Schedule, e: Elapsed) -> np.ndarray:
    return 1 - (1 - s.lr_final) * e.progress


def _exponential(s: Schedule, e: Elapsed) -> np.ndarray:
    return s.lr_final**e.progress


def _step(s: Schedule, e: Elapsed) -> np.ndarray:
    return s.lr_drop_factor ** (e.epochs // s.lr_drop_epochs)


def _cosine(s: Schedule, e: Elapsed) -> np.ndarray:
    return s.lr_final + (1 - s.lr_final) * (1 + np.cos(np.pi * e.progress)) / 2


def _inverse_sqrt(s: Schedule, e: Elapsed) -> np.ndarray:
    return 1 / np.sqrt(1 + e.epochs)


def _plateau(s: Schedule, e: Elapsed) -> np.ndarray:
    return np.full_like(e.progress, s.lr_drop_factor**e.drops)


SCHEDULES = {
    "constant": Decay(_constant),
    "linear": Decay(_linear, ("lr_final",)),
    "exponential": Decay(_exponential, ("lr_final",)),
    "step": Decay(_step, ("lr_drop_factor", "lr_drop_epochs")),
    "cosine": Decay(_cosine, ("lr_final",)),
    "one_cycle": Decay(_cosine, ("lr_final",), _ONE_CYCLE_START, _ONE_CYCLE_WARMUP),
    "inverse_sqrt": Decay(_inverse_sqrt),
    "plateau": Decay(_plateau, ("lr_drop_factor", "lr_drop_epochs")),
}
