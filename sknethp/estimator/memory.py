"""Finished fits kept on disk, by their parameters, data and seed."""

from __future__ import annotations

import os
import stat
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import joblib
import numpy as np
import torch

from sknethp.estimator.fitting import Fitted, fit_network, rebuilt
from sknethp.estimator.request import FitRequest
from sknethp.estimator.stored_fit import StoredFit, load, save_arrays
from sknethp.session import current_session

# To be incremented when the result of a fit, or what is kept of it, changes.
_FORMAT = 7
_NO_PART_IN_THE_RESULT = ("memory", "random_state", "warm_start", "verbose")
_FOLDER = "sknethp"

Kept = TypeVar("Kept")


class UnwritableMemoryError(OSError):
    """A finished fit cannot be kept; it ends the search, rather than count as a failed fit."""


def fit_or_recall(request: FitRequest, earlier: Fitted | None) -> Fitted:
    """Train a net, or load it from the folder of finished fits.

    With callbacks every fit is trained, since their effects are unknown. With a memory the
    optimizer's moments are reset, whether the net was trained or loaded. Raises
    UnwritableMemoryError, which ends all fused fits, or DivergenceError.
    """
    is_watched = request.parameters["callbacks"] or request.tasks
    memory = None if is_watched else request.parameters["memory"]
    session = current_session()
    try:
        folder = memory_folder(memory)
        if folder is None:
            return fit_network(request, earlier)
        file = folder / f"{_key(request, earlier)}.npz"
        n_before = 0 if earlier is None else len(earlier.net.history)
        stored = recalled(file, partial(_read, request=request), "A finished fit is trained")
        if stored is None:
            _check_writable(folder)
            fitted = fit_network(request, earlier)
            rows = list(fitted.net.history)[n_before:]
            stored = StoredFit.of(
                fitted.networks, rows, fitted.best_epoch - n_before, fitted.net.temperature_
            )
            keep(vars(stored), file, "fit", "search")
        else:
            session.count_recalled()
    except UnwritableMemoryError as error:
        session.stop(error)
        raise
    networks = stored.networks(request.architecture, request.settings)
    rows = ([] if earlier is None else list(earlier.net.history)) + stored.rows(n_before)
    fitted = rebuilt(request, networks, rows, n_before + stored.best_epoch)
    fitted.net.temperature_ = stored.temperature
    return fitted


def memory_folder(memory: Any) -> Path | None:
    """Return the package's folder inside a path or joblib.Memory; create it if it is missing.

    Raises UnwritableMemoryError if it can neither be read nor created, or if others may write to
    it.
    """
    location = getattr(memory, "location", memory)
    if location is None:
        return None
    location = os.fspath(location)
    folder = Path(location, _FOLDER).expanduser()
    try:
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(folder, os.R_OK | os.X_OK):
            raise PermissionError("Permission denied")
    except OSError as error:
        raise _unwritable(location, error) from error
    if _others_may_write(folder):
        raise UnwritableMemoryError(
            f"memory={location!r} is not safe, since any user of this machine may write to "
            f"{str(folder)!r} or put another folder there: give a folder of your own, or take away "
            "the permission."
        )
    return folder


def _others_may_write(folder: Path) -> bool:
    """Tell whether any user may write to a folder, or may have put it where it is.

    Access for a group is allowed: nothing that is kept can be executed, and groups are deliberate.
    """
    if os.name != "posix":
        return False
    own, around = folder.stat(), folder.parent.stat()
    is_mine = own.st_uid == os.geteuid()
    return bool(own.st_mode & stat.S_IWOTH or (around.st_mode & stat.S_IWOTH and not is_mine))


def _check_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK):
        raise _unwritable(str(folder.parent), PermissionError("Permission denied"))


def _unwritable(location: str, error: OSError) -> UnwritableMemoryError:
    return UnwritableMemoryError(
        f"memory={location!r} cannot be written ({error.strerror or error}): give a folder of your "
        "own."
    )


def deciding(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that determine the result of a fit."""
    return {n: value for n, value in parameters.items() if n not in _NO_PART_IN_THE_RESULT}


def _key(request: FitRequest, earlier: Fitted | None) -> str:
    """Return a hash of everything that determines the result of a fit."""
    made_by = _FORMAT, torch.__version__
    everything = (
        deciding(request.parameters),
        request.train,
        request.valid,
        request.seed,
        _state_of(earlier),
        made_by,
    )
    # Worker processes get large data mapped into memory.
    return joblib.hash(everything, coerce_mmap=True)


def _state_of(earlier: Fitted | None) -> tuple | None:
    """Return the state of a trained net that determines further training; equal for equal nets."""
    if earlier is None:
        return None
    first = earlier.networks[0]
    return (
        repr(first.architecture),  # without cached properties
        repr(first.settings),
        first.n_steps,
        [
            (n.streams.states(), *(t.numpy() for t in (n.parameters, *n.moments, n.statistics)))
            for n in earlier.networks
        ],
        len(earlier.net.history),
    )


def _read(file: Path, request: FitRequest) -> StoredFit:
    return load(file, request.architecture, request.settings, request.ensemble_size)


def recalled(file: Path, read: Callable[[Path], Kept], again: str) -> Kept | None:
    """Return what `read` makes of a kept file; None if there is none, or none that can be read."""
    if not file.exists():
        return None
    try:
        return read(file)
    except Exception as error:
        warnings.warn(
            f"{again} again, since {str(file)!r} cannot be read ({type(error).__name__}: {error}).",
            UserWarning,
            stacklevel=3,
        )
        return None


def keep(arrays: Mapping[str, np.ndarray], file: Path, what: str, work: str) -> None:
    """Write arrays, unless there is a directory of this name; `work` can then go on from them."""
    if file.is_dir():
        return
    try:
        save_arrays(arrays, file)
    except OSError as error:
        raise UnwritableMemoryError(
            f"memory={str(file.parent.parent)!r} could not keep a finished {what} "
            f"({error.strerror or error}). All {what}s kept before are intact: make sure that "
            f"there is room and that the folder can be written, and run the same {work} again."
        ) from error
