"""Where fits are trained: each by itself, or together in a shared session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Protocol

from sknethp.training.epoch import Epoch, EpochResult
from sknethp.training.trainer import LoneTrainer, Trainer

lone_fit_listeners: list[Callable[[int | None], None]] = []
"""Called for each fit made alone with its network's serial; with None if it was recalled."""


class Session(Trainer, Protocol):
    """A trainer that also counts recalled fits, and can be stopped."""

    def count_recalled(self) -> None:
        """Count a fit that was read from a memory instead of trained."""

    def is_first(self, subject: str) -> bool:
        """Whether nothing has been said to the user about a subject in this session yet."""

    def stop(self, error: Exception) -> None:
        """End all fits of this session with an error, even if it is caught in between."""


class SharedSession(Session, Protocol):
    """A session of many fits, which belongs to some code in one thread."""

    def is_current(self) -> bool:
        """Tell whether the running code may use the session."""


class LoneSession(LoneTrainer):
    """The session of one fit that is trained by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._is_new = True

    def train(self, epochs: Sequence[Epoch]) -> list[EpochResult]:
        """Train the networks immediately."""
        if self._is_new:
            _tell_listeners(epochs[0].fit)
            self._is_new = False
        return super().train(epochs)

    def count_recalled(self) -> None:
        """Report the fit to whoever counts fits that are not fused."""
        _tell_listeners(None)

    def is_first(self, subject: str) -> bool:
        """Return True: each fit is the first of its session."""
        return True

    def stop(self, error: Exception) -> None:
        """Do nothing: no other fit belongs to it."""


def _tell_listeners(serial: int | None) -> None:
    for listener in lone_fit_listeners:
        listener(serial)


shared_session: ContextVar[SharedSession | None] = ContextVar("shared_session", default=None)
"""The session that fits in this context share, if they run where it does."""


def current_shared_session() -> SharedSession | None:
    """Return the shared session of the running code.

    Contexts can be copied into other threads, too, where the session must not be used.
    """
    session = shared_session.get()
    return session if session is not None and session.is_current() else None


def current_session() -> Session:
    """Return the shared session of the running code, or else a new one for a single fit."""
    return current_shared_session() or LoneSession()
