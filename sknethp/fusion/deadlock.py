"""Ends a block whose tasks wait for a lock that one of them holds while it waits to be trained."""

from __future__ import annotations

import dis
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS_BEFORE_ERROR = 60.0
_LOOKS = 12
_IDLE = 0.02  # processor time per second, the progress bar's included


class Watchdog:
    """Looks now and then whether the code of a thread is stuck at a lock.

    A lock that is held by another thread looks the same. So that one is left its time, nothing
    is done before the whole process has been idle for a minute.
    """

    def __init__(self, is_blocking: Callable[[], object]):
        self._is_blocking = is_blocking
        self._thread = threading.get_ident()
        self._done = threading.Event()
        self.message: str | None = None

    def look(self) -> None:
        """Look until there is nothing to look after, or the thread has been interrupted."""
        seen, idle_looks = None, 0
        seconds = SECONDS_BEFORE_ERROR / _LOOKS
        while not self._done.is_set():
            before = time.process_time()
            self._done.wait(seconds)
            blocking = self._is_blocking()
            is_idle = time.process_time() - before < _IDLE * seconds
            idle_looks = idle_looks + 1 if blocking and blocking == seen and is_idle else 0
            seen = blocking
            frame = sys._current_frames().get(self._thread)
            if idle_looks >= _LOOKS and frame is not None and _waits_for_lock(frame):
                self._interrupt(frame)
                return

    def _interrupt(self, frame: FrameType) -> None:
        while frame.f_back is not None and frame.f_globals.get("__name__") in _LOCKS:
            frame = frame.f_back
        message = (
            f"A task of fused() has waited {SECONDS_BEFORE_ERROR:.0f} s for a lock in "
            f"{frame.f_code.co_name} ({frame.f_code.co_filename}, line {frame.f_lineno}), which "
            "presumably another task holds around its fit. All fits of a block share one thread: "
            "hold no lock while a net is fitted, or fit outside fused()."
        )
        main = threading.main_thread().ident == self._thread
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.message = message
            signal.pthread_kill(self._thread, signal.SIGINT)
        else:  # nothing else interrupts a lock
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    def stop(self) -> None:
        """End looking."""
        self._done.set()


@contextmanager
def watched(is_blocking: Callable[[], object]) -> Iterator[Watchdog]:
    """Look after the code inside.

    `is_blocking` gives a value that is false unless running code keeps others waiting, and
    another one whenever there has been progress.
    """
    watchdog = Watchdog(is_blocking)
    threading.Thread(target=watchdog.look, daemon=True).start()
    try:
        yield watchdog
    finally:
        watchdog.stop()


_LOCKS = ("threading", "multiprocessing.synchronize")


def _waits_for_lock(frame: FrameType) -> bool:
    """Whether a frame is at the entry of a lock; events, queues and futures are no locks."""
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
