"""What to try: the estimator as it is, a portfolio, and then what a model expects to be best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sknethp.hyperparameters import TABLE, check_hyperparameters, hyperparameters_of
from sknethp.hyperparameters.automatic import resolve
from sknethp.model_selection.bayesian.dimensions import subspaces
from sknethp.model_selection.bayesian.proposals import N_DESIGN, RoundOptimizer, own_values
from sknethp.model_selection.checks import check_space
from sknethp.model_selection.spaces import search_space
from sknethp.self_tuning.candidate import Candidate, Proposal
from sknethp.self_tuning.folds import Folds
from sknethp.self_tuning.plan import Plan
from sknethp.self_tuning.portfolio import PORTFOLIO

# What the folds are for, or has no meaning here.
_FIXED = {
    "early_stopping": False,
    "ensemble_size": 1,
    "calibrate": False,
    "warm_start": False,
    "memory": None,
    "verbose": 0,
}

_MOST_MODELLED = 200


class Proposals:
    """Proposes parameters in a `space`, given the results so far."""

    def __init__(self, estimator: Any, space: Any, folds: Folds, seed: int):
        given = {**hyperparameters_of(estimator), **_FIXED}
        n_columns = len(folds.many_valued) if given["embedding"] else 0
        self.own = resolve(given, folds.n_train, n_columns)
        self._seed = seed
        listed: list[dict[str, Any]] = []
        if space is None:
            space = search_space(estimator, "bayes", X=folds.samples.X)
            is_free = {name for name, entry in TABLE.items() if given[name] == entry.default}
            listed = [_only(params, is_free | set(space)) for params in PORTFOLIO]
        self.space = subspaces([space], 1)[0][0] if space else {}
        self._portfolio = [{}, *filter(self._is_valid, listed)]
        self.adapt_to(None)

    def adapt_to(self, plan: Plan | None) -> None:
        """Let a plan change what is proposed from now on."""
        self._plan = plan
        origins = ["default"] + ["portfolio"] * (len(self._portfolio) - 1)
        self._listed = list(map(self._proposal, self._portfolio, origins))

    @staticmethod
    def check(estimator: Any, space: Any) -> None:
        """Reject a space that cannot be searched."""
        if space is not None:
            check_space(estimator, subspaces([space], 1)[0][0], "space")

    def _is_valid(self, params: Mapping[str, Any]) -> bool:
        """Tell whether a portfolio's entry goes with the estimator's own parameters."""
        try:
            check_hyperparameters({**self.own, **params})
        except ValueError:
            return False
        return bool(params)

    def next(self, candidates: Sequence[Candidate], n: int) -> list[Proposal]:
        """Propose up to `n` sets of parameters, none twice."""
        tried = [candidate.proposal.params for candidate in candidates]
        proposals: list[Proposal] = []
        for proposal in self._listed:
            if proposal.params not in tried and len(proposals) < n:
                proposals.append(proposal)
                tried.append(proposal.params)
        if len(proposals) < n and self.space:
            chosen = [proposal.params for proposal in proposals]
            more = self._modelled(candidates, chosen, n - len(proposals))
            outside = _outside_of_best(candidates)
            for params in more:
                whole = {**outside, **params}
                is_valid = self._is_valid(whole)
                proposals.append(self._proposal(whole if is_valid else params, "model"))
        return proposals

    def _proposal(self, params: dict[str, Any], origin: str) -> Proposal:
        parameters = check_hyperparameters({**self.own, **params})
        outside = {name: value for name, value in params.items() if name not in self.space}
        if self._plan is not None:
            changed = self._plan.adapted(parameters)
            params, parameters = {**params, **changed}, {**parameters, **changed}
        return Proposal(params, parameters, origin, outside)

    def _modelled(
        self, candidates: Sequence[Candidate], chosen: list[dict[str, Any]], n: int
    ) -> list[dict[str, Any]]:
        """Return what a Gaussian process expects to be best; `chosen` are new, too."""
        n_all = len(candidates) + len(chosen)
        candidates = _telling(candidates)
        params = [*(candidate.proposal.params for candidate in candidates), *chosen]
        # The first few come from one design, later ones each from other random points.
        seed = self._seed + (n_all if n_all >= N_DESIGN else 0)
        optimizer = RoundOptimizer(list(self.space.values()), random_state=seed % 2**31)
        losses = _losses(candidates)
        losses += [float(np.mean(losses)) if losses else 0.0] * len(chosen)
        optimizer.tell([self._point(each) for each in params], losses)
        names = list(self.space)
        return [dict(zip(names, point, strict=True)) for point in optimizer.ask(n)]

    def _point(self, params: Mapping[str, Any]) -> list[Any]:
        """Return where a candidate is in the space, or next to it."""
        values = own_values(_Values({**self.own, **params}), self.space)
        return [
            values.get(name, dimension.rvs(1, random_state=0)[0])
            for name, dimension in self.space.items()
        ]


def _telling(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the best and the latest candidates: a model of more takes longer than training."""
    if len(candidates) <= _MOST_MODELLED:
        return list(candidates)
    latest = candidates[-_MOST_MODELLED // 2 :]
    earlier = candidates[: -_MOST_MODELLED // 2]
    best = np.argsort(_losses(earlier), kind="stable")[: _MOST_MODELLED // 2]
    return [*(earlier[i] for i in sorted(best.tolist())), *latest]


def _outside_of_best(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """Return what the best candidate so far sets beside what is searched: others keep it."""
    losses = np.array([candidate.lowest for candidate in candidates])
    if not np.isfinite(losses).any():
        return {}
    return candidates[int(np.nanargmin(losses))].proposal.outside


def _only(params: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Leave out of a portfolio's entry what the user has chosen."""
    return {name: value for name, value in params.items() if name in names}


class _Values:
    """Parameters in the form of an estimator."""

    def __init__(self, params: dict[str, Any]):
        self._params = params

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return self._params


def _losses(candidates: Sequence[Candidate]) -> list[float]:
    """Return each candidate's loss; one that failed has the worst of those that did not."""
    losses = np.array([candidate.lowest for candidate in candidates])
    worst = np.nanmax(losses) if np.isfinite(losses).any() else 0.0
    return np.where(np.isfinite(losses), losses, worst).tolist()
