"""One run: folds, proposals, race and clock joined together."""

from __future__ import annotations

from collections.abc import Sequence

from sknethp.estimator.request import Samples
from sknethp.fusion.rounds import Rounds
from sknethp.fusion.summary import Summary
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.clock import Clock
from sknethp.self_tuning.folds import Folds, Splits
from sknethp.self_tuning.plan import make_plan
from sknethp.self_tuning.proposals import Proposals
from sknethp.self_tuning.race import Race
from sknethp.self_tuning.summary import TuningSummary

_N_PLACES = 8
# Seconds that the ensemble takes, at least and for a number that was held out.
_CHOOSING = 0.15, 3e-6


class Tuning:
    """Trains candidates on the folds, as many as the clock or a number allows."""

    def __init__(
        self, samples: Samples, splits: Splits, proposals: Proposals, clock: Clock, seed: int
    ):
        self._proposals, self._clock, self._seed = proposals, clock, seed
        self._fused = Summary()
        self._notes: list[str] = []
        self._candidates: list[Candidate] = []
        self.folds = Folds(samples, splits)
        if clock.max_time < float("inf"):
            with clock.phase("planning"):
                self._plan(samples, splits)

    def _plan(self, samples: Samples, splits: Splits) -> None:
        """Train less where several candidates would not fit the time."""
        clock, n_classes = self._clock, len(samples.classes)
        least, each = _CHOOSING
        wanted = least + each * len(self.folds.held_out) * n_classes
        clock.reserve = min(wanted, 0.2 * clock.max_time)
        first = self._started(1)[0]
        plan = make_plan(first, clock, len(splits))
        self._proposals.plan = plan
        self._notes = plan.notes(len(splits), len(splits[0][0]))
        if plan.n_folds < len(splits) or plan.max_rows is not None:
            self.folds = Folds(samples, plan.splits(splits, self._seed))

    def _started(self, n: int) -> list[Candidate]:
        """Start up to `n` new candidates."""
        start = len(self._candidates)
        return [
            Candidate.start(start + i, proposal, self.folds, self._seed)
            for i, proposal in enumerate(self._proposals.next(self._candidates, n))
        ]

    def run(self, n_candidates: int | None) -> list[Candidate]:
        """Run the race; return all candidates."""

        def propose(candidates: Sequence[Candidate], n: int) -> list[Candidate]:
            if n_candidates is not None:
                n = min(n, n_candidates - len(candidates))
            return self._started(n) if n > 0 else []

        race = Race(propose, Rounds(self._fused), self._clock, _N_PLACES)
        self._candidates = race.candidates
        race.run()
        return race.candidates

    def summary(self) -> TuningSummary:
        """Return what was done, and how long it took."""
        states = [candidate.state for candidate in self._candidates]
        clock = self._clock
        self._fused.seconds = clock.elapsed
        return TuningSummary(
            states={state: states.count(state) for state in dict.fromkeys(states)},
            n_folds=len(self.folds),
            seconds=clock.elapsed,
            seconds_by_phase=dict(clock.spent),
            notes=self._notes,
            fused=self._fused,
        )
