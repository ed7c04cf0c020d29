"""Decides whether worker processes join a scheduler, and divides its tasks among them."""

from __future__ import annotations

import math
import multiprocessing
import random
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import Enum, auto

from sknethp.fusion.budget import DEFAULT_MEMORY
from sknethp.fusion.estimate import Measurement, Rest, n_to_measure
from sknethp.fusion.helpers import Helpers, are_ready
from sknethp.fusion.processes import joblib_processes
from sknethp.fusion.tasks import Task
from sknethp.fusion.undivided import Undivided
from sknethp.fusion.workers import BYTES_OF_A_WORKER, Report, memory_of_each
from sknethp.training.threads import most_threads, steps_on_one_thread

# Work that takes fewer seconds, by its size alone, stays here at once: if workers are ready, which
# on one thread each are no slower than torch's threads here, and if they would have to be started.
_SHORT_WORK = {True: 0.3, False: 10.0}
# Workers join if they shorten the rest to this share.
_WORTHWHILE = 0.92
# The share of the tasks left that is divided evenly at a time: large batches first, which train
# faster, and then smaller ones, so that no process waits long for the others; but none in which
# more than this share of the time would be overhead.
_DIVIDED = 0.75
_OVERHEAD = 0.1
_FEWEST = 4


def n_processes(max_memory: int | None) -> int:
    """Return how many processes may train, this one included.

    As many as joblib would start and torch may use threads; 1 in a thread or a worker process.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or multiprocessing.parent_process() is not None:
        return 1
    n_most = min(joblib_processes(-1), most_threads())
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

    Workers that are ready get their share at once. Otherwise a few tasks train here, for some
    epochs; then it is known how long the others would take here, and how long with workers. Tasks
    that others have started stay with these.
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
        self._measurement = Measurement()
        self._n_processes = 1
        # Tasks that may still start here or, while it is measured, train at a time.
        self._quota = 0
        # Batches are of the same size until each process has got one.
        self._smallest = self._size = self._n_to_come = 0
        self._when_joined = ""

    @property
    def tasks_are_away(self) -> bool:
        """Whether other processes have tasks."""
        return self._helpers is not None and self._helpers.have_tasks

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
            self._measurement.n_started += 1
            self._quota -= self._stage is _Stage.SHARED
        return task

    def _is_full(self, n_training: int) -> bool:
        if self._stage is _Stage.SHARED:
            return self._quota <= 0
        return self._stage is _Stage.MEASURING and n_training >= self._quota

    def count_seconds(self, seconds: float) -> None:
        """Count what has passed outside training."""
        self._measurement.seconds_beside += seconds

    def threads(self) -> AbstractContextManager[None]:
        """Use one thread while that is measured, and while other processes use the cores."""
        is_measured = self._stage is _Stage.MEASURING and self._measurement.needs_one_thread
        have_joined = self._helpers is not None and self._helpers.have_joined
        return steps_on_one_thread() if is_measured or have_joined else nullcontext()

    # Deciding.

    def _stay(self, reason: str) -> None:
        self._stage = _Stage.HERE
        self.choice = f"trained in this process, since {reason}"

    def _look_at(self, training: Sequence[Task], new: deque[Task]) -> None:
        """Decide by the size of the first task whether it is worth measuring."""
        first, n_tasks = training[0], len(_outer(new)) + len(training)
        self._n_processes = min(self._n_most, n_tasks // _FEWEST)
        rest = Rest.by_size(first, n_tasks, self._measurement.seconds_beside)
        ready = are_ready(self._n_processes - 1)
        if (reason := _reason_to_stay(training)) is not None:
            self._stay(reason)
        elif self._n_processes < 2:
            self._stay(f"{n_tasks} fits are too few to share")
        elif rest.here < _SHORT_WORK[ready]:
            self._stay(f"about {rest.here:.1f} s of work are too little to share")
        else:
            _shuffle(new)
            self._stage = _Stage.MEASURING
            self._quota = min(n_to_measure(first), n_tasks // 4)
            if ready:
                self._share(rest, len(training), "workers that were running took a part")

    def trained(self, tasks: Sequence[Task], seconds: float, new: Sequence[Task]) -> None:
        """Measure a round of training, and decide after the last one."""
        if self._stage is not _Stage.MEASURING:
            return
        if (reason := _reason_to_stay(tasks)) is not None:
            self._stay(reason)
            return
        self._measurement.trained(tasks, seconds)
        if self._measurement.is_complete:
            self._decide(tasks, len(_outer(new)))

    def _decide(self, tasks: Sequence[Task], n_new: int) -> None:
        """Decide after measuring whether other processes join."""
        rest = self._measurement.rest(tasks, n_new)
        shared = rest.shared(self._n_processes, are_ready(self._n_processes - 1))
        if shared > _WORTHWHILE * rest.here:
            self._stay(f"the rest took about {rest.here:.1f} s, and with workers {shared:.1f} s")
            return
        gain = f"workers shortened the rest from about {rest.here:.1f} s to {shared:.1f} s"
        self._share(rest, len(tasks), gain)

    def _share(self, rest: Rest, n_training: int, when_joined: str) -> None:
        """Have other processes join."""
        try:
            self._helpers = Helpers(self._n_processes - 1, self._memory)
        except OSError as error:
            self._stay(f"no worker process could be started ({error})")
            return
        self._stage = _Stage.SHARED
        self._smallest = max(_FEWEST, rest.smallest_batch(_OVERHEAD))
        self._quota = self._next_share(rest.n_fits) - n_training
        self.choice = "trained in this process, since all was done before the workers had started"
        self._when_joined = when_joined

    # Sharing.

    def _next_share(self, n_tasks: int) -> int:
        """Return how many of the tasks that are left the process that asks now should get."""
        if self._n_to_come == 0:
            even = n_tasks / self._n_processes
            is_last = self._size > 0 and even < self._smallest / 2
            batch = max(_DIVIDED * even, min(even, self._smallest))
            self._size = n_tasks if is_last else math.ceil(batch)
            self._n_to_come = self._n_processes
        self._n_to_come -= 1
        return min(self._size, n_tasks)

    def share_out(self, new: deque[Task], is_idle: bool) -> None:
        """Give tasks to workers that want some, and see that this process has some itself."""
        if self._helpers is None or self._stage is not _Stage.SHARED:
            return
        if self._helpers.error is not None:
            self._give_up(new, self._helpers)
            return
        while self._helpers.want_more and (free := _outer(new)[max(0, self._quota) :]):
            batch = free[-self._next_share(len(free)) :]
            if self._helpers.send(batch):
                for task in batch:
                    new.remove(task)
        if is_idle and (self._quota <= 0 or not new):
            if not new:
                new.extend(self._helpers.take_back())
            self._quota = self._next_share(len(_outer(new)))

    def _give_up(self, new: deque[Task], helpers: Helpers) -> None:
        """Train here what no worker runs yet."""
        new.extend(helpers.take_back())
        error = helpers.error
        self._stay(f"a worker process could not take part ({type(error).__name__}: {error})")

    def received(self) -> list[tuple[list[Task], Report | None]]:
        """Return tasks that have ended elsewhere, with a report of each batch."""
        ended = [] if self._helpers is None else self._helpers.received()
        if self._stage is _Stage.SHARED and any(report is not None for _, report in ended):
            self.choice = self._when_joined
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


def _shuffle(tasks: deque[Task]) -> None:
    """Put tasks in an order in which the first ones are like the rest."""
    order = list(tasks)
    random.Random(0).shuffle(order)
    tasks.clear()
    tasks.extend(order)


def _reason_to_stay(tasks: Sequence[Task]) -> str | None:
    """Return why tasks stay here whatever they take, if they do."""
    if any(task.limit is not None for task in tasks):
        return "there is a time limit"
    if any(task.parent is not None for task in tasks):
        return "fits have started others"
    if any(epoch.device.type != "cpu" for task in tasks for epoch in task.request or ()):
        return "a GPU trains"
    return None
