"""Networks of the chosen candidates on all samples, beside those of the folds or instead."""

import numpy as np
import pytest
import torch

from sknethp.estimator.fitting import fit_network
from sknethp.self_tuning import refit as refit_module
from sknethp.self_tuning import tuning as tuning_module
from sknethp.self_tuning.clock import Clock
from sknethp.self_tuning.refit import refitted, those_that_fit
from sknethp.training.threads import one_torch_thread
from tests.self_tuning.test_estimator import DIGITS_X, DIGITS_Y, X, Y, small_net, tuned, weights_of

N_FOLDS = 3


@pytest.fixture
def refits(monkeypatch):
    """What was trained on all samples by the last fit."""
    found = {}

    def kept(*arguments):
        found.clear()
        found.update(refitted(*arguments))
        return found

    monkeypatch.setattr(tuning_module, "refitted", kept)
    return found


def sizes(nets):
    return {len(member.modules) for member in nets.ensemble_.members}


def test_they_join_those_of_the_folds_or_replace_them():
    both, instead, none = (tuned(refit=refit).fit(X, Y) for refit in ("both", True, False))
    assert sizes(both) == {2 * N_FOLDS}
    assert sizes(instead) == sizes(none) == {N_FOLDS}
    for other in (both, instead):
        np.testing.assert_array_equal(other.oof_proba_, none.oof_proba_)
        assert not np.array_equal(other.predict_proba(X), none.predict_proba(X))
    for whole, of_folds, of_all in zip(
        *(nets.ensemble_.members for nets in (both, none, instead)), strict=True
    ):
        modules = [*of_folds.modules, *of_all.modules]
        for module, expected in zip(whole.modules, modules, strict=True):
            np.testing.assert_array_equal(weights_of(module), weights_of(expected))
    epochs = instead.cv_results_["best_epoch"][instead.best_index_]
    assert instead.best_estimator_.n_iter_ == epochs
    best = both.best_estimator_
    assert best.ensemble_size == 2 * N_FOLDS
    assert best.score(X, Y) > 0.9


@pytest.mark.parametrize("calibrate", [True, False])
@pytest.mark.parametrize("schedule", ["cosine", pytest.param("plateau", marks=pytest.mark.slow)])
def test_each_is_what_a_fit_to_all_samples_gives(calibrate, schedule, refits):
    net = small_net(dropout=0.2, max_epochs=25, lr_schedule=schedule)
    nets = tuned(estimator=net, calibrate=calibrate).fit(DIGITS_X, DIGITS_Y)
    assert len(refits) >= len(nets.ensemble_.members)
    for number, refit in refits.items():
        assert refit.request.n_epochs == nets.cv_results_["best_epoch"][number]
        assert len(refit.request.train.index) == len(DIGITS_Y)
        with one_torch_thread():
            (alone,) = fit_network(refit.request, None).networks
        first, second, _ = refit.networks
        hidden = slice(0, alone.architecture.parameters[0].shape[0])
        assert torch.equal(first.parameters[hidden], alone.parameters[hidden])
        assert torch.equal(first.parameters, alone.parameters) != calibrate
        assert not torch.equal(second.parameters[hidden], alone.parameters[hidden])
        assert [row["epoch"] for row in refit.history] == list(range(1, refit.request.n_epochs + 1))


def test_auto_stands_for_what_suited_the_folds(refits):
    n_samples = 1100  # folds of fewer than 1,000 samples have other defaults
    rows = np.arange(n_samples) % len(Y)
    net = small_net(batch_size="auto", max_epochs=2)
    tuned(estimator=net, n_candidates=1).fit(X[rows], Y[rows])
    (refit,) = refits.values()
    assert refit.request.settings.batch_size == 32


def test_those_that_diverge_are_left_out(monkeypatch):
    own = refit_module.NetworkFit

    def spoilt(*arguments):
        training = own(*arguments)
        if len(created) < 2:
            training.network.parameters[:] = np.inf
        created.append(training)
        return training

    created = []
    monkeypatch.setattr(refit_module, "NetworkFit", spoilt)
    nets = tuned(n_candidates=1).fit(X, Y)
    assert len(created) == N_FOLDS
    assert sizes(nets) == {N_FOLDS + 1}
    assert np.isfinite(nets.predict_proba(X)).all()


def test_an_interrupt_keeps_those_that_have_ended(monkeypatch):
    own = refit_module._round
    n_rounds = []

    def interrupted(*arguments):
        n_rounds.append(len(n_rounds))
        if len(n_rounds) > shortest:
            raise KeyboardInterrupt
        return own(*arguments)

    kept = tuned(n_candidates=4).fit(X, Y)
    epochs = [kept.cv_results_["best_epoch"][m.candidate] for m in kept.ensemble_.members]
    shortest = min(epochs)
    monkeypatch.setattr(refit_module, "_round", interrupted)
    nets = tuned(n_candidates=4).fit(X, Y)
    expected = [N_FOLDS * (1 + (epoch == shortest)) for epoch in epochs]
    assert [len(member.modules) for member in nets.ensemble_.members] == expected


def test_what_does_not_fit_the_time_is_left_out():
    clock = Clock(100)
    clock.measured(1.0, 1)
    assert those_that_fit([4, 9, 3, 1], clock, 8) == [0, 2, 3]
    assert those_that_fit([9, 9], clock, 8) == []


@pytest.mark.parametrize(
    ("n_candidates", "refit", "is_reserved"),
    [(8, "both", True), (8, True, True), (8, False, False), (3, "both", False)],
)
def test_time_is_reserved_once_there_are_several(n_candidates, refit, is_reserved, monkeypatch):
    clocks = []
    own = tuning_module.Tuning.trained

    def seen(self, *arguments, **named):
        clocks.append(self._clock)
        return own(self, *arguments, **named)

    monkeypatch.setattr(tuning_module.Tuning, "trained", seen)
    nets = tuned(n_candidates=n_candidates, refit=refit).fit(X, Y)
    (clock,) = clocks
    assert (nets.summary_.n_complete >= 4) == (n_candidates == 8)
    assert (clock.reserve_for_refits > 0) == is_reserved


def test_new_candidates_leave_what_is_reserved():
    clock = Clock(100)
    clock.reserve, clock.reserve_for_refits = 10, 20
    assert clock.left_for_new == pytest.approx(70, abs=1)
    assert clock.left == pytest.approx(90, abs=1)


@pytest.mark.parametrize("refit", ["no", 1, None])
def test_other_values_are_refused(refit):
    with pytest.raises(ValueError, match=r"refit=.*must be True or False, or 'both'"):
        tuned(refit=refit).fit(X, Y)
