"""The context manager ``fused()``."""

from __future__ import annotations

import copy
import threading
import time
from contextlib import AbstractContextManager, ContextDecorator
from contextvars import ContextVar
from dataclasses import dataclass

from joblib import parallel_config
from joblib.parallel import ParallelBackendBase, get_active_backend

from sknethp.fusion.arguments import check_arguments, n_bytes
from sknethp.fusion.backend import FusedBackend
from sknethp.fusion.division import Division, n_processes
from sknethp.fusion.progress import Progress, tell, wanted
from sknethp.fusion.scheduler import Scheduler
from sknethp.fusion.summary import Summary
from sknethp.fusion.workers import WorkersBackend
from sknethp.session import lone_fit_listeners


def fused(
    n_jobs: int | None = None,
    backend: str | None = None,
    max_memory: float | str | None = None,
    progress: bool | None = None,
    *,
    silent: bool = False,
) -> AbstractContextManager[Summary]:
    """Train every DeepNetClassifier that is fitted through joblib together with the others.

    Inside the block a search, a cross-validation, a bagging or your own ``joblib.Parallel``
    trains its networks as populations: same scores, many times faster.

    Parameters
    ----------
    n_jobs : int or None
        Worker processes to spread the populations over; -1 for one per core, 1 to train all in
        this process, with torch's threads. By default training begins in this process, and worker
        processes take a share where that is faster (see Notes).
    backend : str or None
        What runs the workers: "loky" (processes of this machine, the default where `n_jobs` is
        given), another backend of joblib, or all workers of a cluster, without `n_jobs`: "dask"
        (of the current ``dask.distributed.Client``) or "ray" (after ``ray.init``).
    max_memory : int, str or None
        Bytes that waiting fits, and the worker processes they wait in, may hold together (on a
        cluster, those of each worker), also as text such as "500MB" or "2GB"; None for 2 GiB.
        With less, fewer fits wait for each other, in smaller populations.
    progress : bool or None
        Whether to show progress on standard error, with the best mean score of a search's
        candidates: as a bar on a terminal, elsewhere as an occasional line. None shows it only
        on a terminal.
    silent : bool
        Whether to suppress the line at the end.

    Returns
    -------
    context manager
        Yields the `Summary`, which is complete after the block. It may be used again, and as a
        decorator.

    Raises
    ------
    ValueError
        If an argument is not valid, or the backend is not ready: "dask" needs a client, "ray" a
        cluster.
    ImportError
        If the package of the backend is not installed.
    RuntimeError
        If a block of another asyncio task is open in this thread.

    Notes
    -----
    joblib's backends belong to a thread: fits in other threads while the block is open are not
    fused, and neither are fits without joblib, such as a search's refit. The summary counts both.
    A thread may have a block of its own.

    The fits take turns in one thread. Each has its own warning filters, configuration of
    scikit-learn, joblib backend, streams, working directory, environment variables, event loop
    and gradient mode of torch. Anything else that code sets for the whole process around a fit,
    such as global random state or a default of torch, affects the other fits, too. A lock that is
    held around a fit while another fit waits for it raises an error after a minute; in a thread
    other than the main one, where nothing can interrupt it, it only gives a warning. An ``RLock``
    keeps no fit of the same thread out.

    Without `n_jobs` and `backend`, a few fits are trained and timed first where there is enough to
    do, and the summary's `choice` says what followed. This process takes its share beside one
    worker for each other core, as long as torch may use several threads. Workers that already run
    get theirs at once; otherwise this process goes on until they have started. They see neither
    what is changed in this process at run time nor change anything in it: with callbacks or scorers
    for which that matters, ask for ``n_jobs=1``. What cannot be sent to a worker, or was lost with
    one, is trained here. All fits stay here in a thread other than the main one, in a worker
    process, with a time limit, on a GPU, or if they start fits of their own.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sknethp import DeepNetClassifier, fused
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(DeepNetClassifier(max_epochs=2), {"lr": [0.001, 0.01]}, cv=3)
    >>> with fused(silent=True) as summary:
    ...     _ = search.fit(X, y)
    >>> summary.fused
    6
    """
    check_arguments(
        n_jobs=n_jobs, backend=backend, max_memory=max_memory, progress=progress, silent=silent
    )
    return _Block(n_jobs, backend, n_bytes(max_memory), progress, silent)


@dataclass(eq=False)
class _Block(AbstractContextManager, ContextDecorator):
    """The context manager that `fused` returns."""

    n_jobs: int | None
    backend: str | None
    max_memory: int | None
    progress: bool | None
    silent: bool

    def _recreate_cm(self) -> _Block:
        """Return a block for a call of a decorated function, which may run in several threads."""
        return copy.copy(self)

    def __enter__(self) -> Summary:
        self._check_order()
        self._start = time.perf_counter()
        self._thread = threading.get_ident()
        self._shown = Progress() if wanted(self.progress) else None
        self._backend, self.summary = self._new_backend()
        self._config = parallel_config(backend=self._backend)
        _open.append(self)
        _entered.set((*_entered.get(), self))
        return self.summary

    def __exit__(self, *_: object) -> None:
        _open.remove(self)
        _entered.set(tuple(block for block in _entered.get() if block is not self))
        self._leave_backend()
        self.summary.seconds = time.perf_counter() - self._start
        if self._shown is not None:
            self._shown.stop()
        if not self.silent:
            tell(self.summary)

    def _check_order(self) -> None:
        """Reject a block that is not properly nested, as far as can be known now."""
        if self in _open:
            raise RuntimeError("This fused() block is open already: call fused() for each block.")
        active, _ = get_active_backend()
        around = next((block for block in _open if block._backend is active), None)
        if around is not None and around not in _entered.get():
            raise RuntimeError(
                "A fused() block of another asyncio task is open in this thread, and joblib cannot "
                "tell the fits of the two apart: put one block around both tasks, open one after "
                "the other, or run each in a thread, with asyncio.to_thread."
            )

    def _new_backend(self) -> tuple[ParallelBackendBase, Summary]:
        """Return the requested backend, and the summary that it fills."""
        if self.backend is None and self.n_jobs in (None, 1):
            n_most = n_processes(self.max_memory) if self.n_jobs is None else 1
            division = Division(n_most, self.max_memory) if n_most > 1 else None
            scheduler = Scheduler(self.max_memory, self._shown, division)
            return FusedBackend(scheduler), scheduler.summary
        backend = self.backend or "loky"
        workers = WorkersBackend(self.n_jobs, backend, self.max_memory, self._shown)
        return workers, workers.summary

    def _leave_backend(self) -> None:
        """Restore joblib's previous backend, even if a later block is still open."""
        for block in _open:
            if block._config.old_parallel_config is self._config.parallel_config:
                block._config.old_parallel_config = self._config.old_parallel_config
                return
        self._config.unregister()


# The open blocks of all threads, and those entered in this context.
_open: list[_Block] = []
_entered: ContextVar[tuple[_Block, ...]] = ContextVar("entered", default=())


def _count_lone_fit(serial: int | None) -> None:
    """Count a fit in the block around it or, if unknown, in each thread's innermost block."""
    blocks = _open.copy()
    around = [block for block in _entered.get() if block in blocks]
    for block in around[-1:] or {block._thread: block for block in blocks}.values():
        is_own = block._thread == threading.get_ident()
        reason = "without joblib (such as a refit)" if is_own else "in another thread"
        block.summary.count_lone_fit(serial, f"fitted {reason}")


lone_fit_listeners.append(_count_lone_fit)
