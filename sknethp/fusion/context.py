"""The context manager ``fused()``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral

from joblib import parallel_config
from joblib.parallel import ParallelBackendBase

from sknethp.fusion.backend import FusedBackend
from sknethp.fusion.progress import Progress, wanted
from sknethp.fusion.scheduler import Scheduler
from sknethp.fusion.summary import Summary
from sknethp.fusion.workers import WorkersBackend


@contextmanager
def fused(
    n_jobs: int | None = None,
    backend: str | None = None,
    max_memory: int | None = None,
    progress: bool | None = None,
    *,
    silent: bool = False,
) -> Iterator[Summary]:
    """Train every DeepNetClassifier that is fitted through joblib together with its neighbours.

    Inside the block a search, a cross-validation, a bagging or your own ``joblib.Parallel``
    trains its networks as populations: same scores, many times faster.

    Parameters
    ----------
    n_jobs : int or None
        Worker processes to spread the populations over; -1 for one per core. By default all are
        trained in this process, with torch's threads.
    backend : str or None
        The backend of joblib that runs the workers: "loky" (the default where `n_jobs` is given),
        "dask" (with a ``dask.distributed.Client``; all its workers where `n_jobs` is not given),
        or another that is registered.
    max_memory : int or None
        Bytes that waiting fits, and the worker processes they wait in, may hold together; None
        for 2 GiB. With less, fewer fits wait for each other, in smaller populations.
    progress : bool or None
        Whether to show on standard error how far the fits are, with the best mean score of a
        search's candidates; where it is no terminal, as a line now and then. None for yes if it
        is a terminal.
    silent : bool
        Whether to leave out the line at the end.

    Yields
    ------
    Summary
        Complete when the block has been left.

    Raises
    ------
    ValueError
        If `n_jobs` or `backend` are not valid, or the backend is not ready: "dask" needs a client.

    Notes
    -----
    The fits take turns in one thread. Each has its own warning filters, configuration of
    scikit-learn, joblib backend, streams, folder, environment variables and gradient mode of torch.
    Anything else that code sets for the whole process around a fit, such as global random state or
    a default of torch, the others find set, too; and a lock that is held around a fit, and wanted
    by another, is waited for without end.

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
    start = time.perf_counter()
    shown = Progress() if wanted(progress) else None
    chosen, summary = _backend(n_jobs, backend, max_memory, shown)
    try:
        with parallel_config(backend=chosen):
            yield summary
    finally:
        summary.seconds = time.perf_counter() - start
        if shown is not None:
            shown.stop()
        if not silent:
            print(summary, file=sys.stderr)


def _backend(
    n_jobs: int | None, backend: str | None, max_memory: int | None, progress: Progress | None
) -> tuple[ParallelBackendBase, Summary]:
    """Return the backend that is asked for, and the summary that it fills."""
    if n_jobs is not None and not _is_number_of_jobs(n_jobs):
        raise ValueError(
            f"n_jobs={n_jobs!r} is not valid: it must be a number of worker processes, "
            "-1 for one per core, or None to train in this process."
        )
    if backend is None and n_jobs in (None, 1):
        scheduler = Scheduler(max_memory, progress)
        return FusedBackend(scheduler), scheduler.summary
    with parallel_config(backend=backend or "loky"):
        pass  # raises what is wrong with the backend now, not in the middle of a search
    n_workers = -1 if n_jobs is None else int(n_jobs)
    workers = WorkersBackend(n_workers, backend or "loky", max_memory, progress)
    return workers, workers.summary


def _is_number_of_jobs(n_jobs: object) -> bool:
    return n_jobs != 0 and isinstance(n_jobs, Integral) and n_jobs is not True
