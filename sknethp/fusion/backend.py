"""The joblib backend whose tasks train together in this process."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import Any

from joblib.parallel import ParallelBackendBase

from sknethp.fusion.scheduler import Scheduler
from sknethp.fusion.summary import Summary
from sknethp.session import current_shared_session

# scikit-learn submits twice as many tasks before it asks for a result.
OFFERED_JOBS = 1000
_BETWEEN = ("joblib.", "sklearn.utils.parallel")


def _caller() -> Hashable:
    """Return what has called joblib: the code, and the class and estimator of its object."""
    frame: Any = sys._getframe(2)
    while frame.f_globals.get("__name__", "").startswith(_BETWEEN):
        frame = frame.f_back
    owner = frame.f_locals.get("self")
    return frame.f_code, type(owner), type(getattr(owner, "estimator", None))


class _Future:
    """joblib's handle of a task."""

    def __init__(self, scheduler: Scheduler, function: Any, callback: Any, caller: Hashable):
        self._scheduler = scheduler
        self._task = scheduler.submit(function, lambda _: callback and callback(None), caller)

    def get(self) -> Any:
        """Return the task's result."""
        return self._scheduler.result(self._task)


class CollectingBackend(ParallelBackendBase):
    """A joblib backend that is given many tasks at a time, whatever number of jobs is requested."""

    uses_threads = True

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Offer many jobs: tasks wait, they do not compete."""
        return OFFERED_JOBS

    def get_nested_backend(self) -> tuple[FusedBackend, int]:
        """Let the tasks' own tasks train together where the tasks run."""
        return FusedBackend(nesting_level=(self.nesting_level or 0) + 1), OFFERED_JOBS


class FusedBackend(CollectingBackend):
    """Runs joblib's tasks interleaved in this process, so that their networks train together.

    Without a `scheduler` it uses that of the task it is created in, or else a new one.
    """

    def __init__(
        self, scheduler: Scheduler | None = None, nesting_level: int | None = None, **kw: Any
    ):
        super().__init__(nesting_level=nesting_level, **kw)
        self._scheduler = scheduler
        self._caller: Hashable = None

    def __reduce__(self) -> tuple:
        """Leave the scheduler out: another process has its own."""
        return FusedBackend, (None, self.nesting_level)

    @property
    def scheduler(self) -> Scheduler:
        """The scheduler of its tasks."""
        if self._scheduler is None:
            session = current_shared_session()
            self._scheduler = session if isinstance(session, Scheduler) else Scheduler()
        return self._scheduler

    @property
    def summary(self) -> Summary:
        """What has been fused so far."""
        return self.scheduler.summary

    def configure(self, n_jobs: int = 1, parallel: Any = None, **kw: Any) -> int:
        """Return the number of jobs: one, in place, for nested calls that train no nets.

        (Pipelines make tens of thousands of them; as tasks they would take longer than the work.)
        """
        offered = super().configure(n_jobs=n_jobs, parallel=parallel, **kw)
        self._caller = _caller() if self.nesting_level else None
        return 1 if self.scheduler.runs_in_place(self._caller) else offered

    def submit(self, func: Any, callback: Any = None) -> _Future:
        """Add a task."""
        return _Future(self.scheduler, func, callback, self._caller)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Cancel what the caller has started."""
        self.scheduler.cancel_children()
