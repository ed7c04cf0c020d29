"""Worker processes of joblib's, which later calls in this process find ready."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib import Parallel, parallel_config
from joblib.parallel import ParallelBackendBase, get_active_backend


class Processes:
    """Worker processes of this machine, as many as joblib starts with ``n_jobs=-1``."""

    def __init__(self) -> None:
        with parallel_config(backend="loky"):
            self._backend: ParallelBackendBase = get_active_backend()[0]
        # With another number joblib would start others next time.
        self._parallel = Parallel(-1, backend=self._backend)
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
