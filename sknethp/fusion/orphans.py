"""Worker processes end with the process that they work for, even if that was killed."""

from __future__ import annotations

import os
import threading
import time

_INTERVAL = 1.0  # in seconds
_lock = threading.Lock()
_watched: set[int] = set()


def end_with(parent: int) -> None:
    """Let this process end as soon as its parent has ended.

    Otherwise a worker of a search that was killed would go on with its batch, and then wait for
    minutes for another. On Windows, where a process does not get another parent when its own has
    ended, nothing is noticed.

    `parent` is the id of the process that sends work here; if that is this one, nothing is done.
    """
    with _lock:
        if parent == os.getpid() or parent in _watched:
            return
        _watched.add(parent)
    threading.Thread(target=_watch, args=(parent,), name="sknethp-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_INTERVAL)
    # At once and without cleaning up: nobody is there to take a result.
    os._exit(1)
