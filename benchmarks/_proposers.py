"""What bench_search_efficiency.py compares: ways to propose what to evaluate next."""

import numpy as np
import skopt
from skopt.space import Categorical, Integer, Space

from sknethp.model_selection.bayesian.dimensions import subspaces
from sknethp.model_selection.bayesian.patched import Proposals
from sknethp.model_selection.bayesian.proposals import RoundOptimizer


class RandomProposals:
    """Candidates drawn from the space."""

    def __init__(self, space, seed):
        self._names = list(space)
        self._space = Space(list(space.values()))
        self._rng = np.random.RandomState(seed)

    def next(self, n):
        """Return `n` candidates."""
        points = self._space.rvs(n, random_state=self._rng)
        return [
            {name: plain(value) for name, value in zip(self._names, point, strict=True)}
            for point in points
        ]

    def learn(self, scores):
        """Take the scores of the candidates returned last."""


class OptunaProposals:
    """Candidates of Optuna's tree-structured Parzen estimator, with its defaults."""

    def __init__(self, space, seed):
        try:
            import optuna
        except ImportError:
            raise SystemExit("TPE is Optuna's: pip install optuna, or leave it out.") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._distributions = {
            name: optuna_distribution(optuna.distributions, dim) for name, dim in space.items()
        }
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._worst = None

    def next(self, n):
        """Return `n` candidates."""
        self._trials = [self._study.ask(self._distributions) for _ in range(n)]
        return [dict(trial.params) for trial in self._trials]

    def learn(self, scores):
        """Take the scores of the candidates returned last; what failed counts as the worst."""
        worked = [score for score in scores if np.isfinite(score)]
        known = worked if self._worst is None else [*worked, self._worst]
        self._worst = min(known, default=0.0)
        for trial, score in zip(self._trials, scores, strict=True):
            self._study.tell(trial, float(score) if np.isfinite(score) else self._worst)


def optuna_distribution(distributions, dim):
    """Return Optuna's distribution for a dimension of scikit-optimize."""
    if isinstance(dim, Categorical):
        return distributions.CategoricalDistribution(list(dim.categories))
    kind = (
        distributions.IntDistribution
        if isinstance(dim, Integer)
        else distributions.FloatDistribution
    )
    return kind(dim.low, dim.high, log=dim.prior == "log-uniform")


def plain(value):
    """Return a Python number for one of NumPy's."""
    return value.item() if isinstance(value, np.generic) else value


def make_proposer(name, task, seed):
    """Return what proposes candidates for a task.

    Parameters
    ----------
    name : str
        Of NAMES.
    task : Task
    seed : int

    Returns
    -------
    object
        With the methods `next`, which returns candidates, and `learn`, which takes scores.
    """
    (space, _), *_ = subspaces(task.space, 1)
    if name == RANDOM:
        return RandomProposals(space, seed)
    if name == TPE:
        return OptunaProposals(space, seed)
    dimensions = list(space.values())
    if name == SKOPT:
        return Proposals(list(space), skopt.Optimizer(dimensions, random_state=seed))
    first = task.own if name == OURS else None
    return Proposals(list(space), RoundOptimizer(dimensions, first, random_state=seed))


RANDOM, OURS, DRAWN, SKOPT, TPE = "random", "ours", "ours-drawn", "skopt", "tpe"
# Candidates a round: of MLPClassifier, and of nets that are trained together.
POINTS = {RANDOM: (8, 8), OURS: (8, 8), DRAWN: (8, 8), SKOPT: (1, 8), TPE: (1, 8)}
