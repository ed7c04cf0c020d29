"""Worker processes end with the process that they work for, even if it was killed."""

from __future__ import annotations

import os
import threading
import time

_INTERVAL = 1.0  # in seconds
_lock = threading.Lock()
_watched: set[int] = set()


def end_with(parent: int) -> None:
    """End this process as soon as its `parent` process has ended; do nothing if it is this one.

    Otherwise a worker of a killed search would finish its batch, and then wait for minutes for
    another. On Windows, where orphaned processes do not get another parent, it has no effect.
    """
    with _lock:
        if parent == os.getpid() or parent in _watched:
            return
        _watched.add(parent)
    threading.Thread(target=_watch, args=(parent,), name="sknethp-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_INTERVAL)
    # At once and without cleaning up: no process is left to receive a result.
    os._exit(1)
