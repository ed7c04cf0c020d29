"""Worker processes of joblib's, which later calls in this process find ready."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib import Parallel, effective_n_jobs, parallel_config
from joblib.parallel import ParallelBackendBase, get_active_backend


def joblib_processes(n_jobs: int) -> int:
    """Return how many worker processes joblib would start."""
    with parallel_config(backend="loky"):
        return effective_n_jobs(n_jobs)


class Processes:
    """Worker processes of this machine: one for each core, or `n_workers` if that is more."""

    def __init__(self, n_workers: int) -> None:
        with parallel_config(backend="loky"):
            self._backend: ParallelBackendBase = get_active_backend()[0]
        # With fewer than for n_jobs=-1 joblib would start others next time, with one none.
        n_jobs = max(joblib_processes(-1), n_workers, 2)
        self._parallel = Parallel(n_jobs, backend=self._backend)
        self._parallel.__enter__()

    def submit(self, call: Callable[[], Any], ended: Callable[[Any], None]) -> Future:
        """Run a call in the next process that is idle; `ended` is called in another thread."""
        return self._backend.submit(call, ended)

    def leave(self, are_busy: bool) -> None:
        """Leave the processes to joblib, but end them if they are busy."""
        if are_busy:
            self._backend.abort_everything(ensure_ready=False)
        else:
            self._backend.terminate()
