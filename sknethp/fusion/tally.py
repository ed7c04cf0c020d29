"""Counts of how far tasks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from time import monotonic

import numpy as np

from sknethp.fusion.inspection import expected_epochs
from sknethp.fusion.tasks import Task, Watcher

_SECONDS_BETWEEN_WRITES = 0.1


@dataclass
class Tally(Watcher):
    """Counts of tasks and of epochs over all networks, updated by a scheduler.

    `share` is the sum over tasks of the share that is done, as far as their epochs are known.
    """

    tasks: int = 0
    done: int = 0
    epochs: int = 0
    share: float = 0.0

    def submitted(self, task: Task) -> None:
        """Count a new task, unless it is a part of another one and, as it seems, trains no net."""
        if task.parent is None or expected_epochs(task.function):
            self._count(task)

    def trained(self, tasks: Sequence[Task]) -> None:
        """Count an epoch of each task."""
        self.epochs += len(tasks)
        for task in tasks:
            self._count(task)
            if task.epoch_share is None:
                task.epoch_share = 1 / (expected_epochs(task.function) or math.inf)
            step = min(task.epoch_share, 1 - task.share)
            task.share += step
            self.share += step

    def ended(self, task: Task) -> None:
        """Count a task that has ended."""
        if task.is_counted:
            self.done += 1
            self.share += 1 - task.share

    def returned(self, tasks: Sequence[Task], tally: Tally) -> None:
        """Add what was counted in another process."""
        self.add(tally)

    def cancelled(self, task: Task) -> None:
        """Forget a task."""
        if task.is_counted:
            self.tasks -= 1
            self.share -= task.share

    def _count(self, task: Task) -> None:
        self.tasks += not task.is_counted
        task.is_counted = True

    def counts(self) -> Tally:
        """Return the counts by themselves."""
        return Tally(*astuple(self))

    def add(self, other: Tally) -> None:
        """Add the counts of another."""
        self.tasks += other.tasks
        self.done += other.done
        self.epochs += other.epochs
        self.share += other.share


class Board:
    """A file in which batches of tasks write how far they are, for the process that shows it."""

    _NUMBERS = 4

    def __init__(self, path: Path):
        self.path = path

    def clear(self, n_batches: int) -> None:
        """Make room for the counts of batches."""
        np.zeros((n_batches, self._NUMBERS)).tofile(self.path)

    def write(self, batch: int, tally: Tally) -> None:
        """Write a batch's counts; on a machine without the file, do nothing."""
        if self.path.exists():
            counts = np.memmap(self.path, np.float64, "r+").reshape(-1, self._NUMBERS)
            counts[batch] = astuple(tally)

    def read(self) -> Tally:
        """Return the counts of all batches together."""
        counts = np.fromfile(self.path).reshape(-1, self._NUMBERS)
        tasks, done, epochs, share = counts.sum(0).tolist()
        return Tally(int(tasks), int(done), int(epochs), share)


class ReportingTally(Tally):
    """Counts in a worker process, written to a board now and then."""

    def __init__(self, board: Board, batch: int):
        super().__init__()
        self._board, self._batch = board, batch
        self._last = monotonic()

    def trained(self, tasks: Sequence[Task]) -> None:
        """Count an epoch of each task."""
        super().trained(tasks)
        now = monotonic()
        if now - self._last > _SECONDS_BETWEEN_WRITES:
            self._last = now
            self._board.write(self._batch, self)
