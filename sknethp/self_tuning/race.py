"""The race: which candidates train side by side, and which stop before their last epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sknethp.self_tuning.candidate import COMPLETE, Candidate, State
from sknethp.self_tuning.clock import Clock
from sknethp.self_tuning.trainer import RoundTrainer

# Shares of the epochs after which the lowest losses so far are compared, and how many standard
# errors behind the best a candidate must be to stop. Of 36 candidates on each of seven data sets of
# tabular data, these stopped 29, for 29 % of the time; the best that was found had a loss 0.003
# higher, and the ensemble the same.
_RUNGS = 0.1, 0.25, 0.5
_CLEARLY = 1.5
# A candidate also stops when it has not improved for this share of its epochs, and is more standard
# errors than this behind its own best.
_PATIENCE = 0.2
_PAST = 1.0
# Share of a new candidate's work that is expected once there is a finished one: most stop early.
EXPECTED = 0.4
# Share of the time left that may be planned before one is finished, since the pace may drop.
_SAFE = 0.7


def is_behind(losses: np.ndarray, leader: np.ndarray, n_errors: float = _CLEARLY) -> bool:
    """Tell whether losses of the same blocks, ``(n_blocks,)``, are clearly above a leader's."""
    behind = losses - leader
    error = behind.std(ddof=1) / math.sqrt(len(behind)) if len(behind) > 1 else 0.0
    return bool(behind.mean() > n_errors * error)


def no_longer_improves(candidate: Candidate) -> bool:
    """Tell whether a candidate has been clearly worse than its best epoch for long."""
    n_since = len(candidate.losses) - candidate.best_epoch
    if n_since <= _PATIENCE * candidate.n_epochs:
        return False
    return is_behind(candidate.losses[-1], candidate.losses[candidate.best_epoch - 1], _PAST)


class Race:
    """Trains candidates in rounds of an epoch each; those that end make room for new ones.

    `propose` returns up to a number of new candidates, given all so far; `ended` is called with
    each one that has come to its end, `watch` with all after each round.
    """

    def __init__(
        self,
        propose: Callable[[Sequence[Candidate], int], list[Candidate]],
        trainer: RoundTrainer,
        clock: Clock,
        n_places: int,
        ended: Callable[[Candidate], None] = lambda candidate: None,
        watch: Callable[[Sequence[Candidate]], None] = lambda candidates: None,
    ):
        self._propose, self._trainer, self._clock = propose, trainer, clock
        self._n_places, self._ended, self._watch = n_places, ended, watch
        self.candidates: list[Candidate] = []
        self._full_with = math.inf
        self._has_begun = False
        self._leaders: dict[int, np.ndarray] = {}

    @property
    def running(self) -> list[Candidate]:
        """Those that are not at their end."""
        return [candidate for candidate in self.candidates if candidate.state == "running"]

    @property
    def _has_any(self) -> bool:
        """Whether there is something to keep, or will be."""
        return any(c.best is not None or c.state == "running" for c in self.candidates)

    @property
    def _has_finished(self) -> bool:
        return any(c.state in COMPLETE for c in self.candidates)

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
                self._watch(self.candidates)
        except KeyboardInterrupt:
            if all(candidate.best is None for candidate in self.candidates):
                raise
            for candidate in self.running:
                self._end(candidate, "interrupted")

    def _is_behind(self, candidate: Candidate) -> bool:
        """Tell whether a candidate is clearly behind the best at a rung, which it may become."""
        epoch = len(candidate.losses)
        for rung, share in enumerate(_RUNGS):
            if epoch != max(1, math.ceil(share * candidate.n_epochs)):
                continue
            losses = candidate.losses[int(candidate.mean_losses.argmin())]
            leader = self._leaders.get(rung)
            if leader is None or losses.mean() < leader.mean():
                self._leaders[rung] = losses
            elif is_behind(losses, leader):
                return True
        return False

    def _fill(self) -> None:
        """Give free places to new candidates, half of the places at a time."""
        running = self.running
        n_free = self._n_places - len(running)
        if len(running) >= self._full_with or n_free < self._n_places / 2:
            return
        n_before = len(self.candidates)
        with self._clock.phase("proposing"):
            work: float = sum(candidate.work_left for candidate in running)
            expected, share = (EXPECTED, 1.0) if self._has_finished else (1.0, _SAFE)
            for candidate in self._propose(self.candidates, n_free):
                work += expected * candidate.work_left
                fits = self._clock.seconds_for(work) <= share * self._clock.left_for_new
                if fits or not self._has_any:
                    candidate.number = len(self.candidates)
                    self.candidates.append(candidate)
                else:
                    work -= expected * candidate.work_left
        # Those that stop early leave time for others.
        self._full_with = len(running) if len(self.candidates) == n_before else math.inf

    def _affordable(self) -> list[Candidate]:
        """Return those whose next epochs fit the time; the last to start end first.

        The first epoch of all is always trained.
        """
        running = self.running
        while running and self._has_begun:
            work = sum(candidate.epoch_work for candidate in running)
            if self._clock.seconds_for(work) <= self._clock.left:
                break
            self._end(running.pop(), "out of time")
        return running

    def _end(self, candidate: Candidate, state: State) -> None:
        candidate.end(state)
        self._ended(candidate)

    def _round(self, running: list[Candidate]) -> None:
        """Train an epoch of each candidate."""
        with self._clock.phase("proposing"):  # in their first round the networks are made
            own = [candidate.epochs() for candidate in running]
        work = [candidate.epoch_work for candidate in running]
        start = self._clock.elapsed
        with self._clock.phase("training"):
            results = iter(self._trainer.train([epoch for epochs in own for epoch in epochs]))
        self._has_begun = True
        now = self._clock.elapsed
        total = sum(work)
        if total:
            self._clock.measured(now - start, total)
        for candidate, epochs, share in zip(running, own, work, strict=True):
            answers = [answer for _ in epochs if (answer := next(results)) is not None]
            candidate.seconds += (now - start) * share / max(total, 1)
            candidate.ended_at = now
            if len(answers) < len(epochs):
                candidate.end("lost with a worker process")
            else:
                candidate.record(answers)
            if candidate.state == "running" and self._is_behind(candidate):
                candidate.end("behind")
            elif candidate.state == "running" and no_longer_improves(candidate):
                candidate.end("no longer improving")
            if candidate.state != "running":
                self._ended(candidate)
