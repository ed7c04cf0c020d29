"""What runs batches of tasks elsewhere: a backend of joblib, or a cluster of Dask or Ray."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Hashable, Sequence
from contextlib import closing, suppress
from importlib import import_module
from typing import Any

import cloudpickle
import joblib

from sknethp.fusion.packing import pickled_size

LOST = (
    "A batch of fits was lost with its worker ({reason}): "
    "make sure that the workers of the {backend} backend stay alive."
)
_SECONDS_FOR_A_WORKER = 60
# Dask gives up a batch after as many further workers have died.
_RETRIES = 3


class JoblibWorkers:
    """The workers of one of joblib's backends."""

    # A batch of about this many tasks makes a population that is worth its overhead; with more
    # tasks a worker gets several batches, so that none waits long for the others.
    tasks_of_a_batch = 64
    # Joblib maps larger arrays into memory instead of sending them.
    least_shared = 2**20
    are_on_this_machine = True
    bytes_sent = 0

    def __init__(self, backend: Any, n_jobs: int):
        self._backend, self._n_jobs = backend, n_jobs
        with joblib.parallel_config(backend=backend):
            pass  # a backend that cannot work raises now, not in the middle of a search

    def count(self) -> int:
        """Return the number of workers; 0 if the tasks may as well run in this process."""
        with joblib.parallel_config(backend=self._backend):
            n_workers = joblib.effective_n_jobs(self._n_jobs)
        return n_workers if n_workers > 1 else 0

    def run(
        self, function: Callable, calls: Sequence[tuple], shared: dict[int, Any]
    ) -> Generator[Any]:
        """Yield the results of ``function(*call, shared)`` as they arrive."""
        with joblib.parallel_config(backend=self._backend):
            generates = joblib.parallel.get_active_backend()[0].supports_return_generator
            return_as = "generator_unordered" if generates else "list"
            parallel = joblib.Parallel(
                self._n_jobs, batch_size=1, pre_dispatch="all", return_as=return_as
            )
            results = parallel(joblib.delayed(function)(*call, shared) for call in calls)
            try:
                for result in results:  # noqa: UP028 - "yield from" closes them, unprotected from warnings
                    yield result
            finally:
                if generates:  # joblib warns of cancelling what is still running
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        results.close()


class Cluster(ABC):
    """Workers that may be on other machines, and come and go.

    What batches share is sent once to each place, which is a process or a machine whose processes
    share memory, and stays in the cluster until the block ends. `bytes_sent` counts that and the
    batches, not what a cluster copies again: while no batch needs an object, Dask drops all copies
    but one every two seconds.
    """

    # One process would have at most about as many fits wait for each other.
    tasks_of_a_batch = 256
    least_shared = 2**10
    are_on_this_machine = False

    def __init__(self) -> None:
        self.bytes_sent = 0
        self._handles: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        self._there: set[tuple[Hashable, str]] = set()

    @abstractmethod
    def count(self) -> int:
        """Return how many calls the cluster can run at a time now, at least 1."""

    @abstractmethod
    def _put(self, objects: list[Any]) -> list[Any]:
        """Send objects to the cluster; return handles that stand for them in calls."""

    @abstractmethod
    def _results(
        self, function: Callable, calls: Sequence[tuple], handles: Sequence[Any]
    ) -> Generator[tuple[int, Hashable, Any]]:
        """Yield numbers, places and results of ``function(call, *handles)``; cancel when closed."""

    def run(
        self, function: Callable, calls: Sequence[tuple], shared: dict[int, Any]
    ) -> Generator[Any]:
        """Yield the results of ``function(*call, shared)`` as they arrive."""
        digests = [joblib.hash(obj) for obj in shared.values()]
        self._share(dict(zip(digests, shared.values(), strict=True)))
        # Dask would take a tuple that begins with a function for a call of it.
        packed = [(call, tuple(shared), function) for call in calls]
        handles = [self._handles[digest] for digest in digests]
        with closing(self._results(_call, packed, handles)) as results:
            for i, place, result in results:
                self._count_bytes(place, packed[i], digests)
                yield result

    def _share(self, objects: dict[str, Any]) -> None:
        """Send what the cluster has not got yet."""
        new = {digest: obj for digest, obj in objects.items() if digest not in self._handles}
        if new:
            self._handles |= zip(new, self._put(list(new.values())), strict=True)
            self._sizes |= {digest: pickled_size(obj) for digest, obj in new.items()}

    def _count_bytes(self, place: Hashable, call: tuple, digests: Sequence[str]) -> None:
        new = {(place, digest) for digest in digests} - self._there
        self._there |= new
        self.bytes_sent += pickled_size(call) + sum(self._sizes[digest] for _, digest in new)


def _call(call: tuple[tuple, tuple[int, ...], Callable], *objects: Any) -> Any:
    """Call a function in a worker with its arguments and what calls share."""
    arguments, ids, function = call
    return function(*arguments, dict(zip(ids, objects, strict=True)))


class DaskCluster(Cluster):
    """The workers of the current ``dask.distributed.Client``."""

    def __init__(self) -> None:
        super().__init__()
        self._dask = _module("dask", "dask")
        self._distributed = _module("distributed", "dask")
        try:
            self._client = self._distributed.get_client()
        except ValueError as error:
            raise ValueError(
                'backend="dask" needs a client: dask.distributed.Client(address of the scheduler).'
            ) from error

    def count(self) -> int:
        """Return the threads of all workers; with none, wait for one."""
        if not self._client.nthreads():
            # A cluster may start its workers when there is something to do.
            try:
                self._client.submit(int).result(timeout=_SECONDS_FOR_A_WORKER)
            except self._distributed.TimeoutError as error:
                raise TimeoutError(
                    f"The Dask cluster has had no worker for {_SECONDS_FOR_A_WORKER} s."
                ) from error
        return sum(self._client.nthreads().values())

    def _put(self, objects: list[Any]) -> list[Any]:
        # Data that is scattered would be lost with the last worker that has a copy. The scheduler
        # keeps that of a task, in pickles, as it may not have the modules to read it.
        with self._dask.config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
            data = [
                self._client.submit(cloudpickle.loads, cloudpickle.dumps(obj), pure=False)
                for obj in objects
            ]
        with suppress(ValueError):  # no worker just now; later they copy it from one another
            self._client.replicate(data)
        return data

    def _results(
        self, function: Callable, calls: Sequence[tuple], handles: Sequence[Any]
    ) -> Generator[tuple[int, Hashable, Any]]:
        futures = {
            self._client.submit(_in_dask, function, call, *handles, pure=False): i
            for i, call in enumerate(calls)
        }
        try:
            for future in self._distributed.as_completed(futures):
                try:
                    place, result = future.result()
                except (self._distributed.KilledWorker, self._distributed.CancelledError) as error:
                    raise RuntimeError(LOST.format(reason=error, backend="dask")) from error
                yield futures[future], place, result
        finally:
            self._client.cancel(list(futures), force=True)


def _in_dask(function: Callable, *args: Any) -> tuple[str, Any]:
    return import_module("distributed").get_worker().address, function(*args)


class RayCluster(Cluster):
    """The machines of the Ray cluster that this process is connected to."""

    def __init__(self) -> None:
        super().__init__()
        self._ray = _module("ray", "ray")
        if not self._ray.is_initialized():
            raise ValueError(
                'backend="ray" needs a cluster: ray.init(), or ray.init(address=...) for one that '
                "is running."
            )

    def count(self) -> int:
        """Return the CPUs of all machines."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 0)))

    def _put(self, objects: list[Any]) -> list[Any]:
        return [self._ray.put(obj) for obj in objects]

    def _results(
        self, function: Callable, calls: Sequence[tuple], handles: Sequence[Any]
    ) -> Generator[tuple[int, Hashable, Any]]:
        remote = self._ray.remote(max_retries=_RETRIES)(_in_ray)
        pending = {remote.remote(function, call, *handles): i for i, call in enumerate(calls)}
        try:
            while pending:
                (done, *_), _ = self._ray.wait(list(pending))
                try:
                    place, result = self._ray.get(done)
                except self._ray.exceptions.RayTaskError:
                    raise
                except self._ray.exceptions.RayError as error:
                    raise RuntimeError(LOST.format(reason=error, backend="ray")) from error
                yield pending.pop(done), place, result
        finally:
            for reference in pending:
                # The worker as well: an interrupted import would fail in each of its later calls.
                self._ray.cancel(reference, force=True)


def _in_ray(function: Callable, *args: Any) -> tuple[str, Any]:
    return import_module("ray").get_runtime_context().get_node_id(), function(*args)


def _module(name: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(
            f'backend="{extra}" needs {name}, which is not installed: '
            f"pip install 'sknethp[{extra}]'."
        ) from error


_CLUSTERS: dict[Any, type[Cluster]] = {"dask": DaskCluster, "ray": RayCluster}


def workers_of(backend: Any, n_jobs: int | None) -> JoblibWorkers | Cluster:
    """Return the workers of a backend, which is ready; all of them without `n_jobs`."""
    if backend not in _CLUSTERS:
        return JoblibWorkers(backend, -1 if n_jobs is None else int(n_jobs))
    if n_jobs not in (None, -1):
        raise ValueError(
            f'n_jobs={n_jobs} is not possible with backend="{backend}", which uses all workers of '
            "its cluster: leave it out."
        )
    return _CLUSTERS[backend]()
