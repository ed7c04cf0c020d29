"""Threads of torch (as many as pay off, afterwards as before) and of BLAS (one, where it matters).

Torch's threads wait for each other actively: for short operations they save little on an idle
machine, and on a busy one they cost many times the work. So from time to time it is tried whether
they pay off.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

# Multiplications in a batch below which a second thread gains little (measured for networks of
# 16 to 256 units).
WORK_FOR_THREADS = 4_000_000
# In steps.
_FIRST_TRIAL = 4
_TRIAL = 5
_TRIAL_INTERVAL = 32
_LONGEST_INTERVAL = 512
_HOPELESS = 2.0


class _State:
    """State shared by all threads of this process."""

    def __init__(self, forked: bool = False, threads_inside: int = 0):
        self.lock = threading.Lock()
        self.blas_lock = threading.Lock()
        self.threads_inside = threads_inside
        self.before = torch.get_num_threads()
        self.forked = forked


_state = _State()
_local = threading.local()


def _after_fork() -> None:
    """Start anew in a forked child, where the parent's threads and its lock's holder are gone.

    Torch's OpenMP would wait for those threads for ever, so a child uses one.
    """
    global _state
    inside = getattr(_local, "depth", 0) > 0
    before = _state.before
    _state = _State(forked=True, threads_inside=int(inside))
    if inside:
        _state.before = before


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def most_threads() -> int:
    """Return how many torch threads a step may use, also within `one_torch_thread`."""
    if _state.forked:
        return 1
    return _state.before if _state.threads_inside else torch.get_num_threads()


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Limit torch to one thread; several threads may be inside at the same time.

    Tasks of a fused search enter and leave it interleaved, so the last to leave restores.
    """
    depth = getattr(_local, "depth", 0)
    if depth == 0:
        with _state.lock:
            # A new thread inherits the number that was last set in any thread.
            if _state.threads_inside == 0:
                _state.before = torch.get_num_threads()
            _state.threads_inside += 1
    around = torch.get_num_threads()  # more than one in some steps of `Pace`
    if around > 1:
        torch.set_num_threads(1)
    _local.depth = depth + 1
    try:
        yield
    finally:
        _local.depth -= 1
        if _local.depth == 0:
            with _state.lock:
                torch.set_num_threads(_state.before)
                _state.threads_inside -= 1
        elif depth > 0 and around > 1:
            torch.set_num_threads(around)


@contextmanager
def steps_on_one_thread() -> Iterator[None]:
    """Have this thread train all steps on one torch thread."""
    _local.is_limited = True
    try:
        yield
    finally:
        _local.is_limited = False


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch use so many threads, afterwards as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


# Scans all loaded libraries, which takes longer than a small matrix.
_blas = cache(ThreadpoolController)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit numpy's BLAS to one thread: several round differently, and slow down small matrices.

    The limit belongs to the process: two threads that set and restored it in turn would keep it.
    """
    with _state.blas_lock, _blas().limit(limits=1, user_api="blas"):
        yield


class Pace:
    """Chooses torch's threads for each step: one or all of them, whichever has been faster.

    `work` is the number of multiplications in the forward pass of a step.
    """

    def __init__(self, work: int):
        self._pays_to_try = work > WORK_FOR_THREADS
        self._recent = {all_threads: deque[float](maxlen=_TRIAL) for all_threads in (False, True)}
        self._count = 0
        self._next_trial = _FIRST_TRIAL
        self._interval = _TRIAL_INTERVAL
        self._tried: bool | None = None

    def steps(self, steps: Iterable[int]) -> Iterator[int]:
        """Yield steps, with torch's threads set for each; call it inside `one_torch_thread`."""
        n_threads = most_threads()
        is_limited = getattr(_local, "is_limited", False)
        if not self._pays_to_try or n_threads == 1 or is_limited:
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
        """Tell whether the next step should use all threads."""
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
