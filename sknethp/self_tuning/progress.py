"""Progress of a fit: a bar on a terminal, an occasional line elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from rich.progress import Progress as Bar

from sknethp.fusion.progress import new_bar, on_terminal, show_on, tell, wanted
from sknethp.self_tuning.candidate import COMPLETE, Candidate
from sknethp.self_tuning.clock import Clock

_SECONDS_BEFORE = 0.5
_SECONDS_BETWEEN_UPDATES = 0.2
_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows the lowest loss, and how many candidates run and have ended.

    The length of the `bar` is the time, or of a fit of `n_candidates` their number; without a bar,
    lines are printed.
    """

    def __init__(self, clock: Clock, n_candidates: int | None, bar: Bar | None):
        self._clock, self._n_candidates, self._bar = clock, n_candidates, bar
        self._next = clock.elapsed + _SECONDS_BEFORE

    def show(self, candidates: Sequence[Candidate], n_on_all: int = 0) -> None:
        """Show how far the candidates are, unless it was shown a moment ago.

        `n_on_all` networks of theirs are being trained on all samples.
        """
        now = self._clock.elapsed
        if now < self._next:
            return
        pause = _SECONDS_BETWEEN_LINES if self._bar is None else _SECONDS_BETWEEN_UPDATES
        self._next = now + pause
        # A fit must not fail because its terminal is gone.
        with suppress(OSError, ValueError):
            words = _words(candidates, n_on_all)
            if self._bar is None:
                tell(f"sknethp: {words}, {now:.0f} s")
            else:
                self._update(self._bar, candidates, words)

    def _update(self, bar: Bar, candidates: Sequence[Candidate], words: str) -> None:
        total, completed = self._clock.max_time, self._clock.elapsed
        if self._n_candidates is not None:
            total = float(self._n_candidates)
            completed = sum(candidate.progress for candidate in candidates)
        show_on(bar, total, completed, words)


def _words(candidates: Sequence[Candidate], n_on_all: int) -> str:
    states = [candidate.state for candidate in candidates]
    lowest = min((c.lowest for c in candidates if c.lowest == c.lowest), default=float("nan"))
    n_running, n_finished = states.count("running"), sum(map(states.count, COMPLETE))
    stopped = len(states) - n_running - n_finished
    running = f"{n_running} candidates running"
    if n_on_all:
        running = f"{n_on_all} networks of the best on all samples"
    return f"{running}, {n_finished} finished, {stopped} stopped, lowest loss {lowest:.4f}"


@contextmanager
def progress_of(
    progress: bool | None, clock: Clock, n_candidates: int | None
) -> Iterator[Progress | None]:
    """Show progress while the block runs, if wanted; None for only on a terminal."""
    if not wanted(progress):
        yield None
        return
    bar = new_bar() if on_terminal() else None
    try:
        yield Progress(clock, n_candidates, bar)
    finally:
        if bar is not None:
            bar.stop()
