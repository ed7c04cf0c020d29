"""The joblib backend whose tasks train together."""

from __future__ import annotations

from typing import Any

from joblib.parallel import ParallelBackendBase, register_parallel_backend

from sknethp.fusion.scheduler import Scheduler

# How many tasks scikit-learn hands over before it asks for a result is twice this.
_OFFERED_JOBS = 1000


class _Future:
    """What joblib holds of a task."""

    def __init__(self, scheduler: Scheduler, function: Any, callback: Any):
        self._scheduler = scheduler
        self._task = scheduler.submit(function, lambda _: callback and callback(None))

    def get(self) -> Any:
        """Return the task's result."""
        return self._scheduler.result(self._task)


class FusedBackend(ParallelBackendBase):
    """Runs joblib's tasks interleaved in this process, so that their networks train together.

    Parameters
    ----------
    scheduler : Scheduler or None
        None for one of its own.
    """

    supports_retrieve_callback = False
    uses_threads = True

    def __init__(
        self, scheduler: Scheduler | None = None, nesting_level: int | None = None, **kw: Any
    ):
        super().__init__(nesting_level=nesting_level, **kw)
        self.scheduler = scheduler or Scheduler()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Offer many jobs whatever is asked for: tasks wait, they do not compete."""
        return _OFFERED_JOBS

    def submit(self, func: Any, callback: Any = None) -> _Future:
        """Take a task."""
        return _Future(self.scheduler, func, callback)

    def get_nested_backend(self) -> tuple[FusedBackend, int]:
        """Let the tasks' own tasks meet at the same place."""
        level = (self.nesting_level or 0) + 1
        return FusedBackend(self.scheduler, nesting_level=level), _OFFERED_JOBS

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancel what the caller has started."""
        self.scheduler.cancel_children()


def register() -> None:
    """Make the backend known to joblib as ``"sknethp"``."""
    register_parallel_backend("sknethp", FusedBackend)
