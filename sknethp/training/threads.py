"""Torch's threads, lowered where they would not pay, and left as they were."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_lock = threading.Lock()
_state = {"depth": 0, "before": 1}


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread; several threads may be inside at the same time.

    Torch's threads wait for each other actively: for short operations they save little on an
    idle machine, and on a busy one they cost many times the work.
    """
    with _lock:
        if _state["depth"] == 0:
            _state["before"] = torch.get_num_threads()
        _state["depth"] += 1
    torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            torch.set_num_threads(_state["before"])
            _state["depth"] -= 1
