"""Tuning by DeepNetClassifierCV."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import joblib
import numpy as np

from sknethp import DeepNetClassifierCV
from sknethp.cli.errors import failure_in_a_sentence
from sknethp.cli.pipelines import STEP, make_net_pipeline
from sknethp.cli.scoring import Scored, answers_of
from sknethp.cli.search import Task, Tuned, ranked
from sknethp.comparison.scoring import Answered
from sknethp.self_tuning.scoring import decided
from sknethp.training.threads import torch_threads

SECONDS = 60.0


def tuned_by_itself(task: Task, announce: Callable[[str], None]) -> Tuned:
    """Let a net tune itself; after an interrupt, what it has tried by then is used."""
    given = task.arguments
    max_time = SECONDS if given.budget is None else given.budget
    nets = DeepNetClassifierCV(
        max_time=max_time,
        n_candidates=given.candidates,
        cv=task.folds,
        scoring=task.scoring.metrics[task.scoring.chosen],
        memory=task.memory,
        progress=True,
    )
    limit = f"{max_time:g} s" if given.candidates is None else f"{given.candidates} candidates"
    announce(f"tuning itself: {limit}, {given.cv} folds")
    model = make_net_pipeline(nets, task.rows.X, given.seed)
    with _threads(given.jobs), failure_in_a_sentence("search"):
        model.fit(task.rows.X, task.rows.y)
    # The pipeline is for predictions, wherever it is loaded.
    nets = model[STEP].set_params(memory=None, cv=given.cv)
    weights = nets.leaderboard_.set_index("candidate")["weight"]
    return Tuned(
        Scored(model, _of_folds(nets, task), answers_of(model, task.held_out)),
        nets.best_estimator_,
        ranked(nets, task.scoring).assign(weight=weights),
        _notes(nets),
        is_interrupted="interrupted" in nets.summary_.states,
    )


def _threads(n_jobs: int | None) -> AbstractContextManager[None]:
    """Let torch use so many threads, if that is wanted."""
    return nullcontext() if n_jobs is None else torch_threads(joblib.effective_n_jobs(n_jobs))


def _of_folds(nets: Any, task: Task) -> dict[str, np.ndarray]:
    """Return the ensemble's scores in the folds in which it was trained."""
    y, probabilities = task.rows.y, nets.oof_proba_
    found = []
    for _, test in task.folds:
        known = test[~np.isnan(probabilities[test, 0])]
        if len(known):
            own = probabilities[known]
            predicted = nets.classes_[decided(own, nets.threshold_)]
            answers = Answered(nets.classes_, own, predicted)
            found.append(task.scoring.of(answers, task.rows.X.iloc[known], y[known]))
    return {name: np.array([scores[name] for scores in found]) for name in task.scoring.metrics}


def _notes(nets: Any) -> list[str]:
    summary, members = nets.summary_, nets.ensemble_.members
    states = ", ".join(f"{count} {state}" for state, count in summary.states.items())
    notes = [f"{sum(summary.states.values())} candidates ({states})"]
    if len(members) > 1:
        weights = ", ".join(f"{member.weight:.2g}" for member in members)
        notes.append(f"{len(members)} of them predict together, weighted {weights}")
    if summary.notes:
        notes.append(f"to fit the time: {', '.join(summary.notes)}")
    if n_found := summary.fused.found // summary.n_folds:
        notes.append(f"finished in an earlier run: {n_found} of the candidates")
    return notes
