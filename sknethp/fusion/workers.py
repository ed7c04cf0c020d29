"""Populations spread over worker processes, by another backend of joblib."""

from __future__ import annotations

import pickle
import random
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import joblib
from joblib.parallel import ParallelBackendBase

from sknethp.fusion.backend import OFFERED_JOBS, FusedBackend
from sknethp.fusion.scheduler import DEFAULT_MEMORY, Scheduler
from sknethp.fusion.summary import Summary

# A batch of about so many tasks makes a population that is worth its overhead; with more tasks a
# worker gets several batches, so that none waits long for the others.
_TASKS_OF_A_BATCH = 64

Function = Callable[[], Any]
Outcome = tuple[Any, BaseException | None]


def run_together(functions: Sequence[Function], max_memory: int) -> tuple[list[Outcome], Summary]:
    """Run tasks in this process, their networks together.

    Parameters
    ----------
    functions : sequence of callable
    max_memory : int
        Bytes that waiting fits may hold.

    Returns
    -------
    outcomes : list of (result, error)
        One of the two is None.
    summary : Summary
    """
    scheduler = Scheduler(max_memory)
    tasks = [scheduler.submit(function, lambda _: None) for function in functions]
    outcomes: list[Outcome] = []
    for task in tasks:
        try:
            outcomes.append((scheduler.result(task), None))
        except Exception as error:
            outcomes.append((None, _portable(error)))
    return outcomes, scheduler.summary


def _portable(error: Exception) -> Exception:
    """Return an error that can be sent to another process, with its traceback as a note."""
    error.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    with suppress(Exception):
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    return RuntimeError("".join(traceback.format_exception_only(error)))


def deal(n_tasks: int, n_workers: int) -> list[list[int]]:
    """Deal tasks into batches.

    Neighbours in a search are alike, and long ones may come at regular distances: shuffled, the
    batches take about equally long.

    Parameters
    ----------
    n_tasks, n_workers : int

    Returns
    -------
    list of list of int
        Positions of the tasks, in ascending order within a batch; a multiple of `n_workers`
        batches where there are tasks enough.

    Examples
    --------
    >>> [len(batch) for batch in deal(300, 2)]
    [75, 75, 75, 75]
    >>> [len(batch) for batch in deal(3, 4)]
    [1, 1, 1]
    """
    rounds = max(1, round(n_tasks / (n_workers * _TASKS_OF_A_BATCH)))
    n_batches = min(n_workers * rounds, n_tasks)
    order = list(range(n_tasks))
    random.Random(0).shuffle(order)
    return [sorted(order[i::n_batches]) for i in range(n_batches)]


class _Future:
    """What joblib holds of a task."""

    def __init__(self, backend: WorkersBackend, function: Function, callback: Any):
        self.function = function
        self.outcome: Outcome | None = None
        self._backend, self._callback = backend, callback

    def finish(self, outcome: Outcome) -> None:
        """Take the result, and tell joblib that the task has ended."""
        self.outcome = outcome
        del self.function
        if self._callback is not None:
            self._callback(None)

    def get(self) -> Any:
        """Return the task's result."""
        while self.outcome is None:
            self._backend.run_pending()
        result, error = self.outcome
        if error is not None:
            raise error
        return result


class WorkersBackend(ParallelBackendBase):
    """Hands joblib's tasks in batches to worker processes, in each of which they train together.

    Parameters
    ----------
    n_jobs : int
        Worker processes; negative numbers count from the number of cores or, for clusters, of
        the workers there are.
    backend : str
        A backend of joblib, such as "loky", "dask" or "ray".
    max_memory : int or None
        Bytes that waiting fits may hold, in all workers together; None for 2 GiB.
    """

    supports_retrieve_callback = False
    uses_threads = True

    def __init__(
        self,
        n_jobs: int = -1,
        backend: str = "loky",
        max_memory: int | None = None,
        nesting_level: int | None = None,
        **kw: Any,
    ):
        super().__init__(nesting_level=nesting_level, **kw)
        self.n_jobs, self.name = n_jobs, backend
        self.max_memory = max_memory or DEFAULT_MEMORY
        self.summary = Summary()
        self._pending: list[_Future] = []

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Offer many jobs whatever is asked for, to have many tasks to deal."""
        return OFFERED_JOBS

    def submit(self, func: Function, callback: Any = None) -> _Future:
        """Take a task."""
        self.summary.tasks += 1
        self._pending.append(_Future(self, func, callback))
        return self._pending[-1]

    def get_nested_backend(self) -> tuple[FusedBackend, int]:
        """Let the tasks' own tasks meet in the worker."""
        return FusedBackend(nesting_level=(self.nesting_level or 0) + 1), OFFERED_JOBS

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Forget what has not been run."""
        self._pending.clear()

    def run_pending(self) -> None:
        """Run all tasks that have come so far."""
        futures, self._pending = self._pending, []
        if len(futures) == 1:
            self._finish(futures, *run_together([futures[0].function], self.max_memory))
            return
        with joblib.parallel_config(backend=self.name):
            n_workers = joblib.effective_n_jobs(self.n_jobs)
            batches = [[futures[i] for i in batch] for batch in deal(len(futures), n_workers)]
            memory = self.max_memory // min(n_workers, len(batches))
            self.summary.workers = max(self.summary.workers, min(n_workers, len(batches)))
            results = joblib.Parallel(n_jobs=self.n_jobs, batch_size=1)(
                joblib.delayed(run_together)([future.function for future in batch], memory)
                for batch in batches
            )
        for batch, (outcomes, summary) in zip(batches, results, strict=True):
            self._finish(batch, outcomes, summary)

    def _finish(self, futures: list[_Future], outcomes: list[Outcome], summary: Summary) -> None:
        self.summary.add(summary)
        for future, outcome in zip(futures, outcomes, strict=True):
            future.finish(outcome)
