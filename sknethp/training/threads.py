"""Torch's threads: as many as pay, and left as they were.

Torch's threads wait for each other actively: for short operations they save little on an idle
machine, and on a busy one they cost many times the work. So whether they pay is tried, again and
again.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

# Multiplications in a batch below which a second thread gains little (measured for networks of
# 16 to 256 units).
_WORK_FOR_THREADS = 4_000_000
# In steps.
_FIRST_TRIAL = 4
_TRIAL = 5
_TRIAL_INTERVAL = 32
_LONGEST_INTERVAL = 512
_HOPELESS = 2.0
_TRIAL_NUMBERS = 2**18
_TRIAL_REPEATS = 10
_WORTHWHILE_SHARE = 0.8

_lock = threading.Lock()
_shared = {"threads_inside": 0, "before": 1}
_local = threading.local()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Let torch use one thread; several threads may be inside at the same time."""
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


class Pace:
    """Torch's threads for one step after another: one or all of them, as has been faster.

    Parameters
    ----------
    work : int
        Multiplications in the forward pass of a step.
    """

    def __init__(self, work: int):
        self._pays_to_try = work > _WORK_FOR_THREADS
        self._recent = {all_threads: deque[float](maxlen=_TRIAL) for all_threads in (False, True)}
        self._count = 0
        self._next_trial = _FIRST_TRIAL
        self._interval = _TRIAL_INTERVAL
        self._tried: bool | None = None

    def steps(self, steps: Iterable[int]) -> Iterator[int]:
        """Yield steps, with torch's threads set for each; call it inside `one_torch_thread`."""
        n_threads = _shared["before"]
        if not self._pays_to_try or n_threads == 1:
            yield from steps
            return
        try:
            for s in steps:
                all_threads = self._choose()
                if all_threads != (torch.get_num_threads() > 1):
                    torch.set_num_threads(n_threads if all_threads else 1)
                start = time.perf_counter()
                yield s
                self._recent[all_threads].append(time.perf_counter() - start)
        finally:
            torch.set_num_threads(1)

    def _typical(self, all_threads: bool) -> float:
        """Return the seconds of a step; the slowest may have woken threads or been disturbed."""
        recent = sorted(self._recent[all_threads])[:-1]
        return sum(recent) / len(recent) if recent else math.inf

    def _choose(self) -> bool:
        """Return whether the next step is to have all threads."""
        faster = self._typical(True) < self._typical(False)
        self._count += 1
        if self._tried is None:
            if self._count < self._next_trial:
                return faster
            self._tried = not faster
            self._recent[self._tried].clear()
        seconds, usual = self._typical(self._tried), self._typical(not self._tried)
        hopeless = math.isfinite(seconds) and seconds > _HOPELESS * usual
        if len(self._recent[self._tried]) < _TRIAL and not hopeless:
            return self._tried
        won = faster == self._tried
        self._interval = _TRIAL_INTERVAL if won else min(2 * self._interval, _LONGEST_INTERVAL)
        self._next_trial = self._count + self._interval
        self._tried = None
        return faster


def torch_threads_for(work: int) -> AbstractContextManager[None]:
    """Let torch use its threads for operations of so many multiplications, where it pays."""
    return nullcontext() if work > _WORK_FOR_THREADS and threads_pay() else one_torch_thread()


def threads_pay() -> bool:
    """Try whether several threads are faster than one at this moment, for about a millisecond."""
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
