"""Populations spread over worker processes, of this machine or of others."""

from __future__ import annotations

import os
import random
import socket
import tempfile
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sknethp.fusion.backend import CollectingBackend
from sknethp.fusion.budget import DEFAULT_MEMORY
from sknethp.fusion.clusters import LOST, workers_of
from sknethp.fusion.inspection import candidate
from sknethp.fusion.orphans import end_with
from sknethp.fusion.packing import Parcel, pack, portable, unpack
from sknethp.fusion.progress import Progress
from sknethp.fusion.scheduler import Scheduler
from sknethp.fusion.summary import Summary
from sknethp.fusion.tally import Board, ReportingTally, Tally
from sknethp.fusion.time_limit import TimeLimit, time_limit

# Memory of a worker process without data: Python, torch and other modules.
BYTES_OF_A_WORKER = 300 * 2**20

Function = Callable[[], Any]
Outcome = tuple[Any, BaseException | None]

ready_workers: set[Hashable] = set()
"""Processes, by `this_process`, that have run a batch: they have imported what it takes."""


@dataclass
class Report:
    """Result of a batch of tasks.

    `outcomes` has a result and an error, one of them None, for each task, or for fewer after an
    `interrupt`: KeyboardInterrupt, SystemExit, or what stopped the scheduler. `summary` and `tally`
    do not count the tasks, which the sender knows. `longest_fit` is that of the time limit.
    """

    batch: int
    outcomes: list[Outcome]
    summary: Summary
    tally: Tally
    process: Hashable
    interrupt: BaseException | None = None
    longest_fit: float = 0.0


def this_process() -> tuple[str, int]:
    """Return a unique identifier of this process."""
    return socket.gethostname(), os.getpid()


def run_together(functions: Sequence[Function], max_memory: int, tally: Tally) -> Report:
    """Run tasks in this process, their networks together."""
    scheduler = Scheduler(max_memory, tally)
    report = Report(0, [], scheduler.summary, tally, this_process())
    tasks = [scheduler.submit(function, lambda _: None) for function in functions]
    scheduler.summary.tasks -= len(tasks)
    try:
        for task in tasks:
            try:
                report.outcomes.append((scheduler.result(task), None))
            except Exception as error:
                if error is scheduler.stopped_by:
                    raise
                report.outcomes.append((None, error))
    except BaseException as interrupt:
        scheduler.cancel_children()
        report.interrupt = interrupt
    return report


def run_packed(
    batch: int,
    parcel: Parcel,
    max_memory: int,
    path: Path | None,
    parent: int | None,
    limit: TimeLimit | None,
    shared: dict[int, Any],
) -> Report:
    """Run tasks in a worker process.

    `path` is that of the board, if progress is shown; the worker ends with its `parent`. An
    interrupt is in the report, not raised: it would end the workers of some backends.
    """
    if parent is not None:
        end_with(parent)
    tally = Tally() if path is None else ReportingTally(Board(path), batch)
    functions = unpack(parcel, shared)
    tally.tasks -= len(functions)
    token = time_limit.set(limit)
    try:
        report = run_together(functions, max_memory, tally)
    finally:
        time_limit.reset(token)
    report.longest_fit = limit.longest_fit if limit else 0.0
    report.batch = batch
    report.tally = tally.counts()
    report.outcomes = [
        (result, portable(error) if isinstance(error, Exception) else error)
        for result, error in report.outcomes
    ]
    return report


def deal(n_tasks: int, n_workers: int, n_together: int) -> list[list[int]]:
    """Distribute tasks over batches, a multiple of `n_workers` of them if there are enough tasks.

    With more tasks they have about `n_together` each. Neighbours in a search are alike, and long
    ones may come at regular distances: by shuffling, the batches take about equally long. The
    positions of the tasks ascend within a batch.
    """
    rounds = max(1, round(n_tasks / (n_workers * n_together)))
    n_batches = min(n_workers * rounds, n_tasks)
    order = list(range(n_tasks))
    random.Random(0).shuffle(order)
    return [sorted(order[i::n_batches]) for i in range(n_batches)]


def memory_of_each(max_memory: int, n_workers: int) -> int:
    """Return the bytes that waiting fits may hold in each worker process.

    What the processes themselves need is subtracted, but at most half. `max_memory` is in bytes,
    for all workers together.
    """
    return max(max_memory - n_workers * BYTES_OF_A_WORKER, max_memory // 2) // n_workers


class _Future:
    """joblib's handle of a task."""

    def __init__(self, backend: WorkersBackend, function: Function, callback: Any):
        self.function = function
        self.candidate = candidate(function)
        self.outcome: Outcome | None = None
        self._backend, self._callback = backend, callback

    def finish(self, outcome: Outcome) -> None:
        """Store the result, and tell joblib that the task has ended."""
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


class WorkersBackend(CollectingBackend):
    """Hands joblib's tasks in batches to worker processes, in each of which they train together.

    Without `n_jobs` all workers are used. `max_memory`, in bytes, 2 GiB by default, holds for all
    workers of this machine and the waiting fits in them together; on a cluster, for the fits that
    wait in each worker.
    """

    def __init__(
        self,
        n_jobs: int | None = None,
        backend: str = "loky",
        max_memory: int | None = None,
        progress: Progress | None = None,
        nesting_level: int | None = None,
        **kw: Any,
    ):
        super().__init__(nesting_level=nesting_level, **kw)
        self.name = backend
        self._workers = workers_of(backend, n_jobs)
        self.max_memory = max_memory or DEFAULT_MEMORY
        self.summary = Summary()
        self._progress = progress
        self._pending: list[_Future] = []

    def submit(self, func: Function, callback: Any = None) -> _Future:
        """Add a task."""
        self.summary.tasks += 1
        self._pending.append(_Future(self, func, callback))
        return self._pending[-1]

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Forget what has not been run."""
        self._pending.clear()

    def run_pending(self) -> None:
        """Run all tasks submitted so far."""
        futures, self._pending = self._pending, []
        n_workers = self._workers.count() if len(futures) > 1 else 0
        if n_workers:
            self._spread(futures, n_workers)
        else:
            functions = [future.function for future in futures]
            tally = Tally() if self._progress is None else self._progress
            self._finish(futures, run_together(functions, self.max_memory, tally))

    def _spread(self, futures: list[_Future], n_workers: int) -> None:
        """Run tasks in worker processes."""
        dealt = deal(len(futures), n_workers, self._workers.tasks_of_a_batch)
        batches = [[futures[i] for i in batch] for batch in dealt]
        functions = [[future.function for future in batch] for batch in batches]
        parcels, shared = pack(functions, self._workers.least_shared)
        memory = self.max_memory
        if self._workers.are_on_this_machine:
            memory = memory_of_each(memory, min(n_workers, len(batches)))
        with self._watched(futures, len(batches)) as board:
            path = None if board is None else board.path
            # Workers of other backends are not children of this process, or not ours to end.
            parent = os.getpid() if self.name == "loky" else None
            limit = time_limit.get()
            calls = [(i, parcel, memory, path, parent, limit) for i, parcel in enumerate(parcels)]
            # Closed as soon as an error ends the loop: the rest is cancelled then.
            with closing(self._workers.run(run_packed, calls, shared)) as reports:
                for report in reports:
                    self._receive(report, batches, board)

    def _receive(self, report: Any, batches: list[list[_Future]], board: Board | None) -> None:
        """Finish the tasks of a batch that has arrived."""
        if not isinstance(report, Report):
            raise RuntimeError(LOST.format(reason=repr(report), backend=self.name))
        if board is not None:
            board.write(report.batch, Tally())
        limit = time_limit.get()
        if limit is not None:
            limit.longest_fit = max(limit.longest_fit, report.longest_fit)
        self.summary.bytes_sent = self._workers.bytes_sent
        self._finish(batches[report.batch], report)

    @contextmanager
    def _watched(self, futures: list[_Future], n_batches: int) -> Iterator[Board | None]:
        """Show the progress of batches while they run elsewhere, if wanted."""
        if self._progress is None:
            yield None
            return
        for future in futures:
            self._progress.expect(future.candidate)
        self._progress.tasks += len(futures)
        with tempfile.TemporaryDirectory(prefix="sknethp-") as folder:
            board = Board(Path(folder) / "progress")
            board.clear(n_batches)
            with self._progress.following(board):
                yield board

    def _finish(self, futures: list[_Future], report: Report) -> None:
        if report.interrupt is not None:
            raise report.interrupt
        here = report.process == this_process()
        ready_workers.add(report.process)
        self.summary.add(report.summary, None if here else report.process)
        if self._progress is not None and not here:
            self._progress.add(report.tally)
        for future, outcome in zip(futures, report.outcomes, strict=True):
            if self._progress is not None and not here:
                self._progress.record(future.candidate, outcome[0])
            future.finish(outcome)
