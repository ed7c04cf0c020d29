"""Torch's threads, lowered where they would not pay, and left as they were."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

# Multiplications in a batch below which a second thread gains little (measured for networks of
# 16 to 256 units).
_WORK_FOR_THREADS = 4_000_000
_TRIAL_NUMBERS = 2**18
_TRIAL_REPEATS = 10
_WORTHWHILE_SHARE = 0.8

_lock = threading.Lock()
_shared = {"threads_inside": 0, "before": 1}
_local = threading.local()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread; several threads may be inside at the same time.

    Torch's threads wait for each other actively: for short operations they save little on an
    idle machine, and on a busy one they cost many times the work.
    """
    depth = getattr(_local, "depth", 0)
    if depth == 0:
        with _lock:
            # A new thread takes its number over from the last one that was set anywhere.
            if _shared["threads_inside"] == 0:
                _shared["before"] = torch.get_num_threads()
            _shared["threads_inside"] += 1
        torch.set_num_threads(1)
    _local.depth = depth + 1
    try:
        yield
    finally:
        _local.depth -= 1
        if _local.depth == 0:
            with _lock:
                torch.set_num_threads(_shared["before"])
                _shared["threads_inside"] -= 1


def torch_threads_for(work: int) -> AbstractContextManager[None]:
    """Let torch use its threads for operations of so many multiplications, where it pays."""
    return nullcontext() if work > _WORK_FOR_THREADS and threads_pay() else one_torch_thread()


def threads_pay() -> bool:
    """Try whether several threads are faster than one at this moment.

    On a machine that has other work they wait for each other and can be many times slower. Takes
    less than a millisecond where the cores are free.
    """
    n_threads = torch.get_num_threads()
    if n_threads == 1:
        return False
    numbers = torch.zeros(_TRIAL_NUMBERS)
    seconds = _trial_seconds(numbers)
    with one_torch_thread():
        return seconds < _WORTHWHILE_SHARE * _trial_seconds(numbers)


def _trial_seconds(numbers: torch.Tensor) -> float:
    numbers.add_(1.0)
    start = time.perf_counter()
    for _ in range(_TRIAL_REPEATS):
        numbers.add_(1.0)
    return time.perf_counter() - start
