"""Pickling of tasks for another process: what they share is sent once."""

from __future__ import annotations

import io
import pickle
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any

import cloudpickle
import numpy as np

Function = Callable[[], Any]


@dataclass
class Parcel:
    """Pickled tasks, and the arrays and tables that no other parcel needs, by their ids."""

    tasks: bytes
    own: dict[int, Any]


class _Pickler(cloudpickle.Pickler):
    """Leaves arrays of at least `least` bytes and tables out of the pickle."""

    def __init__(self, file: io.BytesIO, least: int):
        super().__init__(file)
        self._least = least
        self.left_out: dict[int, Any] = {}

    def persistent_id(self, obj: Any) -> int | None:
        """Return the id of what is left out."""
        is_array = type(obj) in (np.ndarray, np.memmap) and not obj.dtype.hasobject
        is_table = hasattr(type(obj), "__arrow_c_stream__")  # such as those of pandas and polars
        if is_table or (is_array and obj.nbytes >= self._least):
            self.left_out[id(obj)] = obj
        return id(obj) if id(obj) in self.left_out else None


class Unpickler(pickle.Unpickler):
    """Puts what was left out of a pickle in its place."""

    def __init__(self, file: io.BytesIO, left_out: dict[int, Any]):
        super().__init__(file)
        self._left_out = left_out

    def persistent_load(self, pid: int) -> Any:
        """Put what was left out in its place."""
        return self._left_out[pid]


def pack(
    batches: Sequence[Sequence[Function]], least_shared: int
) -> tuple[list[Parcel], dict[int, Any]]:
    """Pickle batches of tasks; what several tasks of a batch hold is in its pickle once.

    Returns a parcel for each batch, and by their ids the tables, and the arrays of at least
    `least_shared` bytes, that several parcels need.
    """
    pickles, left_out = [], []
    for batch in batches:
        file = io.BytesIO()
        pickler = _Pickler(file, least_shared)
        pickler.dump(list(batch))
        pickles.append(file.getvalue())
        left_out.append(pickler.left_out)
    needed = Counter(chain(*left_out))
    shared = {i: obj for part in left_out for i, obj in part.items() if needed[i] > 1}
    own = [{i: obj for i, obj in part.items() if i not in shared} for part in left_out]
    return list(map(Parcel, pickles, own)), shared


def unpack(parcel: Parcel, shared: dict[int, Any]) -> list[Function]:
    """Return packed tasks."""
    return Unpickler(io.BytesIO(parcel.tasks), shared | parcel.own).load()


def pickled_size(obj: Any) -> int:
    """Return the bytes of an object's pickle, without copying its arrays."""
    buffers: list[pickle.PickleBuffer] = []
    pickled = cloudpickle.dumps(obj, protocol=5, buffer_callback=buffers.append)
    return len(pickled) + sum(buffer.raw().nbytes for buffer in buffers)


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
