"""Process-wide state that code may change for a while: each task has its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import warnings
from contextlib import AbstractContextManager

import torch
from joblib import parallel_config
from sklearn import get_config, set_config


class ProcessState:
    """A snapshot of the process-wide state that each task has for itself.

    That is joblib's backend, scikit-learn's configuration, the warning filters, ``sys.stdin``,
    ``sys.stdout`` and ``sys.stderr``, the working directory, ``os.environ``, the running event
    loop, and torch's gradient mode. Tasks enter and leave contexts that change these interleaved,
    not nested; with shared state they would leave each other's values behind.
    """

    def __init__(self) -> None:
        self._backend = parallel_config()
        self._config = get_config()
        self._streams = sys.stdin, sys.stdout, sys.stderr
        self._folder = _folder()
        self._environment = os.environ._data.copy()  # type: ignore[attr-defined]
        self._loop = asyncio._get_running_loop()
        self._records_gradients = torch.is_grad_enabled()
        self._filters = warnings.catch_warnings()
        self._filters.__enter__()

    def restore(self) -> None:
        """Restore the state; may be called once."""
        self._filters.__exit__(None, None, None)
        if torch.is_grad_enabled() != self._records_gradients:
            torch.set_grad_enabled(self._records_gradients)
        asyncio._set_running_loop(self._loop)
        self._restore_environment()
        if self._folder is not None and _folder() != self._folder:
            with contextlib.suppress(OSError):  # it may have been removed since
                os.chdir(self._folder)
        sys.stdin, sys.stdout, sys.stderr = self._streams
        if get_config() != self._config:
            set_config(**self._config)
        self._backend.unregister()

    def _restore_environment(self) -> None:
        # Copying through the mapping takes ten times as long as switching between tasks.
        now, before = os.environ._data.copy(), self._environment  # type: ignore[attr-defined]
        if now == before:
            return
        for key in now.keys() - before.keys():
            del os.environ[os.environ.decodekey(key)]
        for key, value in before.items():
            if now.get(key) != value:
                os.environ[os.environ.decodekey(key)] = os.environ.decodevalue(value)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


def outside_inference_mode() -> AbstractContextManager:
    """Leave torch's inference mode while other tasks run: torch can only put back what was set."""
    if torch.is_inference_mode_enabled():
        return torch.inference_mode(False)
    return contextlib.nullcontext()
