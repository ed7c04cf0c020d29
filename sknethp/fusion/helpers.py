"""Worker processes of joblib's that take tasks off a scheduler."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial

from sknethp.fusion.clusters import JoblibWorkers
from sknethp.fusion.packing import pack
from sknethp.fusion.processes import Processes
from sknethp.fusion.tasks import Task
from sknethp.fusion.workers import Report, ready_workers, run_packed, this_process

Batch = list[Task]


def are_ready(n_workers: int) -> bool:
    """Tell whether so many worker processes of this one have run tasks before, and still live."""
    host, _ = this_process()
    living = {(host, process.pid) for process in multiprocessing.active_children()}
    return len(ready_workers & living) >= n_workers


class Helpers:
    """Worker processes, each of which is sent a batch of tasks at a time.

    One more batch is prepared, which is sent as soon as a worker is idle, whatever this process is
    doing then. `max_memory` is for each of them, in bytes. `have_joined` tells whether a batch was
    sent; `error` is the first that has kept tasks from being run: after it, no others are sent.
    """

    def __init__(self, n_workers: int, max_memory: int):
        self._n_workers, self._max_memory = n_workers, max_memory
        self._prepared: deque[tuple[Batch, Callable[[], Report]]] = deque()
        self._sent: dict[Future, Batch] = {}
        self._lock = threading.RLock()
        self.error: BaseException | None = None
        self.have_joined = False
        self._processes = Processes(n_workers)
        if not are_ready(n_workers):
            for _ in range(n_workers):  # until these batches have ended, none waits for a worker
                self.send([])

    @property
    def have_tasks(self) -> bool:
        """Whether tasks are prepared, or sent and their results not received."""
        with self._lock:
            return bool(self._prepared) or any(self._sent.values())

    @property
    def want_more(self) -> bool:
        """Whether a batch should be sent or prepared."""
        with self._lock:
            n_batches = len(self._running()) + len(self._prepared)
            return self.error is None and n_batches <= self._n_workers

    def _running(self) -> list[Future]:
        """Return the batches of tasks that have been sent and have not ended."""
        with self._lock:
            return [future for future, tasks in self._sent.items() if tasks and not future.done()]

    def send(self, tasks: Batch) -> bool:
        """Prepare a batch, and send it if a worker is idle; tell whether it could be pickled."""
        functions = [task.function for task in tasks if task.function]
        try:
            (parcel,), shared = pack([functions], JoblibWorkers.least_shared)
        except Exception as error:
            self.error = error
            return False
        limits = self._max_memory, None, os.getpid(), None
        call = partial(run_packed, 0, parcel, *limits, shared)
        self._prepared.append((tasks, call))
        self._dispatch()
        return True

    def _dispatch(self, ended: object = None) -> None:
        """Send the prepared batch if a worker is idle; called in a thread of loky's, too."""
        with self._lock:
            n_running = sum(not future.done() for future in self._sent)
            if not self._prepared or n_running >= self._n_workers or self.error is not None:
                return
            tasks, call = self._prepared.popleft()
            try:
                self._sent[self._processes.submit(call, self._dispatch)] = tasks
                self.have_joined |= bool(tasks)
            except Exception as error:
                self.error = error
                self._prepared.append((tasks, call))

    def take_back(self) -> Batch:
        """Return the tasks of the prepared batch, which will not be sent."""
        with self._lock:
            tasks = [task for batch, _ in self._prepared for task in batch]
            self._prepared.clear()
            return tasks

    def received(self) -> list[tuple[Batch, Report | None]]:
        """Return the batches that have ended, with their reports; None if one was not run."""
        with self._lock:
            ended = [(self._report(f), self._sent.pop(f)) for f in [*self._sent] if f.done()]
        return [(tasks, report) for report, tasks in ended if tasks]

    def _report(self, future: Future) -> Report | None:
        error = future.exception()
        if error is None:
            report = future.result()
            ready_workers.add(report.process)
            return report
        self.error = self.error or error
        return None

    def wait(self) -> None:
        """Wait until a batch of tasks has ended."""
        with self._lock:
            sent = [future for future, tasks in self._sent.items() if tasks]
        wait(sent, return_when=FIRST_COMPLETED)

    def leave(self) -> Batch:
        """Leave the processes to joblib, but end them if they are busy; return their tasks."""
        tasks = self.take_back()
        self._processes.leave(are_busy=bool(self._running()))
        return [*tasks, *(task for batch in self._sent.values() for task in batch)]
