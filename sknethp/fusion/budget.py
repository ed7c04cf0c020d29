"""Limits on how much memory waiting fits may hold."""

from __future__ import annotations

from collections.abc import Sequence

from sknethp.fusion.tasks import Task
from sknethp.training.epoch import Epoch
from sknethp.training.grouping import numbers_touched
from sknethp.training.rows import Rows

DEFAULT_MEMORY = 2 * 1024**3
# What a waiting fit holds beside the training data in float32: slices and transformed copies in
# float64, made by scikit-learn and by its pipeline.
_HELD_PER_BYTE = 6
# More networks at a time would train no faster, and with a memory on disk more unfinished ones
# would be lost if the process were killed.
_MOST_WAITING = 384


class MemoryBudget:
    """Counts the bytes that tasks hold; `max_bytes` is None for 2 GiB."""

    def __init__(self, max_bytes: int | None = None):
        self.max_bytes = max_bytes or DEFAULT_MEMORY
        self._held = 0
        self._typical = 0

    def hold_rows(self, task: Task, rows: Rows) -> None:
        """Count the training data of a task."""
        self._hold(task, _HELD_PER_BYTE * rows.shape[0] * rows.shape[1] * 4)

    def hold_epochs(self, task: Task, epochs: Sequence[Epoch]) -> None:
        """Count the networks of a task that waits, and what their populations keep of each."""
        size = sum(epoch.network.n_bytes + 4 * numbers_touched(epoch) for epoch in epochs)
        more = max(0, size - task.network_bytes)
        task.network_bytes += more
        self._hold(task, more)

    def _hold(self, task: Task, size: int) -> None:
        task.held_bytes += size
        self._held += size
        self._typical = max(self._typical, task.held_bytes)

    def release(self, task: Task) -> None:
        """Forget a task that has ended."""
        self._held -= task.held_bytes

    def admits(self, n_waiting: int) -> bool:
        """Tell whether another task may start beside those that wait; one always may."""
        fits = self._held + self._typical <= self.max_bytes
        return n_waiting == 0 or (fits and n_waiting < _MOST_WAITING)
