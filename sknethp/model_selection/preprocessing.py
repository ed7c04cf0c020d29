"""Preprocessing of the same rows by the same steps once for all candidates of a search."""

from __future__ import annotations

import pickle
import random
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import joblib
import numpy as np
from joblib.parallel import get_active_backend
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sknethp.classifier import DeepNetClassifier
from sknethp.fusion.backend import FusedBackend
from sknethp.hyperparameters import last_part
from sknethp.model_selection.estimators import networks_in, parameters

_MAX_BYTES = 2**30
# Their steps without a seed draw from NumPy's global stream, where it can be seen.
_VISIBLY_RANDOM = ("sklearn", "skrub")


@dataclass(frozen=True)
class _Entry:
    """What a step, known by its `key`, has made of some rows."""

    key: Any
    inputs: tuple[Any, Any]
    result: Any
    n_bytes: int


class PreprocessingCache:
    """A pipeline's ``memory`` that keeps results in this process, the latest within a limit.

    What is the same for all candidates is shared, not copied, with their networks, which only read
    it. Copies of the cache are itself, or None once it is closed, as for the refit; those in other
    processes are empty ones.
    """

    location = None  # where a pipeline sees this, it does not clone its steps

    def __init__(self) -> None:
        self.is_open = True
        self.networks: set[str] = set()
        self._entries: list[_Entry] = []
        self._shared: list[weakref.ref] = []  # outputs, kept or not, that others may hold

    def __deepcopy__(self, memo: Any) -> PreprocessingCache | None:
        return self if self.is_open else None

    def __reduce__(self) -> tuple:
        return (PreprocessingCache if self.is_open else type(None)), ()

    def check(self, candidates: Iterable[Mapping[str, Any]]) -> None:
        """Close if candidates replace a network, by what may change the rows that it is given."""
        if any(not self.networks.isdisjoint(candidate) for candidate in candidates):
            self.close()

    def close(self) -> None:
        """Forget everything, and keep nothing from now on."""
        self.is_open = False
        self._entries.clear()

    def cache(self, function: Callable, ignore: Any = None) -> Callable:
        """Return scikit-learn's function that fits a step and transforms, with results kept."""

        def cached(transformer: Any, X: Any, y: Any, *args: Any, **kwargs: Any) -> Any:
            def fit(X: Any) -> Any:
                return function(transformer, X, y, *args, **kwargs)

            if not self.is_open:
                return fit(X)
            has_metadata = any((kwargs.get("params") or {}).values())
            key = None if has_metadata or kwargs.get("message") else _key(transformer)
            output, fitted = self._result(key, X, y, fit, itemgetter(0))
            if "transform" not in getattr(fitted, "__dict__", ("transform",)):
                fitted.transform = self._transform(fitted.transform, key is not None)
            return output, fitted

        return cached

    def _transform(self, transform: Callable, is_kept: bool) -> Callable:
        """Return a step's method that keeps what it has made of the rows to score on."""

        def cached(X: Any, **params: Any) -> Any:
            key = transform if is_kept and not params else None
            return self._result(key, X, None, lambda X: transform(X, **params), lambda out: out)

        return cached

    def _result(self, key: Any, X: Any, y: Any, make: Callable, output_of: Callable) -> Any:
        """Return a kept result, or make it, and keep it if nothing else has changed by that."""
        entry = None if key is None else self._find(key, X, y)
        if entry is not None:
            return entry.result
        is_shared = any(X is output() for output in self._shared)
        if key is None:
            return make(copy_of(X) if is_shared else X)
        before, given = (X, copy_of(X)) if is_shared else (copy_of(X), X)
        streams = _global_streams()
        with _in_place():
            result = make(given)
        if same(before, given) and _global_streams() == streams:
            output = output_of(result)
            n_bytes = size_of(output) + (0 if is_shared else size_of(before))
            self._keep(_Entry(key, (before, y), result, n_bytes), output)
        return result

    def _find(self, key: Any, X: Any, y: Any) -> _Entry | None:
        for entry in reversed(self._entries):
            if entry.key == key and same(entry.inputs[0], X) and same(entry.inputs[1], y):
                return entry
        return None

    def _keep(self, entry: _Entry, output: Any) -> None:
        if not self.is_open or entry.n_bytes > _MAX_BYTES:
            return
        self._entries.append(entry)
        in_use = [other for other in self._shared if other() is not None]
        self._shared = [*in_use, weakref.ref(output)]
        while sum(each.n_bytes for each in self._entries) > _MAX_BYTES:
            del self._entries[0]


def _key(transformer: Any) -> str | None:
    """Return what identifies a step's class and parameters; None if it may not be reused."""
    parts = {"": transformer, **parameters(transformer)}
    in_parallel = (
        last_part(n) == "n_jobs" and value not in (None, 1) for n, value in parts.items()
    )
    if any(map(_may_draw, parts.values())) or any(in_parallel) or networks_in(transformer):
        return None
    try:
        return joblib.hash(transformer)
    except Exception:  # what cannot be pickled cannot be compared
        return None


def _may_draw(part: Any) -> bool:
    """Whether a part of a step may draw without a seed, and not from a global stream."""
    package = type(part).__module__.partition(".")[0]
    return getattr(part, "random_state", 0) is None and package not in _VISIBLY_RANDOM


def _global_streams() -> bytes:
    """Return the state of the random streams that all code shares."""
    return pickle.dumps((np.random.get_state(), random.getstate()))  # noqa: NPY002


def _in_place() -> AbstractContextManager:
    """Let a step's own parallel calls run at once, so that no other task makes the same."""
    fused = isinstance(get_active_backend()[0], FusedBackend)
    return joblib.parallel_config("sequential") if fused else nullcontext()


def same(a: Any, b: Any) -> bool:
    """Tell whether two tables or arrays are equal to the bit, in their layout, too."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray) and not a.dtype.hasobject:
        alike = (a.dtype, a.shape, a.strides) == (b.dtype, b.shape, b.strides)
        return alike and a[:1].tobytes() == b[:1].tobytes() and a.tobytes() == b.tobytes()
    if isinstance(a, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype:
        pairs = zip(a.flat, b.flat, strict=True)
        if all(u is v or (type(u) is type(v) is str and u == v) for u, v in pairs):
            return a.strides == b.strides
    if hasattr(a, "equals") and hasattr(a, "index"):  # rows of the same table have the same index
        return a.index.equals(b.index) and a.index.is_unique and a.equals(b)
    return joblib.hash(a) == joblib.hash(b)


def copy_of(X: Any) -> Any:
    """Return a copy of a table or an array."""
    return X.copy(order="K") if isinstance(X, np.ndarray) else deepcopy(X)


def size_of(X: Any) -> int:
    """Return the bytes that a table or an array takes."""
    if sparse.issparse(X):
        return X.data.nbytes * 2
    if hasattr(X, "memory_usage"):
        return int(np.sum(X.memory_usage()))
    return getattr(X, "nbytes", _MAX_BYTES + 1)  # what has no size is not kept


def _pipelines(estimator: Any) -> dict[str, Pipeline]:
    """Return the pipelines in an estimator whose memory can be set, by their prefix."""
    known = parameters(estimator)
    parts = {"": estimator, **{f"{name}__": part for name, part in known.items()}}
    return {
        prefix: part
        for prefix, part in parts.items()
        if type(part) is Pipeline and f"{prefix}memory" in known
    }


@contextmanager
def preprocessed_once(search: Any) -> Iterator[PreprocessingCache]:
    """Let a search's pipelines that end with a network share what their steps make."""
    given, cache = search.estimator, PreprocessingCache()
    shared = {
        prefix: pipeline
        for prefix, pipeline in _pipelines(given).items()
        if pipeline.memory is None and isinstance(pipeline.steps[-1][1], DeepNetClassifier)
    }
    cache.networks = {prefix + pipeline.steps[-1][0] for prefix, pipeline in shared.items()}
    try:
        if shared:
            memories = {f"{prefix}memory": cache for prefix in shared}
            search.estimator = clone(given).set_params(**memories)
        yield cache
    finally:
        search.estimator = given
        cache.close()
