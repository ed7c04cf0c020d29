"""Checks of the arguments of ``fused()``."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from joblib.disk import memstr_to_bytes
from joblib.parallel import ParallelBackendBase

from sknethp.fusion.backend import FusedBackend
from sknethp.hyperparameters.constraints import (
    Constraint,
    Flag,
    Number,
    Predicate,
    check_allowed,
    optional,
)


def n_bytes(memory: float | str | None) -> int | None:
    """Return a size in bytes, given as a number, or as text with a unit as for joblib."""
    if not isinstance(memory, str):
        return None if memory is None else int(memory)
    return memstr_to_bytes(memory.replace(" ", "").upper().removesuffix("B").removesuffix("I"))


def is_number_of_jobs(n_jobs: Any) -> bool:
    """Tell whether joblib accepts it: negative numbers count from the number of cores."""
    return isinstance(n_jobs, Integral) and n_jobs != 0 and n_jobs is not True


def _runs_workers(backend: Any) -> bool:
    if isinstance(backend, str):
        return backend not in ("", "sknethp")
    return isinstance(backend, ParallelBackendBase) and not isinstance(backend, FusedBackend)


def _is_size(memory: Any) -> bool:
    if not isinstance(memory, str):
        return Number(1).allows(memory)
    try:
        return (n_bytes(memory) or 0) > 0
    except (IndexError, OverflowError, ValueError):
        return False


PROGRESS = optional(Flag())
N_JOBS = optional(Predicate(is_number_of_jobs, "a number of processes, or -1 for one per core"))
_ALLOWED: dict[str, Constraint] = {
    "n_jobs": N_JOBS,
    "backend": optional(
        Predicate(
            _runs_workers, "the name of a backend with workers, such as 'loky', 'dask' or 'ray'"
        )
    ),
    "max_memory": optional(
        Predicate(_is_size, "a number of bytes, at least 1, or a size such as '500MB' or '2GB'")
    ),
    "progress": PROGRESS,
    "silent": Flag(),
}


def check_arguments(**given: Any) -> None:
    """Raise a ValueError for an argument of ``fused()`` that is not valid."""
    for name, value in given.items():
        check_allowed(name, value, _ALLOWED[name])
