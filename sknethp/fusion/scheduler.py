"""Runs tasks until all of them wait, then trains the epochs that they wait for, together."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sknethp.fusion.budget import MemoryBudget
from sknethp.fusion.deadlock import Watchdog
from sknethp.fusion.process_state import ProcessState, outside_inference_mode
from sknethp.fusion.rounds import CountedRounds
from sknethp.fusion.sharing import SharedArrays
from sknethp.fusion.summary import Summary
from sknethp.fusion.tasks import Task, Watcher
from sknethp.fusion.time_limit import OutOfTime
from sknethp.fusion.undivided import Undivided
from sknethp.training.epoch import Epoch, EpochResult
from sknethp.training.rows import Rows
from sknethp.training.threads import one_torch_thread

# After this many nested tasks of a caller that trained no net, the next ones run in place.
_ENOUGH_IDLE_TASKS = 16


class Scheduler:
    """Runs tasks, and trains their networks together.

    A task runs as ordinary code until its network needs an epoch. There it waits. When every task
    that may be alive waits, the requested epochs are trained, those that can share a population
    together, by torch's threads on all cores. `watcher` is notified of every task that is
    submitted, trained or ended; `stopped_by` is the error with which a task has ended all of them.
    By its `division`, other processes may take tasks.
    """

    def __init__(
        self,
        max_memory: int | None = None,
        watcher: Watcher | None = None,
        division: Undivided | None = None,
    ):
        self.budget = MemoryBudget(max_memory)
        self.summary = Summary()
        self._rounds = CountedRounds(self.summary)
        self._watcher = watcher or Watcher()
        self._division = division or Undivided()
        self._rows = SharedArrays(Rows, lambda rows: rows.dense.numpy())
        self._targets = SharedArrays(torch.from_numpy, Tensor.numpy)
        self._new: deque[Task] = deque()
        self._ready: deque[tuple[Task, Any]] = deque()
        self._waiting: list[Task] = []
        self._current: Task | None = None
        self._n_steps = 0
        self._watchdog = Watchdog(self._blocking_step)
        self._subjects: set[str] = set()
        self._idle_tasks: dict[Hashable, float] = {}
        self._interrupt: BaseException | None = None
        # Seconds that a step of a single network takes beyond its share of a population's.
        self._overhead: float | None = None
        self.stopped_by: Exception | None = None

    # Called by tasks.

    def rows(self, X: Any) -> Rows:
        """Return the rows of training data, shared with equal data of other tasks."""
        rows = self._rows.get(X)
        if self._current is not None:
            self.budget.hold_rows(self._current, rows)
        return rows

    def targets(self, targets: np.ndarray) -> Tensor:
        """Return targets as a tensor, shared with equal targets of other tasks."""
        return self._targets.get(targets)

    def train(self, epochs: Sequence[Epoch]) -> list[EpochResult]:
        """Wait until the epochs are trained."""
        assert self._current is not None
        self.budget.hold_epochs(self._current, epochs)
        return self._current.wait(request=epochs)

    def is_current(self) -> bool:
        """Tell whether the running code is that of a task, in the thread that all tasks share."""
        task = self._current
        return task is not None and task.is_running()

    def count_recalled(self) -> None:
        """Count a fit that was read from a memory instead of trained."""
        assert self._current is not None
        self.summary.found += 1
        self._current.recalls = True

    def count_inner(self, summary: Summary) -> None:
        """Count networks that the running task has trained together by itself."""
        assert self._current is not None
        self.summary.add(summary, None)
        self._current.trains = True

    def is_first(self, subject: str) -> bool:
        """Whether nothing has been said to the user about a subject in this session yet."""
        is_first = subject not in self._subjects
        self._subjects.add(subject)
        return is_first

    def stop(self, error: Exception) -> None:
        """End all tasks with an error, even if the task that raises it catches it."""
        self._interrupt = self.stopped_by = error

    # Called by the backend.

    def submit(
        self,
        function: Callable[[], Any],
        finished: Callable[[Task], None],
        caller: Hashable = None,
    ) -> Task:
        """Add a task; it starts when its result or another's is requested."""
        task = Task(function, finished, self._current)
        task.caller = caller
        self._new.append(task)
        self.summary.tasks += 1
        self._watcher.submitted(task)
        return task

    def result(self, task: Task) -> Any:
        """Return a task's result, running all tasks until it is there; raise its error."""
        if not task.done:
            if self._current is None:
                self._drive_from_outside(task)
            else:
                self._current.wait(awaited=task)
        if task.error is not None:
            raise task.error
        return task.result

    def _drive_from_outside(self, task: Task) -> None:
        outside = ProcessState()
        try:
            with self._watchdog, outside_inference_mode():
                self._drive(task)
        except KeyboardInterrupt as error:
            if self._watchdog.message is None:
                raise
            raise RuntimeError(self._watchdog.message) from error
        finally:
            outside.restore()
            self.summary.choice = self._division.choice
            if not self._division.tasks_are_away and not self._all():
                self._division.begin()

    def _blocking_step(self) -> int:
        """Return the number of the running task's step; 0 if no other task waits for it."""
        return self._n_steps if self._current is not None and self._training() else 0

    def runs_in_place(self, caller: Hashable) -> bool:
        """Tell whether nested tasks of this caller have repeatedly trained no net."""
        return self._idle_tasks.get(caller, 0) >= _ENOUGH_IDLE_TASKS

    def _count_idle(self, task: Task) -> None:
        if task.caller is None:
            return
        if task.trains or task.recalls or task.children_train:
            self._idle_tasks[task.caller] = -math.inf
            if task.parent is not None:
                task.parent.children_train = True
        else:
            self._idle_tasks[task.caller] = self._idle_tasks.get(task.caller, 0) + 1

    def cancel_children(self) -> None:
        """Cancel all tasks that the current one (or the code outside all tasks) has started."""
        caller = self._current
        doomed = [task for task in self._all() if _descends(task, caller)]
        doomed += self._division.leave() if caller is None else []
        self._new = deque(task for task in self._new if task not in doomed)
        self._ready = deque(entry for entry in self._ready if entry[0] not in doomed)
        self._waiting = [task for task in self._waiting if task not in doomed]
        for task in reversed(doomed):
            self._current = task
            task.cancel()
            self.budget.release(task)
            self._watcher.cancelled(task)
        self._current = caller
        self._interrupt = None

    def _all(self) -> list[Task]:
        return [*self._waiting, *(task for task, _ in self._ready), *self._new]

    # The loop.

    def _drive(self, target: Task) -> None:
        while not target.done:
            if self._ready:
                self._step(*self._ready.popleft())
            elif (task := self._next_task()) is not None:
                self._start(task)
            elif self._division.tasks_are_away and not self._training():
                self._division.wait()
            else:
                self._advance()
            self._receive()
            if self._interrupt is not None:
                interrupt, self._interrupt = self._interrupt, None
                raise interrupt

    def _training(self) -> list[Task]:
        """Return the tasks that wait for an epoch."""
        return [task for task in self._waiting if task.request is not None]

    def _next_task(self) -> Task | None:
        """Return the task to start next, if one may start beside those that wait for an epoch."""
        training = self._training()
        self._division.share_out(self._new, is_idle=not training)
        if not self._new or not self.budget.admits(len(training)):
            return None
        return self._division.next_task(self._new, training)

    def _receive(self) -> None:
        """Finish the tasks that have ended elsewhere, and have those run here that could not be."""
        for tasks, report in self._division.received():
            if report is None:
                self._new.extend(tasks)
                continue
            if report.interrupt is not None:
                raise report.interrupt
            self.summary.add(report.summary, report.process)
            for task, outcome in zip(tasks, report.outcomes, strict=True):
                task.settle(*outcome)
            self._watcher.returned(tasks, report.tally)

    def _start(self, task: Task) -> None:
        """Run a task for the first time, unless there is no time for it."""
        if task.limit is None or task.limit.admits(task):
            self._step(task, None)
        else:
            task.give_up()
            self._watcher.ended(task)
            self._wake(task)

    def _step(self, task: Task, value: Any) -> None:
        """Run a task until it waits or ends."""
        self._n_steps += 1
        self._current = task
        start = time.perf_counter()
        try:
            with one_torch_thread():
                task.resume(self, value)
        finally:
            self._current = None
            if not task.done:
                self._waiting.append(task)
        seconds = time.perf_counter() - start
        task.count_seconds(seconds)
        self._division.count_seconds(seconds)
        if not task.done:
            return
        if task.limit is not None:
            task.limit.ended(task, seconds)
        self.budget.release(task)
        self.summary.count_task(task)
        self._count_idle(task)
        self._watcher.ended(task)
        if task.error is not None and not isinstance(task.error, Exception):
            self._interrupt = task.error
        self._wake(task)

    def _wake(self, ended: Task) -> None:
        """Resume the task that waits for one that has ended."""
        for task in self._waiting:
            if task.awaited is ended:
                task.awaited = None
                self._waiting.remove(task)
                self._ready.append((task, None))
                return

    def _count_seconds(self, task: Task, seconds: list[tuple[float, float]]) -> None:
        """Count what an epoch took of its populations' time, and would take alone."""
        assert task.request is not None
        before, n_steps = task.epoch_seconds[0], task.request[0].n_steps
        share, whole = sum(part for part, _ in seconds), max(whole for _, whole in seconds)
        if before and math.isclose(share, whole) and self._overhead is None:
            self._overhead = max(0.0, whole - before) / n_steps
            share = before
        alone = whole if self._overhead is None else share + n_steps * self._overhead
        task.epoch_seconds = (share + (before or share)) / 2, alone
        task.count_seconds(alone)

    def _give_up(self) -> bool:
        """End the tasks that would not end in time; tell whether there were any."""
        waiting = self._training()
        limits = {task.limited.limit: None for task in waiting if task.limited is not None}
        hopeless = [task for limit in limits if limit for task in limit.hopeless(waiting)]
        for task in hopeless:
            task.request = task.awaited = None
            self._waiting.remove(task)
            self._ready.append((task, OutOfTime()))
        return bool(hopeless)

    def _advance(self) -> None:
        """Train an epoch of all tasks that wait for one."""
        if self._give_up():
            return
        tasks = self._training()
        if not tasks:
            raise RuntimeError("All tasks wait for each other; please report this as a bug.")
        if self._overhead is None and any(task.limited.limit for task in tasks if task.limited):
            # One that has trained with others, to know what it takes by itself, as in a refit.
            tasks = [task for task in tasks if any(task.epoch_seconds)][:1] or tasks
        epochs = [epoch for task in tasks for epoch in task.request or ()]
        start = time.perf_counter()
        with self._division.threads():
            answers = iter(self._rounds.train_all(epochs))
        self._division.trained(tasks, time.perf_counter() - start, self._new)
        seconds = iter(self._rounds.seconds)
        trained = set(tasks)
        self._waiting = [task for task in self._waiting if task not in trained]
        for task in tasks:
            self._count_seconds(task, [next(seconds) for _ in task.request or ()])
            own = [next(answers) for _ in task.request or ()]
            errors = (answer for answer in own if isinstance(answer, Exception))
            task.request = None
            self._ready.append((task, next(errors, own)))
        self._watcher.trained(tasks)


def _descends(task: Task, ancestor: Task | None) -> bool:
    """Tell whether a task was started by another, or by one of its descendants; None starts all."""
    parent = task.parent
    while parent is not ancestor and parent is not None:
        parent = parent.parent
    return parent is ancestor
