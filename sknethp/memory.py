"""Finished fits kept on disk, by their parameters, data and seed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from joblib import Memory
from joblib.memory import MemorizedFunc

from sknethp.fitting import Fitted, Samples, fit_network, rebuilt
from sknethp.training.network import Network

# To be raised when what a fit gives, or what is kept of it, becomes another.
_FORMAT = 1
_NO_PART_IN_THE_RESULT = ("memory", "random_state", "warm_start", "verbose")


@dataclass(frozen=True)
class _Finished:
    """What is kept of a fit: all but the optimizer's moments and what can be built again."""

    network: Network
    history: list[dict[str, Any]]
    best_epoch: int


def _finish(
    parameters: Mapping[str, Any],
    samples: Samples,
    validation: Samples | None,
    seed: int,
    earlier: Fitted | None,
    made_by: tuple,
    verbose: Any,
) -> _Finished:
    """Train a net; `made_by` tells the results of other versions apart."""
    everything = {**parameters, "verbose": verbose}
    fitted = fit_network(everything, samples, validation, seed, earlier)
    network = replace(fitted.network, moments=[])
    return _Finished(network, list(fitted.net.history), fitted.best_epoch)


def fit_or_recall(
    parameters: Mapping[str, Any],
    samples: Samples,
    validation: Samples | None,
    seed: int,
    earlier: Fitted | None,
) -> Fitted:
    """Train a net, or take it from where finished fits are kept.

    Parameters
    ----------
    parameters : mapping
        All hyperparameters, already checked. With callbacks every fit is made anew: what they do
        is not known.
    samples : Samples
    validation : Samples or None
    seed : int
    earlier : Fitted or None

    Returns
    -------
    Fitted
        With a memory, the optimizer's moments are zero, whether it was trained or found.

    Raises
    ------
    OSError
        If the memory cannot be written.
    DivergenceError
    """
    memory = parameters["memory"]
    if memory is None or parameters["callbacks"]:
        return fit_network(parameters, samples, validation, seed, earlier)
    memory = opened(memory)
    deciding = {
        name: value for name, value in parameters.items() if name not in _NO_PART_IN_THE_RESULT
    }
    made_by = _FORMAT, torch.__version__
    call = deciding, samples, validation, seed, earlier, made_by, parameters["verbose"]
    cached = memory.cache(_finish, ignore=["verbose"])
    finished = cached(*call)
    if isinstance(cached, MemorizedFunc) and not cached.check_call_in_cache(*call):
        raise OSError(
            f"memory={_place(memory)!r} could not keep a finished fit; most likely the disk is "
            "full. All fits kept before are whole: make room, and run the same search again."
        )
    return rebuilt(parameters, finished.network, finished.history, finished.best_epoch)


def opened(memory: Any) -> Any:
    """Return a memory that can be written.

    Parameters
    ----------
    memory : path, or object with a ``cache`` method, as joblib.Memory
        The latter is returned as it is.

    Returns
    -------
    object with a ``cache`` method

    Raises
    ------
    OSError
    """
    if hasattr(memory, "cache"):
        return memory
    try:
        os.makedirs(memory, exist_ok=True)
        if not os.access(memory, os.W_OK | os.X_OK):
            raise PermissionError("permission denied")
        return Memory(memory, verbose=0)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(
            f"memory={os.fspath(memory)!r} cannot be written ({reason}): give a folder of your own."
        ) from error


def _place(memory: Any) -> str:
    return str(getattr(memory, "location", memory))
