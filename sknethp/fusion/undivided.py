"""What a scheduler asks of those who may take tasks off it: here nobody does."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sknethp.fusion.tasks import Task


class Undivided:
    """Leaves all tasks in this process. `choice` says who trains, and why."""

    choice = ""

    @property
    def tasks_are_away(self) -> bool:
        """Whether other processes have tasks."""
        return False

    def begin(self) -> None:
        """Before the first task, and again when all have ended."""

    def next_task(self, new: deque[Task], training: Sequence[Task]) -> Task | None:
        """Remove a task that may start beside those that train from the new ones; return it."""
        return new.popleft()

    def count_seconds(self, seconds: float) -> None:
        """Count what has passed outside training."""

    def threads(self) -> AbstractContextManager[None]:
        """Set torch's threads for a round of training."""
        return nullcontext()

    def trained(self, tasks: Sequence[Task], seconds: float, new: Sequence[Task]) -> None:
        """When the requests of tasks have been trained."""

    def share_out(self, new: deque[Task], is_idle: bool) -> None:
        """Give tasks to other processes, or take some back for this one if it is idle."""

    def received(self) -> list[tuple[list[Task], Any]]:
        """Return tasks that have ended elsewhere, with a report of each batch."""
        return []

    def wait(self) -> None:
        """Wait until tasks have ended elsewhere."""

    def leave(self) -> list[Task]:
        """Let the other processes go; return the tasks that they had."""
        return []
