"""Tasks that run interleaved in one thread, and wait where a network needs an epoch."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from greenlet import GreenletExit, greenlet

from sknethp.fusion.inspection import candidate
from sknethp.fusion.process_state import ProcessState, outside_inference_mode
from sknethp.fusion.time_limit import OutOfTime, time_limit
from sknethp.session import SharedSession, shared_session
from sknethp.training.epoch import Epoch, EpochResult


class Task:
    """A function without arguments that runs until it waits for an epoch or for another task.

    It waits for the epochs of `request` or for the task `awaited`; `parent` waits for this one.
    `caller` identifies what has started it inside another task. `held_bytes` is an estimate of the
    memory that its waiting frames hold, `network_bytes` those of them that its networks take.
    `limit` is its own time limit; `epoch_seconds` is what its last epochs took of the time of all,
    and what they would take alone; `seconds_alone` is its time if it were alone. For display,
    `share` estimates how much is done, to which an epoch adds `epoch_share`, and `is_counted` tells
    whether the task is one of those counted.
    """

    def __init__(
        self, function: Callable[[], Any], finished: Callable[[Task], None], parent: Task | None
    ):
        self.parent = parent
        self.request: Sequence[Epoch] | None = None
        self.awaited: Task | None = None
        self.done = False
        self.trains = False
        self.recalls = False
        self.children_train = False
        self.caller: Hashable = None
        self.held_bytes = self.network_bytes = 0
        self.limit = time_limit.get()
        self.candidate = candidate(function) if self.limit is not None else None
        self.epoch_seconds = 0.0, 0.0
        self.seconds_alone = 0.0
        self.share = 0.0
        self.epoch_share: float | None = None
        self.is_counted = False
        self.error: BaseException | None = None
        self.result: Any = None
        self.function: Callable[[], Any] | None = function
        self._finished = finished
        self._greenlet: greenlet | None = None
        self._hub: greenlet | None = None
        # What it finds set is what is set where it was submitted: outside all tasks, or in another.
        self._inside = None if parent is None else ProcessState()
        self._context = contextvars.copy_context()

    def resume(self, session: SharedSession, value: list[EpochResult] | None = None) -> None:
        """Run the task until it waits again or ends; called from the scheduler."""
        if self._greenlet is None:
            self._context.run(shared_session.set, session)
            self._context.run(time_limit.set, None)  # its own tasks end with it
            self._greenlet = greenlet(self._run)
            self._greenlet.gr_context = self._context
        self._enter(self._greenlet.switch, value)

    def is_running(self) -> bool:
        """Tell whether the calling code is the task's own."""
        return self._greenlet is not None and greenlet.getcurrent() is self._greenlet

    def wait(self, request: Sequence[Epoch] | None = None, awaited: Task | None = None) -> Any:
        """Suspend the task until its request is fulfilled or the awaited task has ended."""
        self.request, self.awaited = request, awaited
        self.trains = self.trains or request is not None
        with outside_inference_mode():
            answer = self._hub.switch()  # type: ignore[union-attr]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    @property
    def limited(self) -> Task | None:
        """The task that has a time limit: this one, or one that waits for it."""
        return self if self.limit is not None or self.parent is None else self.parent.limited

    def count_seconds(self, seconds: float) -> None:
        """Count time that it would need if it were alone."""
        if (limited := self.limited) is not None:
            limited.seconds_alone += seconds

    def give_up(self) -> None:
        """End the task before it has started."""
        self.function, self.done, self.result = None, True, [self.limit.instead]  # type: ignore[union-attr]
        self._finished(self)

    def settle(self, result: Any, error: BaseException | None) -> None:
        """End the task, which has been run in another process."""
        self.function, self.done, self.result, self.error = None, True, result, error
        self._finished(self)

    def cancel(self) -> None:
        """End the task where it waits; what it holds is released."""
        if not self.done and self._greenlet is not None:
            self._enter(self._greenlet.throw, GreenletExit)
        self.done = True
        self.function = self._greenlet = None

    def _enter(self, switch: Callable[[Any], Any], value: Any) -> None:
        """Continue the task, in its own process state, until it waits or ends."""
        self._hub = greenlet.getcurrent()
        self._greenlet.parent = self._hub  # type: ignore[union-attr]
        outside = ProcessState()
        if self._inside is not None:
            self._inside.restore()
        try:
            switch(value)
        finally:
            self._inside = None if self.done else ProcessState()
            outside.restore()

    def _run(self, _: Any = None) -> None:
        try:
            self.result = self.function()  # type: ignore[misc]
        except GreenletExit:
            self.done = True
            return
        except OutOfTime:
            self.result = [self.limit.instead]  # type: ignore[union-attr]
        except BaseException as error:
            self.error = error
        self.done = True
        self.function = None
        self._finished(self)


class Watcher:
    """Is notified of the progress of tasks; this one does nothing."""

    def submitted(self, task: Task) -> None:
        """When a task has come."""

    def trained(self, tasks: Sequence[Task]) -> None:
        """When an epoch of each task has been trained."""

    def ended(self, task: Task) -> None:
        """When a task has ended."""

    def returned(self, tasks: Sequence[Task], tally: Any) -> None:
        """When tasks have been run in another process, where so much was counted."""

    def cancelled(self, task: Task) -> None:
        """When a task will not be run to its end."""
