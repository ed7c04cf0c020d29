"""One run: folds, proposals, race, clock and memory joined together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from sknethp.estimator.devices import resolve_device
from sknethp.estimator.prediction import probabilities
from sknethp.estimator.request import Samples
from sknethp.fusion.helpers import are_ready
from sknethp.fusion.scheduler import Scheduler
from sknethp.self_tuning.candidate import COMPLETE, Candidate, Proposal
from sknethp.self_tuning.choice import Choice
from sknethp.self_tuning.clock import Clock
from sknethp.self_tuning.folds import Folds, Splits
from sknethp.self_tuning.kept import KEPT_STATES, Kept
from sknethp.self_tuning.plan import make_plan
from sknethp.self_tuning.progress import Progress, progress_of
from sknethp.self_tuning.proposals import Proposals
from sknethp.self_tuning.race import EXPECTED, Race
from sknethp.self_tuning.refit import Refit, refitted, those_that_fit, work_on_all
from sknethp.self_tuning.scoring import Scorer
from sknethp.self_tuning.summary import TuningSummary
from sknethp.self_tuning.trained import Trained, trained
from sknethp.self_tuning.trainer import RoundTrainer
from sknethp.session import current_shared_session

# Candidates side by side, in all or for each process, and bytes of their networks: each is there
# about eight times, with its moments, its best epoch, and what a population has of it.
_N_PLACES = 8
_PLACES_OF_A_PROCESS = 4
_PLACES_BYTES = 2 * 1024**3
_COPIES = 8
# Seconds that the ensemble takes, at least and for a number that was held out.
_CHOOSING = 0.15, 3e-6
# Share of the time that may be reserved for networks on all samples, of so many candidates.
_MOST_FOR_REFITS = 0.25
_LIKELY_MEMBERS = 4
# Numbers in a table of which only one fold is tried to measure the pace.
_LARGE = 5_000_000
# Worker processes join in if at least so many seconds are left, by whether they are ready, and
# rounds without them take longer than to send the networks' states.
_WORTH_WORKERS = {True: 2.0, False: 10.0}
_WORTH_SENDING = 0.05
# Candidates whose networks are kept until the end, by loss and by score, and their bytes.
_N_KEPT = 30
_KEPT_BYTES = 1024**3


def _mean_score(candidate: Candidate) -> float:
    """Return the mean of a candidate's scores, or what is lower than any."""
    mean = np.nan if candidate.scores is None else candidate.scores.mean()
    return float(mean) if np.isfinite(mean) else -np.inf


def _first_that_fit(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Return as many of the candidates as are kept; the first one always is."""
    sizes = np.cumsum([candidate.best.n_bytes for candidate in candidates if candidate.best])
    n_fitting = int(np.searchsorted(sizes, _KEPT_BYTES, side="right"))
    return candidates[: max(1, min(_N_KEPT, n_fitting))]


class Tuning:
    """Trains candidates on the folds, as many as the clock or a number allows."""

    def __init__(
        self,
        estimator: Any,
        space: Any,
        samples: Samples,
        splits: Splits,
        clock: Clock,
        seed: int,
        scoring: Any,
        calibrate: bool = True,
        memory: Any = None,
        progress: bool | None = None,
        refit: bool = False,
        n_processes: int = 1,
    ):
        self._clock, self._seed, self._calibrate, self._refit = clock, seed, calibrate, refit
        self._trainer, self._progress = RoundTrainer(), progress
        self._notes: list[str] = []
        self._candidates: list[Candidate] = []
        self._n_candidates: int | None = None
        self.folds = Folds(samples, splits)
        self.proposals = Proposals(estimator, space, self.folds, seed)
        on_cpu = resolve_device(self.proposals.own["device"]).type == "cpu"
        self._n_processes = n_processes if on_cpu else 1
        self._is_decided = self._n_processes == 1
        if clock.max_time < float("inf"):
            with clock.phase("planning"):
                splits = self._planned(samples, splits)
        self._kept = Kept(memory, samples, splits, seed, calibrate)
        self.scorer = Scorer(scoring, self.folds, samples.X)

    def _planned(self, samples: Samples, splits: Splits) -> Splits:
        """Train less where several candidates would not fit the time; return the folds."""
        clock, (least, each) = self._clock, _CHOOSING
        wanted = least + each * len(self.folds.held_out) * len(samples.classes)
        clock.reserve = min(wanted, 0.2 * clock.max_time)
        (first,) = self.proposals.next([], 1)
        is_large = samples.X.shape[0] * samples.X.shape[1] > _LARGE
        probed = self.folds.of(splits[:1]) if is_large else self.folds
        start = Candidate.start(0, first, probed, self._seed)
        n_processes = self._n_processes if self._is_worth_workers(clock.left) else 1
        plan = make_plan(start, clock, len(splits), n_processes)
        self.proposals.adapt_to(plan)
        self._notes = plan.notes(len(splits), len(splits[0][0]))
        if plan.n_folds < len(splits) or plan.max_rows is not None:
            splits = plan.splits(splits, self._seed)
            self.folds = self.folds.of(splits)
        return splits

    def _reserve_for_refits(self) -> None:
        """Keep new candidates from taking the time in which the best are trained on all samples.

        Before there are several to choose from, another candidate is worth more.
        """
        complete = [c for c in self._candidates if c.state in COMPLETE and c.best is not None]
        if not self._refit or len(complete) < _LIKELY_MEMBERS:
            return
        likely = sorted(complete, key=lambda candidate: candidate.lowest)[:_LIKELY_MEMBERS]
        work = [work_on_all(candidate, self.folds) for candidate in likely] * len(self.folds)
        clock = self._clock
        fitting = those_that_fit(work, clock, _MOST_FOR_REFITS * clock.max_time)
        clock.reserve_for_refits = clock.seconds_for(sum(work[i] for i in fitting))

    def _shown(self) -> AbstractContextManager[Progress | None]:
        """Show progress in a block, if wanted."""
        return progress_of(self._progress, self._clock, self._n_candidates)

    def run(self, n_candidates: int | None) -> list[Candidate]:
        """Run the race; return all candidates."""
        self._n_candidates = n_candidates

        def propose(candidates: Sequence[Candidate], n: int) -> list[Candidate]:
            if n_candidates is not None:
                n = min(n, n_candidates - len(candidates))
            proposals = self.proposals.next(candidates, n) if n > 0 else []
            return [self._started(len(candidates), proposal) for proposal in proposals]

        with self._shown() as progress:

            def watch(candidates: Sequence[Candidate]) -> None:
                self._consider_workers(candidates)
                if progress is not None:
                    progress.show(candidates)

            places = self._n_places()
            race = Race(propose, self._trainer, self._clock, places, self._ended, watch)
            self._candidates = race.candidates
            race.run()
        return race.candidates

    def _is_worth_workers(self, seconds: float) -> bool:
        """Tell whether worker processes pay off for so much work."""
        return seconds >= _WORTH_WORKERS[are_ready(self._n_processes - 1)]

    def _consider_workers(self, candidates: Sequence[Candidate]) -> None:
        """Start worker processes once it is known that enough is left for them to do."""
        if self._is_decided:
            return
        clock, has_end = self._clock, self._n_candidates is None
        running = [candidate for candidate in candidates if candidate.state == "running"]
        work = EXPECTED * sum(candidate.work_left for candidate in running)
        is_worth = self._is_worth_workers(clock.left if has_end else clock.seconds_for(work))
        self._is_decided = is_worth or has_end  # otherwise those to come may take longer
        of_a_round = clock.seconds_for(sum(candidate.epoch_work for candidate in running))
        if is_worth and of_a_round >= _WORTH_SENDING:
            self._trainer.start_workers(self._n_processes - 1)

    def close(self) -> None:
        """Let the worker processes go."""
        self._trainer.close()

    def _n_places(self) -> int:
        """Return how many candidates train side by side: fewer where their networks are large."""
        (first,) = self.proposals.next([], 1)
        request = next(self.folds.requests(first.parameters, 0))
        n_bytes = 4 * len(self.folds) * request.architecture.n_parameters
        wanted = _N_PLACES
        if self._n_candidates is None:  # otherwise results would depend on the number of processes
            wanted = max(wanted, _PLACES_OF_A_PROCESS * self._n_processes)
        return int(np.clip(_PLACES_BYTES // (_COPIES * n_bytes), 1, wanted))

    def _started(self, number: int, proposal: Proposal) -> Candidate:
        """Start a candidate, or recall one."""
        requests = list(self.folds.requests(proposal.parameters, self._seed))
        kept = self._kept.recall(proposal.parameters, requests, len(self.folds.held_out))
        return Candidate.start(number, proposal, self.folds, self._seed, kept, self._calibrate)

    def trained(self, choice: Choice, instead: bool) -> dict[int, Trained]:
        """Return the networks of the chosen candidates, after some are trained on all samples.

        These join those of the folds, or are there `instead`.
        """
        order = dict.fromkeys([choice.best_index, *choice.members])
        chosen = {i: self._candidates[i] for i in order}
        refits: dict[int, Refit] = {}
        if self._refit and all(c.state != "interrupted" for c in self._candidates):
            refits = self._refits(list(chosen.values()))
        return {i: trained(c, refits.get(c.number), instead) for i, c in chosen.items()}

    def _refits(self, chosen: list[Candidate]) -> dict[int, Refit]:
        """Train networks of the chosen candidates on all samples."""
        clock, most = self._clock, self._n_places() * len(self.folds)
        with clock.phase("refitting"), self._shown() as progress:
            watch = partial(progress.show, self._candidates) if progress else lambda n: None
            return refitted(chosen, self.folds, self._trainer, clock, self._seed, most, watch)

    def _ended(self, candidate: Candidate) -> None:
        """Score a candidate and keep it; forget networks that will not be in the ensemble."""
        if candidate.best is not None:
            held_out = probabilities(self.folds.objective, candidate.best.logits)
            candidate.scores = self.scorer.of_folds(held_out)
        if candidate.kept is not None:
            self._trainer.summary.found += len(self.folds)
        elif candidate.state in KEPT_STATES:
            self._kept.keep(candidate.proposal.parameters, candidate.to_keep())
        self._forget_worst()
        self._reserve_for_refits()

    def _forget_worst(self) -> None:
        """Forget the networks of all but the best candidates, by loss or by score."""
        known = [c for c in self._candidates if c.state != "running" and c.best is not None]
        by_score = _first_that_fit(sorted(known, key=_mean_score, reverse=True))
        by_loss = _first_that_fit(sorted(known, key=lambda candidate: candidate.lowest))
        for candidate in known:
            if candidate not in by_score and candidate not in by_loss:
                candidate.best = None

    def summary(self) -> TuningSummary:
        """Return what was done, and how long it took."""
        states = [candidate.state for candidate in self._candidates]
        clock = self._clock
        self._trainer.summary.seconds = clock.elapsed
        if isinstance(session := current_shared_session(), Scheduler):
            session.count_inner(self._trainer.summary)
        return TuningSummary(
            states={state: states.count(state) for state in dict.fromkeys(states)},
            n_folds=len(self.folds),
            seconds=clock.elapsed,
            seconds_by_phase=dict(clock.spent),
            notes=self._notes,
            fused=self._trainer.summary,
        )
