"""A fit that was killed goes on where it was, with the same result."""

from copy import deepcopy

import numpy as np
import pytest

from sknethp.self_tuning import tuning
from tests.self_tuning.test_estimator import X, Y, n_on_all_samples, tuned, weights_of


class Killed(BaseException):
    """What ends a fit like a kill."""


def kill_after(n, monkeypatch):
    """End a fit when `n` candidates are kept."""
    own, left = tuning.Kept.keep, [n]

    def keep(self, *args):
        own(self, *args)
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    monkeypatch.setattr(tuning.Kept, "keep", keep)


@pytest.mark.parametrize("n_kept", [1, 8, 13])
def test_it_goes_on(n_kept, tmp_path, monkeypatch):
    settings = {"n_candidates": 14, "cv": 3}
    whole = tuned(**settings).fit(X, Y)
    with monkeypatch.context() as patch:
        kill_after(n_kept, patch)
        with pytest.raises(Killed):
            tuned(**settings, memory=tmp_path).fit(X, Y)
    files = {path.name for path in tmp_path.rglob("*.npz")}
    assert len(files) == n_kept
    again = tuned(**settings, memory=tmp_path).fit(X, Y)
    assert_same(again, whole)
    assert again.summary_.fused.found == 3 * n_kept
    third = tuned(**settings, memory=tmp_path).fit(X, Y)
    assert_same(third, whole)
    assert third.summary_.fused.fits == n_on_all_samples(third)


def assert_same(nets, others):
    np.testing.assert_array_equal(nets.predict_proba(X), others.predict_proba(X))
    np.testing.assert_array_equal(nets.oof_proba_, others.oof_proba_)
    assert nets.best_params_ == others.best_params_
    for name, column in nets.cv_results_.items():
        if not name.endswith("_time"):
            np.testing.assert_array_equal(column, others.cv_results_[name])
    best, other = nets.best_estimator_, others.best_estimator_
    np.testing.assert_array_equal(weights_of(best.module_), weights_of(other.module_))
    assert best.history_ == other.history_
    best, other = (deepcopy(net).partial_fit(X, Y) for net in (best, other))
    np.testing.assert_array_equal(weights_of(best.module_), weights_of(other.module_))


def test_other_data_or_seeds_are_other_candidates(tmp_path):
    tuned(n_candidates=2, memory=tmp_path).fit(X, Y)
    for other in (
        tuned(n_candidates=2, memory=tmp_path, random_state=1).fit(X, Y),
        tuned(n_candidates=2, memory=tmp_path).fit(X * 2, Y),
        tuned(n_candidates=2, memory=tmp_path, cv=2).fit(X, Y),
    ):
        assert other.summary_.fused.found == 0


def test_what_cannot_be_read_is_trained_again(tmp_path):
    nets = tuned(n_candidates=2, memory=tmp_path).fit(X, Y)
    first, second = sorted(tmp_path.rglob("*.npz"))
    first.write_bytes(second.read_bytes()[:100])
    with pytest.warns(UserWarning, match="A candidate is trained again"):
        again = tuned(n_candidates=2, memory=tmp_path).fit(X, Y)
    assert_same(again, nets)


def test_diverged_candidates_are_kept(tmp_path):
    space = {"lr": (1e-3, 1e36, "log-uniform")}
    with np.errstate(all="ignore"):
        nets = tuned(space=space, memory=tmp_path, refit=False).fit(X, Y)
    assert "diverged" in nets.cv_results_["state"]
    again = tuned(space=space, memory=tmp_path, refit=False).fit(X, Y)
    assert again.summary_.fused.fits == 0
    assert_same(again, nets)


def test_a_memory_needs_a_seed(tmp_path):
    with pytest.warns(UserWarning, match="set random_state to a number"):
        tuned(n_candidates=1, random_state=None, memory=tmp_path).fit(X, Y)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot be written"):
        tuned(memory=tmp_path / "file").fit(X, Y)
