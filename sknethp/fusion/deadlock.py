"""Ends a block whose tasks wait for a lock held by one of them that waits to be trained."""

from __future__ import annotations

import dis
import signal
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from types import FrameType

SECONDS_BEFORE_ERROR = 60.0
_CHECKS = 12
_IDLE = 0.02  # processor time per second, the progress bar's included


class Watchdog:
    """Checks from time to time whether the code of a thread is stuck at a lock.

    A lock that is held by another thread looks the same. To give that thread time, it acts only
    after the whole process has been idle for a minute. `is_blocking` is a method that returns 0
    unless running code keeps others waiting, and another number after any progress.
    """

    def __init__(self, is_blocking: Callable[[], int]):
        self._is_blocking = weakref.WeakMethod(is_blocking)
        self._watched: int | None = None
        self._thread: threading.Thread | None = None
        self.message: str | None = None

    def __enter__(self) -> Watchdog:
        self._watched, self.message = threading.get_ident(), None
        if self._thread is None or not self._thread.is_alive():  # as in a forked child
            self._thread = threading.Thread(target=self._check, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watched = None

    def _check(self) -> None:
        """Check until there is nothing left to watch, or the thread has been interrupted."""
        seen, idle_checks = 0, 0
        while is_blocking := self._is_blocking():
            blocking, before = is_blocking(), time.process_time()
            del is_blocking
            idle_checks = idle_checks + 1 if blocking and blocking == seen else 0
            seen = blocking
            frame = sys._current_frames().get(self._watched or 0)
            if idle_checks > _CHECKS and frame is not None and _waits_for_lock(frame):
                self._interrupt(frame)
                return
            del frame
            seconds = SECONDS_BEFORE_ERROR / _CHECKS
            time.sleep(seconds)
            if time.process_time() - before > _IDLE * seconds:
                seen = 0

    def _interrupt(self, frame: FrameType) -> None:
        while frame.f_back is not None and frame.f_globals.get("__name__") in _LOCKS:
            frame = frame.f_back
        message = (
            f"A task of fused() has waited {SECONDS_BEFORE_ERROR:.0f} s for a lock in "
            f"{frame.f_code.co_name} ({frame.f_code.co_filename}, line {frame.f_lineno}), which "
            "presumably another task holds around its fit. All fits of a block share one thread: "
            "hold no lock while a net is fitted, or fit outside fused()."
        )
        is_main = threading.main_thread().ident == self._watched
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.message = message
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        else:  # nothing else interrupts a lock
            warnings.warn(message, RuntimeWarning, stacklevel=2)


_LOCKS = ("threading", "multiprocessing.synchronize")


def _waits_for_lock(frame: FrameType) -> bool:
    """Tell whether a frame waits to acquire a lock; events, queues and futures are not locks."""
    if frame.f_globals.get("__name__") == "threading":
        caller = frame.f_back
        return caller is not None and caller.f_code.co_qualname == "Semaphore.acquire"
    loaded = ""
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset > frame.f_lasti:
            break
        if instruction.opname == "BEFORE_WITH":
            loaded = "__enter__"
        elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SPECIAL"):
            loaded = str(instruction.argrepr)
    return loaded.split(" ")[0] in ("acquire", "__enter__")
