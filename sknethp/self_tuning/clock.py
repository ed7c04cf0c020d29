"""Time: how much has passed, how much is left, and how long the work to come will take."""

from __future__ import annotations

import math
import time


class Clock:
    """The time of one fit, in seconds; without `max_time` there is no end."""

    def __init__(self, max_time: float | None):
        self._start = time.perf_counter()
        self.max_time = math.inf if max_time is None else float(max_time)

    @property
    def elapsed(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._start

    @property
    def left(self) -> float:
        """Until the end."""
        return self.max_time - self.elapsed
