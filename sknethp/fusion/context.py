"""The context manager ``fused()``."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from joblib import parallel_config
from joblib.parallel import ParallelBackendBase

from sknethp.fusion.backend import FusedBackend
from sknethp.fusion.scheduler import Scheduler
from sknethp.fusion.summary import Summary
from sknethp.fusion.workers import WorkersBackend


@contextmanager
def fused(
    n_jobs: int | None = None,
    backend: str | None = None,
    max_memory: int | None = None,
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
        Bytes that waiting fits may hold, in all processes together; None for 2 GiB.
    silent : bool
        Whether to leave out the line at the end.

    Yields
    ------
    Summary
        Complete when the block has been left.

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
    chosen, summary = _backend(n_jobs, backend, max_memory)
    try:
        with parallel_config(backend=chosen):
            yield summary
    finally:
        summary.seconds = time.perf_counter() - start
        if not silent:
            print(summary, file=sys.stderr)


def _backend(
    n_jobs: int | None, backend: str | None, max_memory: int | None
) -> tuple[ParallelBackendBase, Summary]:
    """Return the backend that is asked for, and the summary that it fills."""
    if backend is None and n_jobs in (None, 1):
        scheduler = Scheduler(max_memory)
        return FusedBackend(scheduler), scheduler.summary
    workers = WorkersBackend(-1 if n_jobs is None else n_jobs, backend or "loky", max_memory)
    return workers, workers.summary
