"""The race: who stops, who does not, and that the others are as they would be by themselves."""

import numpy as np
import pytest

from sknethp.self_tuning import race, tuning
from sknethp.self_tuning.race import is_behind
from tests.self_tuning.test_estimator import X, Y, small_net, tuned, weights_of

SPACE = {"lr": (1e-5, 1e-1, "log-uniform"), "dropout": (0.0, 0.5)}


def raced(**settings):
    return tuned(estimator=small_net(max_epochs=12), space=SPACE, n_candidates=12, **settings)


@pytest.mark.parametrize(
    ("losses", "leader", "expected"),
    [
        ([0.5, 0.5, 0.5], [0.4, 0.4, 0.4], True),
        ([0.6, 0.3, 0.6], [0.4, 0.4, 0.4], False),
        ([0.3, 0.4, 0.4], [0.4, 0.4, 0.4], False),
        ([0.5], [0.4], True),
    ],
)
def test_behind_is_judged_by_the_same_blocks(losses, leader, expected):
    assert is_behind(np.array(losses), np.array(leader)) == expected


@pytest.mark.parametrize("cv", [3, 1])
def test_the_others_train_as_without_a_race(cv, monkeypatch):
    if cv == 1:
        order = np.random.default_rng(0).permutation(len(Y))
        cv = [(order[:130], order[130:])]
    monkeypatch.setattr(race, "_PATIENCE", 1.0)
    nets = raced(cv=cv).fit(X, Y)
    monkeypatch.setattr(race, "_RUNGS", ())
    whole = raced(cv=cv).fit(X, Y)
    assert set(whole.cv_results_["state"]) == {"finished"}
    first = slice(8)  # proposed before any result
    states = nets.cv_results_["state"][first]
    assert {"finished", "behind"} == set(states)
    for name in ("n_epochs", "mean_test_score"):
        same = nets.cv_results_[name][first] == whole.cv_results_[name][first]
        assert same[states == "finished"].all()
    short = nets.cv_results_["n_epochs"][first] < whole.cv_results_["n_epochs"][first]
    assert short[states == "behind"].all()


def test_a_stopped_candidate_has_its_best_epoch(monkeypatch):
    nets = raced(ensemble_size=12).fit(X, Y)
    results = nets.cv_results_
    assert (results["best_epoch"] >= 1).all()
    assert (results["best_epoch"] <= results["n_epochs"]).all()
    assert np.isfinite(results["mean_test_score"]).all()
    assert len(weights_of(nets.best_estimator_.module_))


def test_a_candidate_stops_when_it_is_clearly_past_its_best(monkeypatch):
    rng = np.random.default_rng(0)
    y = np.where(rng.random(len(Y)) < 0.3, 1 - Y, Y)  # noise, which nets learn by heart
    settings = {"estimator": small_net(max_epochs=40, lr=0.02), "n_candidates": 1, "cv": 3}
    nets = tuned(**settings).fit(X, y)
    monkeypatch.setattr(race, "_PATIENCE", 1.0)
    whole = tuned(**settings).fit(X, y)
    assert nets.cv_results_["state"].tolist() == ["no longer improving"]
    assert whole.cv_results_["state"].tolist() == ["finished"]
    assert nets.cv_results_["n_epochs"][0] < 40 == whole.cv_results_["n_epochs"][0]
    assert nets.cv_results_["best_epoch"] == whole.cv_results_["best_epoch"]
    assert nets.best_score_ == whole.best_score_
    np.testing.assert_array_equal(nets.predict_proba(X), whole.predict_proba(X))


@pytest.mark.slow
def test_large_networks_train_fewer_at_a_time(monkeypatch):
    monkeypatch.setattr(race, "_RUNGS", ())
    monkeypatch.setattr(race, "_PATIENCE", 1.0)
    together = raced().fit(X, Y)
    monkeypatch.setattr(tuning, "_PLACES_BYTES", 1)
    apart = raced().fit(X, Y)
    assert len(set(together.evaluated_at_)) < len(set(apart.evaluated_at_)) == 12
    name = "mean_test_score"  # the default's, which does not depend on the others
    assert together.cv_results_[name][0] == apart.cv_results_[name][0]


def test_large_networks_are_kept_of_fewer_candidates(monkeypatch):
    seen = []

    def kept(candidates):
        fitting = first_that_fit(candidates)
        seen.append((len(candidates), len(fitting)))
        return fitting

    first_that_fit = tuning._first_that_fit
    monkeypatch.setattr(tuning, "_first_that_fit", kept)
    many = raced(refit=False).fit(X, Y)
    assert max(n_kept for _, n_kept in seen) == 12
    n_weights = len(weights_of(many.best_estimator_.module_))
    monkeypatch.setattr(tuning, "_KEPT_BYTES", 3 * 4 * n_weights)
    seen.clear()
    few = raced(refit=False).fit(X, Y)
    assert max(n_kept for _, n_kept in seen) in (1, 2, 3)
    assert few.best_params_ == many.best_params_
