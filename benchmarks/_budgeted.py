"""The classifiers that bench_minute.py compares: those that tune themselves in a given time."""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from _autogluon import AutoGluon, find_version
from _models import REALMLP, Model, make_ours, make_peer, our_version
from _report import package_version

TUNED, BAYES = "DeepNetClassifierCV", "BayesSearchCV"
FLAML, CATBOOST = "FLAML", "CatBoost + Optuna"
AUTOGLUON = {"AutoGluon medium": "medium_quality", "AutoGluon best": "best_quality"}
WARM_UP_SECONDS = 2.0
MORE_THAN_THERE_IS_TIME_FOR = 100_000


@dataclass(frozen=True, eq=False)
class Budgeted(Model):
    """A classifier with a budget, or without one for a default, on this many threads."""

    budget: float | None = None  # in seconds
    build: Callable | None = None  # from a budget and a seed to an unfitted classifier
    own_process: bool = False  # whether each fit starts a process, which no other fit can warm up

    def warm_up(self, X, y):
        """Fit a few rows, in a short time."""
        if not self.own_process:
            (self.build(WARM_UP_SECONDS, 0) if self.build else self.make(0)).fit(X, y)

    def key(self):
        """Return the columns of the results by which a row of this model is found."""
        return {**super().key(), "budget": self.budget, "threads": torch.get_num_threads()}


def build_tuned(seconds, seed):
    """Return nets that tune themselves."""
    from sknethp import DeepNetClassifierCV

    return DeepNetClassifierCV(max_time=seconds, random_state=seed)


def build_search(seconds, seed):
    """Return a Bayesian search of the same nets, which fits the best again."""
    from sknethp import DeepNetClassifier
    from sknethp.model_selection import BayesSearchCV

    return BayesSearchCV(
        DeepNetClassifier(random_state=seed),
        n_iter=MORE_THAN_THERE_IS_TIME_FOR,
        max_time=seconds,
        scoring="neg_log_loss",
        random_state=seed,
    )


def build_flaml(seconds, seed):
    """Return FLAML's AutoML, whose `fit` returns nothing."""
    from flaml import AutoML

    class Flaml(AutoML):
        def fit(self, X, y):
            super().fit(X, y)
            return self

    return Flaml(
        task="classification",
        metric="log_loss",
        time_budget=seconds,
        n_jobs=torch.get_num_threads(),
        seed=seed,
        verbose=0,
    )


def build_catboost(seconds, seed):
    """Return CatBoost tuned by Optuna."""
    from _tuned_catboost import TunedCatBoost

    return TunedCatBoost(seconds, torch.get_num_threads(), seed)


def build_autogluon(python, preset, seconds, seed):
    """Return AutoGluon, which has no seed."""
    return AutoGluon(python, preset, seconds, torch.get_num_threads())


def versions(*names):
    """Return the distributions with their versions, or None where one is not installed."""
    found = [package_version(name) for name in names]
    if "not installed" in found:
        return None
    return ", ".join(f"{name} {version}" for name, version in zip(names, found, strict=True))


def make_models(budget, python=None):
    """Return the models for a budget; `python` is that of AutoGluon's environment.

    One that is not installed can only be found in earlier results.
    """

    def tuned(name, build, version, **other):
        make = version and functools.partial(build, budget)
        return Budgeted(
            name,
            make,
            version,
            label=name,
            counts_if_failed=True,
            budget=budget,
            build=build,
            **other,
        )

    def default(model):
        return Budgeted(**{**vars(model), "counts_if_failed": True})

    # Each hash covers what was imported before, so their order is fixed.
    nets = [
        default(make_ours({}, raw=False)),
        default(make_ours({"ensemble_size": 5}, raw=False, label="DeepNetClassifier x5")),
    ]
    search = tuned(BAYES, build_search, our_version(BAYES, "sknethp.model_selection"))
    best = tuned(TUNED, build_tuned, our_version(TUNED))
    version = python and find_version(python)
    return [
        best,
        search,
        *nets,
        tuned(FLAML, build_flaml, versions("flaml")),
        *(
            tuned(
                name, functools.partial(build_autogluon, python, preset), version, own_process=True
            )
            for name, preset in AUTOGLUON.items()
        ),
        tuned(CATBOOST, build_catboost, versions("catboost", "optuna")),
        default(make_peer(REALMLP)),
    ]
