"""Progress of a ``fused()`` block: a bar on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from sknethp.fusion.inspection import candidate, score
from sknethp.fusion.tally import Board, Tally
from sknethp.fusion.tasks import Task

# Shorter work needs no bar.
_SECONDS_BEFORE = 0.5
_SECONDS_BETWEEN_UPDATES = 0.1
_SECONDS_BETWEEN_LINES = 5.0


def wanted(progress: bool | None) -> bool:
    """Tell whether to show progress; by default if standard error is a terminal."""
    return on_terminal() if progress is None else progress


def on_terminal() -> bool:
    """Tell whether standard error is a terminal that can show a bar."""
    return _is_terminal(sys.stderr) and not Console().is_dumb_terminal


def _is_terminal(stream: Any) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # there is none, it cannot tell, or it is closed
        return False


def tell(text: object) -> None:
    """Print a line on standard error, if it exists."""
    if sys.stderr is not None:  # print would use standard output instead
        with suppress(ValueError, OSError):  # it is closed
            print(text, file=sys.stderr)


class BestScore:
    """The best mean test score of the candidates whose folds are all done."""

    def __init__(self) -> None:
        self.best: float | None = None
        self._open: dict[int, _Candidate] = {}

    def expect(self, parameters: dict | None) -> None:
        """Register a coming fold; `parameters` is the same object for a candidate's folds."""
        if parameters is not None:
            self._open.setdefault(id(parameters), _Candidate(parameters)).n_open += 1

    def record(self, parameters: dict | None, value: float | None) -> None:
        """Record the score of a fold."""
        entry = self._open.get(id(parameters))
        if entry is None:
            return
        entry.scores.append(value)
        if len(entry.scores) < entry.n_open:
            return
        del self._open[id(parameters)]
        values = [value for value in entry.scores if value is not None]
        if len(values) == len(entry.scores):
            mean = sum(values) / len(values)
            self.best = mean if self.best is None else max(self.best, mean)


class _Candidate:
    def __init__(self, parameters: dict):
        self.parameters = parameters  # kept, so that no other object can get its id
        self.n_open = 0
        self.scores: list[float | None] = []


class Progress(Tally):
    """Counts the tasks of a block, and shows how far they are.

    Without a `bar` it is one on standard error if that is a terminal; otherwise lines are printed.
    """

    def __init__(self, bar: Bar | None = None):
        super().__init__()
        self._bar = bar or (new_bar() if on_terminal() else None)
        self._best = BestScore()
        self._candidates: dict[Task, dict | None] = {}
        self._board: Board | None = None
        self._start: float | None = None
        self._next = 0.0

    # Notified of tasks.

    def submitted(self, task: Task) -> None:
        """Count a new task."""
        super().submitted(task)
        self._candidates[task] = None if task.function is None else candidate(task.function)
        self.expect(self._candidates[task])

    def trained(self, tasks: Sequence[Task]) -> None:
        """Count an epoch of each task."""
        super().trained(tasks)
        self.show()

    def ended(self, task: Task) -> None:
        """Count a task that has ended, and record its score."""
        super().ended(task)
        self.record(self._candidates.pop(task, None), task.result)
        self.show()

    def returned(self, tasks: Sequence[Task], tally: Tally) -> None:
        """Count tasks that have been run in another process, and record their scores."""
        super().returned(tasks, tally)
        for task in tasks:
            self.record(self._candidates.pop(task, None), task.result)
        self.show()

    def cancelled(self, task: Task) -> None:
        """Forget a task."""
        super().cancelled(task)
        self._candidates.pop(task, None)

    def expect(self, parameters: dict | None) -> None:
        """Register a coming task, by the candidate that it belongs to."""
        if self._start is None:
            self._start = time.monotonic()
            self._next = self._start + _SECONDS_BEFORE
        self._best.expect(parameters)

    def record(self, parameters: dict | None, result: Any) -> None:
        """Record what a task has returned."""
        self._best.record(parameters, score(result))

    @contextmanager
    def following(self, board: Board) -> Iterator[None]:
        """Show what batches elsewhere write on a board, from a separate thread."""
        over = threading.Event()

        def follow() -> None:
            while not over.wait(_SECONDS_BETWEEN_UPDATES):
                self.show()

        thread = threading.Thread(target=follow, name="sknethp-progress", daemon=True)
        self._board = board
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._board = None

    # Display.

    def show(self) -> None:
        """Show how far the tasks are, unless it was shown a moment ago."""
        now = time.monotonic()
        if now < self._next:
            return
        pause = _SECONDS_BETWEEN_LINES if self._bar is None else _SECONDS_BETWEEN_UPDATES
        self._next = now + pause
        # A search must not fail because its terminal is gone.
        with suppress(OSError, ValueError):
            self._display()

    def stop(self) -> None:
        """Remove the bar, and restore the cursor."""
        if self._bar is not None:
            self._bar.stop()

    def _total(self) -> Tally:
        """Return the counts, including those of other processes."""
        total, board = self.counts(), self._board
        if board is not None:
            total.add(board.read())
        return total

    def _display(self) -> None:
        total = self._total()
        best = "" if self._best.best is None else f", best {self._best.best:.4f}"
        words = f"{total.done:,} of {total.tasks:,} fits, {total.epochs:,} epochs{best}"
        if self._bar is None:
            tell(f"sknethp: {words}, {time.monotonic() - (self._start or 0.0):.0f} s")
        else:
            show_on(self._bar, total.tasks, total.share, words)


def show_on(bar: Bar, total: float, completed: float, words: str) -> None:
    """Show how much of a total is completed, and start the bar the first time."""
    if not bar.task_ids:
        bar.add_task("", total=total, words=words)
        bar.start()
    completed = min(completed, total)
    bar.update(bar.task_ids[0], total=total, completed=completed, words=words)
    bar.refresh()


def new_bar() -> Bar:
    """Return a bar on standard error whose tasks have a field `words`."""
    return Bar(
        BarColumn(20),
        TaskProgressColumn(),
        TextColumn("{task.fields[words]}"),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
        console=Console(stderr=True),
        auto_refresh=False,
        transient=True,
        # Only output to the same terminal is printed above the bar.
        redirect_stdout=_is_terminal(sys.stdout),
    )
