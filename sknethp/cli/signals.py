"""Signals that end a run."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

EXIT_SIGNAL = 128  # plus the signal's number, as shells have it


@contextmanager
def as_exits(*names: str) -> Iterator[None]:
    """Let signals raise SystemExit, unless they are handled otherwise or ignored (``nohup``)."""

    def leave(number: int, _: object) -> NoReturn:
        sys.exit(EXIT_SIGNAL + number)

    usual = (signal.SIG_DFL, signal.default_int_handler)
    numbers = [getattr(signal, name, None) for name in names]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # only the main thread can set handlers
    before = {n: signal.getsignal(n) for n in numbers if n is not None}
    changed = {number: handler for number, handler in before.items() if handler in usual}
    try:
        for number in changed:
            signal.signal(number, leave)
        yield
    finally:
        for number, handler in changed.items():
            signal.signal(number, handler)
