"""Time limits: tasks that would not end in time are given up, those of the costliest fits first."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sknethp.fusion.tasks import Task


class OutOfTime(BaseException):
    """Ends a task where it waits; not an Exception, so that no code takes it for a failed fit."""


class TimeLimit:
    """When the tasks of a search must have ended, so that there is time left for its refit.

    A task that is given up returns a list of `instead`. The refit takes `n_refits` times as long
    as the longest fit so far, `longest_fit`, would take by itself. Unless `is_strict`, all tasks
    are run to their end.
    """

    def __init__(self, end: float, n_refits: float, instead: Any):
        self.end, self.n_refits, self.instead = end, n_refits, instead
        self.is_strict = False
        self.longest_fit = 0.0
        self._ending = 0.0
        self._given_up: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return the state with the end as a time of day, which other processes know as well."""
        return {**vars(self), "end": self.end - time.perf_counter() + time.time()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, end=state["end"] - time.time() + time.perf_counter())

    def left(self, longest: float = 0.0) -> float:
        """Return the seconds until a refit must begin, with fits as long as given under way."""
        return self.end - time.perf_counter() - self.n_refits * max(self.longest_fit, longest)

    def admits(self, task: Task) -> bool:
        """Tell whether a task may start; with one fold, all of a candidate are given up."""
        if self.is_strict and self.left() <= self._ending:
            self._give_up(task)
        return id(task.candidate) not in self._given_up

    def ended(self, task: Task, last_step: float) -> None:
        """Note how long a task would have taken by itself, and its seconds after the training."""
        self.longest_fit = max(self.longest_fit, task.seconds_alone)
        self._ending = (self._ending + last_step) / 2 if self._ending else last_step

    def hopeless(self, waiting: Iterable[Task]) -> list[Task]:
        """Return those of its tasks whose candidates are given up for the others to end in time."""
        needed: dict[int, float] = {}
        alone: dict[int, float] = {}
        tasks: dict[int, dict[Task, None]] = {}
        for task in waiting:
            owner, request = task.limited, task.request
            if owner is None or owner.limit is not self or request is None:
                continue
            key = id(owner.candidate)
            share, single = task.epoch_seconds
            n_left = request[0].n_left
            needed[key] = needed.get(key, 0) + self._ending + n_left * share
            fit = owner.seconds_alone + n_left * single
            alone[key] = max(alone.get(key, 0), fit)
            tasks.setdefault(key, {})[owner] = None
        kept = sorted(needed, key=needed.__getitem__) if self.is_strict else []
        hopeless: list[Task] = []
        while kept and self.left(max(alone[k] for k in kept)) < sum(needed[k] for k in kept):
            hopeless += tasks[kept.pop()]
        for task in hopeless:
            self._give_up(task)
        return hopeless

    def _give_up(self, task: Task) -> None:
        self._given_up[id(task.candidate)] = task.candidate


time_limit: ContextVar[TimeLimit | None] = ContextVar("time_limit", default=None)
"""The limit of the tasks that are submitted in this context."""
