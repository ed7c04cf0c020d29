"""The race: which candidates train side by side, and which stop before their last epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sknethp.fusion.rounds import Rounds
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.clock import Clock, work_of

# A candidate is started only if it is expected to end within this share of the time left.
_SAFE = 0.95


class Race:
    """Trains candidates in rounds of an epoch each; those that end make room for new ones.

    `propose` returns up to a number of new candidates, given all so far; `ended` is called with
    each one that has come to its end.
    """

    def __init__(
        self,
        propose: Callable[[Sequence[Candidate], int], list[Candidate]],
        rounds: Rounds,
        clock: Clock,
        n_places: int,
        ended: Callable[[Candidate], None] = lambda candidate: None,
    ):
        self._propose, self._rounds, self._clock = propose, rounds, clock
        self._n_places, self._ended = n_places, ended
        self.candidates: list[Candidate] = []
        self._is_full = False

    @property
    def running(self) -> list[Candidate]:
        """Those that are not at their end."""
        return [candidate for candidate in self.candidates if candidate.state == "running"]

    def run(self) -> None:
        """Train until there is nothing more to propose, no time or an interrupt.

        An interrupt before any candidate has results is raised.
        """
        try:
            while True:
                self._fill()
                running = self._affordable()
                if not running:
                    return
                self._round(running)
        except KeyboardInterrupt:
            if all(candidate.best is None for candidate in self.candidates):
                raise
            for candidate in self.running:
                candidate.end("interrupted")

    def _fill(self) -> None:
        """Give free places to new candidates, half of the places at a time."""
        running = self.running
        n_free = self._n_places - len(running)
        if self._is_full or n_free < self._n_places / 2:
            return
        n_before = len(self.candidates)
        with self._clock.phase("proposing"):
            work = sum(candidate.work_left for candidate in running)
            for candidate in self._propose(self.candidates, n_free):
                work += candidate.work_left
                safe = self._clock.seconds_for(work) <= _SAFE * self._clock.left
                if safe or not self.candidates:
                    candidate.number = len(self.candidates)
                    self.candidates.append(candidate)
                else:
                    work -= candidate.work_left
        self._is_full = len(self.candidates) == n_before

    def _affordable(self) -> list[Candidate]:
        """Return those whose next epochs fit the time; the last to start end first.

        The first epoch of all is always trained.
        """
        running = self.running
        while running and self.candidates[0].losses:
            work = sum(candidate.epoch_work for candidate in running)
            if self._clock.seconds_for(work) <= self._clock.left:
                break
            running.pop().end("out of time")
        return running

    def _round(self, running: list[Candidate]) -> None:
        """Train an epoch of each candidate."""
        start = self._clock.elapsed
        own = [candidate.epochs() for candidate in running]
        with self._clock.phase("training"):
            results = iter(self._rounds.train([epoch for epochs in own for epoch in epochs]))
        now = self._clock.elapsed
        work = [work_of(epochs) for epochs in own]
        total = sum(work)
        if total:
            self._clock.measured(now - start, total)
        for candidate, epochs, share in zip(running, own, work, strict=True):
            answers = [next(results) for _ in epochs]
            for answer in answers:
                if isinstance(answer, Exception):
                    raise answer
            candidate.seconds += (now - start) * share / max(total, 1)
            candidate.ended_at = now
            candidate.record(answers)
            if candidate.state != "running":
                self._ended(candidate)
