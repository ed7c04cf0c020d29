"""Finished fits kept on disk, by their parameters, data and seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from joblib import Memory


def remembered(fit: Callable, memory: Any, callbacks: Any) -> Callable:
    """Return a fit that first looks among those that have been made.

    Parameters
    ----------
    fit : callable
        Returns the same for the same arguments.
    memory : path, joblib.Memory or None
    callbacks : list or None
        With callbacks every fit is made anew: what they do is not known.

    Returns
    -------
    callable

    Raises
    ------
    OSError
        If the path cannot be written.
    """
    if memory is None or callbacks:
        return fit
    if not hasattr(memory, "cache"):
        memory = Memory(memory, verbose=0)
    return memory.cache(fit)
