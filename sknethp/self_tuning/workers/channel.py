"""Messages between a process and its workers: pickles in which a table is sent once."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from sknethp.fusion.packing import Unpickler


class _Bytes(Protocol):
    """What a connection of `multiprocessing` does."""

    def send_bytes(self, buf: Any) -> None: ...
    def recv_bytes(self) -> bytes: ...
    def close(self) -> None: ...


@dataclass
class Table:
    """A table, and its id at the end that sends it."""

    number: int
    table: Any


class _Pickler(pickle.Pickler):
    """Leaves tables out, by their ids; tensors travel as arrays, not in shared memory."""

    def __init__(self, file: io.BytesIO, sent: dict[int, Any]):
        super().__init__(file, protocol=5)
        self._sent = sent

    def persistent_id(self, obj: Any) -> int | None:
        """Return the id of what is left out."""
        return id(obj) if id(obj) in self._sent else None

    def reducer_override(self, obj: Any) -> Any:
        """Return how to make a tensor again."""
        return (torch.from_numpy, (obj.numpy(),)) if type(obj) is torch.Tensor else NotImplemented


class Channel:
    """One end of a connection, to which tables are sent once.

    Sending and receiving raise an OSError or EOFError if the other end is gone.
    """

    def __init__(self, connection: _Bytes):
        self._connection = connection
        # Apart from each other, since ids of two processes can be equal by chance.
        self._sent: dict[int, Any] = {}
        self._received: dict[int, Any] = {}

    def send(self, message: Any) -> None:
        """Send a message."""
        file = io.BytesIO()
        _Pickler(file, self._sent).dump(message)
        self._connection.send_bytes(file.getbuffer())

    def receive(self) -> Any:
        """Wait for a message, and return it."""
        return Unpickler(io.BytesIO(self._connection.recv_bytes()), self._received).load()

    def send_table(self, table: Any) -> None:
        """Send what later messages refer to, unless it was sent before."""
        if id(table) not in self._sent:
            self.send(Table(id(table), table))
            self._sent[id(table)] = table

    def keep(self, table: Table) -> None:
        """Keep a table that has arrived."""
        self._received[table.number] = table.table

    def close(self) -> None:
        """Tell the other end that nothing will follow."""
        self._connection.close()
