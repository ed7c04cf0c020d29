"""How long the fits of a scheduler will take here, and with worker processes: measured on a few."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from sknethp.fusion.tasks import Task
from sknethp.training.threads import WORK_FOR_THREADS

# Multiplications, as `work` counts them, that two cores do in a second in networks of 64 units.
_USUAL_RATE = 12e9
# Each on an idle core: a step of a population beyond those of its networks, pickling and sending a
# batch of tasks, and starting a process that imports torch.
_SECONDS_OF_A_STEP = 8e-5
_SECONDS_TO_SEND = 0.1
_SECONDS_TO_START = 5.0
# What a fit does beside training, as a multiple of what it has done before: scoring is to come.
_BESIDE = 2
# Tasks that are measured, in epochs of which the second one is on one thread: enough for torch to
# use its threads, or else few, since workers would wait for them.
_MOST_MEASURED, _LEAST_MEASURED = 32, 8
_EPOCHS_MEASURED = 3


def work(task: Task) -> float:
    """Return the multiplications of samples with weights in the epoch that a task waits for.

    Only those of the forward pass are counted.
    """
    return sum(
        float(epoch.n_steps)
        * epoch.network.settings.batch_size
        * epoch.network.architecture.n_parameters
        for epoch in task.request or ()
    )


def steps_left(task: Task) -> int:
    """Return the steps that a task will train, as far as is known."""
    return sum(epoch.n_steps * epoch.n_left for epoch in (task.request or ())[:1])


def epochs_left(task: Task) -> int:
    """Return the epochs that a task will train, as far as is known."""
    return max((epoch.n_left for epoch in task.request or ()), default=0)


def n_to_measure(task: Task) -> int:
    """Return how many fits like that of a task are to be measured."""
    steps = sum(epoch.n_steps for epoch in task.request or ())
    n_for_threads = math.floor(WORK_FOR_THREADS * steps / work(task)) + 1
    return n_for_threads if _LEAST_MEASURED < n_for_threads <= _MOST_MEASURED else _LEAST_MEASURED


@dataclass(frozen=True)
class Rest:
    """Fits that are left, and their seconds in all: training here and on one thread, and others.

    `batch` has the seconds that a population takes, however few fits it has. `slowdown` is the
    factor by which other load on the machine prolongs work.
    """

    n_fits: int
    training: float
    on_one_thread: float
    others: float
    batch: float = 0.0
    slowdown: float = 1.0

    @classmethod
    def by_size(cls, task: Task, n_fits: int, seconds_beside: float) -> Rest:
        """Return a rough estimate for fits like that of a task, which has just started."""
        training = n_fits * epochs_left(task) * work(task) / _USUAL_RATE
        batch = steps_left(task) * _SECONDS_OF_A_STEP
        return cls(n_fits, training, training, _BESIDE * n_fits * seconds_beside, batch)

    @property
    def here(self) -> float:
        """The seconds that they take in this process."""
        return self.training + self.others

    @property
    def alone(self) -> float:
        """The seconds that they take in this process on one thread."""
        return self.on_one_thread + self.others

    def shared(self, n_processes: int, are_ready: bool) -> float:
        """Return the seconds that they take if worker processes join this one.

        Until the workers have started, this process goes on by itself.
        """
        start = _SECONDS_TO_SEND + (0.0 if are_ready else _SECONDS_TO_START)
        start = min(self.alone, start * self.slowdown)
        return start + (self.alone - start) / n_processes

    def smallest_batch(self, overhead: float) -> int:
        """Return how many fits a population needs for this share of its time to be overhead."""
        return math.ceil(self.batch * self.n_fits / (overhead * self.alone))


class Measurement:
    """Measures the first fits of a scheduler."""

    def __init__(self) -> None:
        self.seconds_beside = 0.0
        self.n_started = 0
        self._clocks = time.perf_counter(), time.thread_time()
        self._rates: list[float] = []
        self._works: list[float] = []
        self._steps = 0.0

    @property
    def needs_one_thread(self) -> bool:
        """Whether the next round is to be trained on one thread."""
        return len(self._rates) == 1

    @property
    def is_complete(self) -> bool:
        """Whether enough rounds were measured."""
        return len(self._rates) == _EPOCHS_MEASURED

    def trained(self, tasks: Sequence[Task], seconds: float) -> None:
        """Count a round of training, an epoch of each task."""
        if not self._rates:
            self._works = [work(task) * epochs_left(task) for task in tasks]
            self._steps = mean(map(steps_left, tasks))
        n_steps = max(epoch.n_steps for task in tasks for epoch in task.request or ())
        overhead = min(0.7 * seconds, n_steps * _SECONDS_OF_A_STEP * self._slowdown())
        self._rates.append((seconds - overhead) / sum(map(work, tasks)))

    def _slowdown(self) -> float:
        wall, cpu = self._clocks
        passed = time.perf_counter() - wall, time.thread_time() - cpu
        return max(1.0, passed[0] / passed[1])

    def rest(self, tasks: Sequence[Task], n_new: int) -> Rest:
        """Return what is left of tasks that have just trained an epoch, and of new ones."""
        first, on_one_thread, last = self._rates
        left = sum(work(task) * (epochs_left(task) - 1) for task in tasks)
        left += n_new * mean(self._works)
        n_fits, slowdown = len(tasks) + n_new, self._slowdown()
        return Rest(
            n_fits,
            min(first, last) * left,
            on_one_thread * left,
            _BESIDE * n_fits * self.seconds_beside / self.n_started,
            self._steps * _SECONDS_OF_A_STEP * slowdown,
            slowdown,
        )
