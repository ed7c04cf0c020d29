"""The race: which candidates train side by side, and which stop before their last epoch."""

from __future__ import annotations

from collections.abc import Callable

from sknethp.fusion.rounds import Rounds
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.clock import Clock
from sknethp.training.epoch import Epoch


class Race:
    """Trains candidates in rounds of an epoch each; those that end make room for new ones.

    `propose` returns up to a number of new candidates, given all so far.
    """

    def __init__(
        self,
        propose: Callable[[list[Candidate], int], list[Candidate]],
        rounds: Rounds,
        clock: Clock,
        n_places: int,
    ):
        self._propose, self._rounds, self._clock = propose, rounds, clock
        self._n_places = n_places
        self.candidates: list[Candidate] = []

    @property
    def running(self) -> list[Candidate]:
        """Those that are not at their end."""
        return [candidate for candidate in self.candidates if candidate.state == "running"]

    def run(self) -> None:
        """Train until there is nothing more to propose."""
        while True:
            self._fill()
            if not self.running:
                return
            self._round(self.running)

    def _fill(self) -> None:
        """Give free places to new candidates, half of the places at a time."""
        n_free = self._n_places - len(self.running)
        if n_free >= self._n_places / 2:
            self.candidates += self._propose(self.candidates, n_free)

    def _round(self, running: list[Candidate]) -> None:
        """Train an epoch of each candidate."""
        start = self._clock.elapsed
        epochs: list[Epoch] = []
        spans = []
        for candidate in running:
            own = candidate.epochs()
            spans.append(slice(len(epochs), len(epochs) + len(own)))
            epochs += own
        results = self._rounds.train(epochs)
        for result in results:
            if isinstance(result, Exception):
                raise result
        now = self._clock.elapsed
        work = [_work(epochs[span]) for span in spans]
        for candidate, span, share in zip(running, spans, work, strict=True):
            candidate.seconds += (now - start) * share / sum(work)
            candidate.record(results[span])
            candidate.ended_at = now


# A step takes as long as this many multiplications of weights with samples, beside its own.
_OVERHEAD = 300_000


def _work(epochs: list[Epoch]) -> int:
    """Return the multiplications of an epoch, those that its overhead is worth included."""
    return sum(
        epoch.n_steps
        * (epoch.network.settings.batch_size * epoch.network.architecture.n_parameters + _OVERHEAD)
        for epoch in epochs
    )
