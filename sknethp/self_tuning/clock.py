"""Time: how much is left, and how long the work to come will take."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sknethp.training.epoch import Epoch

# A step takes as long as this many multiplications of weights with samples, beside its own.
_OVERHEAD = 300_000
# How much the latest round counts in the estimate of the pace.
_LATEST = 0.3


def step_work(batch_size: int, n_parameters: int) -> int:
    """Return the multiplications of a step, those that its overhead is worth included."""
    return batch_size * n_parameters + _OVERHEAD


def epoch_work(batch_size: int, n_parameters: int, n_steps: int, n_held_out: int) -> int:
    """Return the multiplications of an epoch of a network; what is held out needs a third."""
    return n_steps * step_work(batch_size, n_parameters) + n_held_out * n_parameters // 3


def work_of(epochs: Sequence[Epoch]) -> int:
    """Return the multiplications of some epochs."""
    return sum(
        epoch_work(
            epoch.network.settings.batch_size,
            epoch.network.architecture.n_parameters,
            epoch.n_steps,
            0 if epoch.valid is None else len(epoch.valid),
        )
        for epoch in epochs
    )


class Clock:
    """The time of one fit, in seconds.

    Without `max_time` there is no end. `spent` has the seconds by phase.
    """

    def __init__(self, max_time: float | None):
        self._start = time.perf_counter()
        self.max_time = math.inf if max_time is None else float(max_time)
        self.spent: dict[str, float] = defaultdict(float)
        self._pace: float | None = None
        self.reserve = 0.0
        self.reserve_for_refits = 0.0

    @property
    def elapsed(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._start

    @property
    def left(self) -> float:
        """Until training must end, since what comes after it takes the `reserve`."""
        return self.max_time - self.reserve - self.elapsed

    @property
    def left_for_new(self) -> float:
        """Until training of new candidates must end."""
        return self.left - self.reserve_for_refits

    @property
    def left_in_all(self) -> float:
        """Until the end of everything."""
        return self.max_time - self.elapsed

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the seconds of a block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.spent[name] += time.perf_counter() - start

    def measured(self, seconds: float, work: int) -> None:
        """Take the time that some work took."""
        pace = seconds / work
        self._pace = pace if self._pace is None else self._pace + _LATEST * (pace - self._pace)

    def seconds_for(self, work: float) -> float:
        """Return how long some work will take at the present pace."""
        return work * (self._pace or 0.0)
