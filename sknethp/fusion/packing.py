"""Pickling of tasks for another process: what they share is sent once, large arrays separately."""

from __future__ import annotations

import io
import pickle
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import cloudpickle
import numpy as np

# Joblib maps larger arguments into memory instead of sending them.
_LARGE_BYTES = 2**20

Function = Callable[[], Any]


class Arrays:
    """Large arrays that tasks hold, each once."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self._positions: dict[int, int] = {}

    def position(self, array: np.ndarray) -> int:
        """Return the index of an array; the same object has the same index."""
        if id(array) not in self._positions:
            self._positions[id(array)] = len(self.arrays)
            self.arrays.append(array)
        return self._positions[id(array)]


class _Pickler(cloudpickle.Pickler):
    def __init__(self, file: io.BytesIO, large: Arrays):
        super().__init__(file)
        self._large = large

    def persistent_id(self, obj: Any) -> int | None:
        """Leave large arrays out of the pickle."""
        plain = type(obj) in (np.ndarray, np.memmap) and not obj.dtype.hasobject
        return self._large.position(obj) if plain and obj.nbytes > _LARGE_BYTES else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, arrays: Sequence[np.ndarray]):
        super().__init__(file)
        self._arrays = arrays

    def persistent_load(self, pid: int) -> np.ndarray:
        """Put a large array in its place."""
        return self._arrays[pid]


def pack(functions: Sequence[Function], large: Arrays) -> bytes:
    """Pickle tasks; what several of them hold is in the pickle once.

    `large` receives the large arrays, which are not in the pickle.
    """
    file = io.BytesIO()
    _Pickler(file, large).dump(list(functions))
    return file.getvalue()


def unpack(packed: bytes, arrays: Sequence[np.ndarray]) -> list[Function]:
    """Return packed tasks, given the arrays that were left out."""
    return _Unpickler(io.BytesIO(packed), arrays).load()


def portable(error: Exception) -> Exception:
    """Return an error that can be sent to another process, with its traceback as a note.

    One that cannot be pickled becomes a ``RuntimeError`` with its text.
    """
    note = "In a worker process:\n" + "".join(traceback.format_exception(error))
    stand_in = RuntimeError(f"{type(error).__name__}: {error}")
    stand_in.add_note(note)
    with suppress(Exception):
        error.add_note(note)
        if type(pickle.loads(cloudpickle.dumps(error))) is type(error):
            return error
    return stand_in
