"""Finished fits kept on disk, by their parameters, data and seed."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import joblib
import torch

from sknethp.fitting import Fitted, fit_network, rebuilt
from sknethp.request import FitRequest
from sknethp.session import current_session
from sknethp.training.network import Network

# To be raised when what a fit gives, or what is kept of it, becomes another.
_FORMAT = 3
_NO_PART_IN_THE_RESULT = ("memory", "random_state", "warm_start", "verbose")
_FOLDER = "sknethp"


class UnwritableMemoryError(OSError):
    """A finished fit cannot be kept: no failure of the fit, but the end of the search."""


@dataclass(frozen=True)
class _Finished:
    """What is kept of a fit: all but the optimizer's moments and what can be built again."""

    network: Network
    history: list[dict[str, Any]]
    best_epoch: int


def fit_or_recall(request: FitRequest, earlier: Fitted | None) -> Fitted:
    """Train a net, or take it from where finished fits are kept.

    With callbacks every fit is made anew: what they do is not known. With a memory the
    optimizer's moments are zero, whether the net was trained or found.

    Raises
    ------
    UnwritableMemoryError
        Fused fits all end with it.
    DivergenceError
    """
    session = current_session()
    try:
        folder = writable_folder(request.parameters["memory"])
        if folder is None or request.parameters["callbacks"]:
            return fit_network(request, earlier)
        file = folder / f"{_key(request, earlier)}.pkl"
        finished = _found(file)
        if finished is None:
            fitted = fit_network(request, earlier)
            network = replace(fitted.network, moments=[])
            finished = _Finished(network, list(fitted.net.history), fitted.best_epoch)
            _keep(finished, file)
        else:
            session.count_recalled()
    except UnwritableMemoryError as error:
        session.stop(error)
        raise
    return rebuilt(request, finished.network, finished.history, finished.best_epoch)


def writable_folder(memory: Any) -> Path | None:
    """Return the folder of a memory, which is made if it is not there, and can be written.

    Parameters
    ----------
    memory : path, joblib.Memory or None

    Returns
    -------
    pathlib.Path or None
        A folder of our own inside; None where nothing is to be kept.

    Raises
    ------
    UnwritableMemoryError
    """
    place = getattr(memory, "location", memory)
    if place is None:
        return None
    place = os.fspath(place)
    folder = Path(place, _FOLDER).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("Permission denied")
    except OSError as error:
        raise UnwritableMemoryError(
            f"memory={place!r} cannot be written ({error.strerror or error}): give a folder of "
            "your own."
        ) from error
    return folder


def _key(request: FitRequest, earlier: Fitted | None) -> str:
    """Return a hash of all that decides what a fit gives."""
    parameters = request.parameters
    deciding = {
        name: value for name, value in parameters.items() if name not in _NO_PART_IN_THE_RESULT
    }
    made_by = _FORMAT, torch.__version__
    everything = deciding, request.train, request.valid, request.seed, _state_of(earlier), made_by
    # Worker processes get large data mapped into memory.
    return joblib.hash(everything, coerce_mmap=True)


def _state_of(earlier: Fitted | None) -> tuple | None:
    """Return what of a trained net decides how it goes on, such that equal nets hash alike."""
    if earlier is None:
        return None
    network = earlier.network
    tensors = network.parameters, *network.moments, network.statistics
    return (
        network.architecture,
        network.settings,
        network.streams,
        network.n_steps,
        [tensor.numpy() for tensor in tensors],
        len(earlier.net.history),
    )


def _found(file: Path) -> _Finished | None:
    """Return a fit that was kept; None if there is none, or none that can be read."""
    try:
        finished = joblib.load(file)
        if not isinstance(finished, _Finished):
            raise TypeError(f"it has a {type(finished).__name__}")
    except FileNotFoundError:
        return None
    except Exception as error:
        warnings.warn(
            f"A finished fit is made again, since {str(file)!r} cannot be read "
            f"({type(error).__name__}: {error}).",
            UserWarning,
            stacklevel=2,
        )
        return None
    return finished


def _keep(finished: _Finished, file: Path) -> None:
    """Write a fit, whole or not at all."""
    scratch = file.with_name(f"{file.stem}-{uuid4().hex}.tmp")
    try:
        try:
            joblib.dump(finished, scratch)
            os.replace(scratch, file)
        finally:
            scratch.unlink(missing_ok=True)
    except OSError as error:
        raise UnwritableMemoryError(
            f"memory={str(file.parent.parent)!r} could not keep a finished fit "
            f"({error.strerror or error}). All fits kept before are whole: see to it that there is "
            "room and that the folder can be written, and run the same search again."
        ) from error
