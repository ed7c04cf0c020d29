"""Decides whether worker processes join a scheduler, and divides its tasks among them."""

from __future__ import annotations

import math
import multiprocessing
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum, auto
from statistics import mean

import joblib

from sknethp.fusion.budget import DEFAULT_MEMORY
from sknethp.fusion.estimate import Rates, usual_seconds, work
from sknethp.fusion.helpers import Helpers, are_ready
from sknethp.fusion.tasks import Task
from sknethp.fusion.undivided import Undivided
from sknethp.fusion.workers import BYTES_OF_A_WORKER, Report, memory_of_each
from sknethp.training.threads import most_threads, torch_threads

# Work that takes fewer seconds, by its size alone, is not even measured, whether the workers are
# ready or have to be started.
_SHORT_WORK = {True: 0.5, False: 10.0}
# Tasks that are measured while they train for some epochs, the second one on one thread.
_MOST_MEASURED = 32
_EPOCHS_MEASURED = 3
# Workers join if they shorten the rest to this share.
_WORTHWHILE = 0.92
# The share of the tasks left that is divided evenly at a time: large batches first, which train
# faster, and small ones in the end, so that no process waits long for the others.
_DIVIDED = 0.75
_SMALLEST_BATCH = 8


def n_processes(max_memory: int | None) -> int:
    """Return how many processes may train, this one included.

    As many as joblib would start and torch may use threads; 1 in a thread or a worker process.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or multiprocessing.parent_process() is not None:
        return 1
    with joblib.parallel_config(backend="loky"):
        n_most = min(joblib.effective_n_jobs(-1), most_threads())
    if max_memory is not None:
        n_most = min(n_most, 1 + max_memory // (2 * BYTES_OF_A_WORKER))
    return n_most


class _Stage(Enum):
    NEW = auto()
    MEASURING = auto()
    HERE = auto()
    SHARED = auto()


class Division(Undivided):
    """Divides tasks between this process and worker processes, where that is faster.

    At first a few tasks train here, for some epochs; then it is known how long the others would
    take here, and how long with workers. Only tasks that no other has started go elsewhere.
    """

    def __init__(self, n_processes: int, max_memory: int | None = None):
        self._n_most = n_processes
        self._memory = memory_of_each(max_memory or DEFAULT_MEMORY, n_processes)
        self._helpers: Helpers | None = None
        self.begin()

    def begin(self) -> None:
        """Forget what was decided."""
        self.leave()
        self._stage = _Stage.NEW
        self._n_processes = 1
        # Tasks that may start here: in all or, while it is measured, at a time.
        self._quota = 0
        self._n_started = 0
        self._seconds_beside = 0.0
        self._rates: list[float] = []
        self._sizes: list[float] = []
        self._joined = ""
        self._clocks = time.perf_counter(), time.thread_time()

    @property
    def tasks_are_away(self) -> bool:
        """Whether other processes have tasks."""
        return self._helpers is not None and self._helpers.are_busy

    def next_task(self, new: deque[Task], training: Sequence[Task]) -> Task | None:
        """Remove a task that may start; those that another task has started always may."""
        if self._stage is _Stage.NEW and training:
            self._look_at(training, new)
        if training and self._is_full(len(training)):
            inner = next((task for task in new if task.parent is not None), None)
            if inner is not None:
                new.remove(inner)
            return inner
        task = new.popleft()
        if task.parent is None:
            self._n_started += 1
            self._quota -= self._stage is _Stage.SHARED
        return task

    def _is_full(self, n_training: int) -> bool:
        if self._stage is _Stage.SHARED:
            return self._quota <= 0
        return self._stage is _Stage.MEASURING and n_training >= self._quota

    def count_seconds(self, seconds: float) -> None:
        """Count what has passed outside training."""
        self._seconds_beside += seconds

    def threads(self) -> AbstractContextManager[None]:
        """Use one thread while that is measured, and while other processes use the cores."""
        is_measured = self._stage is _Stage.MEASURING and len(self._rates) == 1
        return torch_threads(1) if is_measured or self.tasks_are_away else nullcontext()

    # Deciding.

    def _look_at(self, training: Sequence[Task], new: deque[Task]) -> None:
        """Decide by the size of the first task whether it is worth measuring."""
        n_tasks = len(_outer(new)) + len(training)
        seconds = n_tasks * (usual_seconds(training[0].request or ()) + self._seconds_beside)
        self._n_processes = min(self._n_most, n_tasks // _SMALLEST_BATCH)
        reason = _reason_to_stay(training)
        if reason is None and self._n_processes < 2:
            reason = f"{n_tasks} fits are too few to share"
        if reason is None and seconds < _SHORT_WORK[are_ready(self._n_processes - 1)]:
            reason = f"about {seconds:.1f} s of work are too little to share"
        if reason is not None:
            self._stay(reason)
            return
        self._stage = _Stage.MEASURING
        self._quota = min(_MOST_MEASURED, max(2, n_tasks // 8))
        # Neighbours are alike, and what is measured should be like the rest.
        order = list(new)
        random.Random(0).shuffle(order)
        new.clear()
        new.extend(order)

    def _stay(self, reason: str) -> None:
        self._stage = _Stage.HERE
        self.choice = f"trained in this process, since {reason}"

    def trained(self, tasks: Sequence[Task], seconds: float, new: Sequence[Task]) -> None:
        """Measure a round of training, and decide after the last one."""
        if self._stage is not _Stage.MEASURING:
            return
        if (reason := _reason_to_stay(tasks)) is not None:
            self._stay(reason)
            return
        sizes = [work(task.request or ()) for task in tasks]
        n_left = [task.request[0].n_left for task in tasks if task.request]
        left = [size * n for size, n in zip(sizes, n_left, strict=True)]
        self._sizes += [] if self._rates else left
        self._rates.append(seconds / sum(sizes))
        if len(self._rates) == _EPOCHS_MEASURED:
            self._decide(len(tasks), sum(left) - sum(sizes), len(_outer(new)))

    def _decide(self, n_training: int, left: float, n_new: int) -> None:
        """Decide after measuring whether other processes join."""
        wall, cpu = (now - then for now, then in zip(_clocks(), self._clocks, strict=True))
        first, on_one_thread, last = self._rates
        rates = Rates(
            here=min(first, last),
            on_one_thread=on_one_thread,
            other=2 * self._seconds_beside / self._n_started,  # scoring is still to come
            slowdown=max(1.0, wall / cpu),
        )
        n_fits = n_training + n_new
        left += n_new * mean(self._sizes)
        here = rates.seconds_here(n_fits, left)
        shared = rates.seconds_shared(
            n_fits, left, self._n_processes, are_ready(self._n_processes - 1)
        )
        if shared > _WORTHWHILE * here:
            self._stay(f"the rest took about {here:.1f} s here, and {shared:.1f} s with workers")
            return
        try:
            self._helpers = Helpers(self._n_processes - 1, self._memory)
        except OSError as error:
            self._stay(f"no worker process could be started ({error})")
            return
        self._stage = _Stage.SHARED
        self._quota = self._share_of(n_fits) - n_training
        self.choice = "trained in this process, since all was done before the workers had started"
        self._joined = f"workers shortened the rest from about {here:.1f} s to {shared:.1f} s"

    # Sharing.

    def _share_of(self, n_tasks: int) -> int:
        """Return how many of the tasks left are for the next process that asks."""
        share = math.ceil(_DIVIDED * n_tasks / self._n_processes)
        return min(n_tasks, max(share, _SMALLEST_BATCH))

    def share_out(self, new: deque[Task], is_idle: bool) -> None:
        """Give tasks to workers that want some, and see that this process has some itself."""
        if self._helpers is None or self._stage is not _Stage.SHARED:
            return
        if self._helpers.error is not None:
            self._give_up(new, self._helpers.error)
            return
        while self._helpers.want_more and (free := _outer(new)[max(0, self._quota) :]):
            batch = free[-self._share_of(len(free)) :]
            if self._helpers.send(batch):
                for task in batch:
                    new.remove(task)
        if is_idle and self._quota <= 0:
            self._quota = self._share_of(len(_outer(new)))
            if not new:
                new.extend(self._helpers.take_back())
                self._quota = len(new)

    def _give_up(self, new: deque[Task], error: BaseException) -> None:
        """Train what is left here, after what the workers still run."""
        assert self._helpers is not None
        new.extend(self._helpers.take_back())
        self._stay(f"a worker process could not take part ({type(error).__name__}: {error})")

    def received(self) -> list[tuple[list[Task], Report | None]]:
        """Return tasks that have ended elsewhere, with a report of each batch."""
        ended = [] if self._helpers is None else self._helpers.received()
        if any(report is not None for _, report in ended) and self._stage is _Stage.SHARED:
            self.choice = self._joined
        return ended

    def wait(self) -> None:
        """Wait until tasks have ended elsewhere."""
        assert self._helpers is not None
        self._helpers.wait()

    def leave(self) -> list[Task]:
        """Let the other processes go; return the tasks that they had."""
        helpers, self._helpers = self._helpers, None
        return [] if helpers is None else helpers.leave()


def _outer(tasks: Iterable[Task]) -> list[Task]:
    """Return the tasks that no other task has started."""
    return [task for task in tasks if task.parent is None]


def _clocks() -> tuple[float, float]:
    return time.perf_counter(), time.thread_time()


def _reason_to_stay(tasks: Sequence[Task]) -> str | None:
    """Return why tasks stay here whatever they take, if they do."""
    requests = [epoch for task in tasks for epoch in task.request or ()]
    if any(task.limit is not None for task in tasks):
        return "there is a time limit"
    if any(task.parent is not None for task in tasks):
        return "fits have started others"
    if any(epoch.device.type != "cpu" for epoch in requests):
        return "a GPU trains"
    return None
