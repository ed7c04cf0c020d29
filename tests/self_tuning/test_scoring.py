"""Any scorer, thresholds, weights, groups and rare classes."""

import warnings

import numpy as np
import pytest
from sklearn import config_context
from sklearn.metrics import (
    balanced_accuracy_score,
    f1_score,
    get_scorer,
    log_loss,
    make_scorer,
    roc_auc_score,
)
from sklearn.model_selection import GroupKFold, RepeatedStratifiedKFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.self_tuning.test_estimator import DIGITS_X, DIGITS_Y, X, Y, small_net, tuned

RARE = np.flatnonzero((Y == 1) | (np.arange(len(Y)) % 6 == 0))


def first_decision(estimator, X, y):
    return float(np.mean(estimator.decision_function(X) * (2 * y - 1)))


@pytest.mark.parametrize(
    "scoring",
    [
        "accuracy",
        "balanced_accuracy",
        "roc_auc",
        "average_precision",
        "f1",
        "neg_brier_score",
        make_scorer(log_loss, greater_is_better=False, response_method="predict_proba"),
        first_decision,
        None,
    ],
)
def test_scorers_for_two_classes(scoring):
    nets = tuned(scoring=scoring, n_candidates=3).fit(X, Y)
    results = nets.cv_results_
    assert np.isfinite(results["mean_test_score"]).all()
    assert nets.best_score_ == results["mean_test_score"].max()
    assert np.isfinite(nets.score(X, Y))


@pytest.mark.parametrize("scoring", ["roc_auc_ovr", "roc_auc_ovo", "f1_macro", "top_k_accuracy"])
def test_scorers_for_several_classes(scoring):
    nets = tuned(scoring=scoring, n_candidates=2).fit(DIGITS_X, DIGITS_Y)
    assert np.isfinite(nets.cv_results_["mean_test_score"]).all()
    assert nets.threshold_ == 0.5


def test_scores_are_those_of_the_scorer():
    nets = tuned(scoring="roc_auc", n_candidates=1, ensemble_size=1, calibrate=False, cv=3)
    nets.fit(X, Y)
    expected = roc_auc_score(Y, nets.oof_proba_[:, 1])
    assert nets.best_score_ == pytest.approx(expected, abs=0.02)
    assert nets.score(X, Y) == get_scorer("roc_auc")(nets, X, Y)


@pytest.mark.parametrize(("scoring", "metric"), [("f1", f1_score), ("balanced_accuracy", None)])
def test_the_threshold_suits_the_metric(scoring, metric):
    metric = metric or balanced_accuracy_score
    labels = 1 - Y[RARE]
    nets = tuned(scoring=scoring, n_candidates=2).fit(X[RARE], labels)
    held_out = nets.oof_proba_[:, 1]
    at_half = metric(labels, held_out > 0.5)
    assert metric(labels, held_out > nets.threshold_) >= at_half
    expected = nets.classes_[(nets.predict_proba(X)[:, 1] > nets.threshold_).astype(int)]
    np.testing.assert_array_equal(nets.predict(X), expected)
    np.testing.assert_array_equal(
        nets.predict(X), nets.classes_[1 * (nets.decision_function(X) > 0)]
    )


def test_accuracy_needs_no_threshold():
    assert tuned(scoring="accuracy", n_candidates=2).fit(X[RARE], Y[RARE]).threshold_ == 0.5


def test_a_scorer_that_fails_everywhere():
    def fails(estimator, X, y):
        raise ValueError("no such number")

    with pytest.warns(UserWarning, match=r"No candidate has a score .*no such number"):
        nets = tuned(scoring=fails, n_candidates=2).fit(X, Y)
    assert np.isnan(nets.best_score_)
    assert nets.predict(X).shape == Y.shape


def test_weights_change_training_and_scores():
    weight = np.where(Y == 1, 5.0, 1.0)
    nets = tuned(n_candidates=1, ensemble_size=1, calibrate=False).fit(X, Y, weight)
    plain = tuned(n_candidates=1, ensemble_size=1, calibrate=False).fit(X, Y)
    assert nets.oof_proba_[:, 1].mean() > plain.oof_proba_[:, 1].mean()
    double = tuned(n_candidates=1, ensemble_size=1, calibrate=False).fit(X, Y, 2 * weight)
    np.testing.assert_allclose(double.oof_proba_, nets.oof_proba_)
    expected = log_loss(Y, nets.oof_proba_, sample_weight=weight)
    assert nets.best_score_ == pytest.approx(-expected, rel=0.02)


def test_class_weight():
    net = small_net(class_weight="balanced")
    balanced = tuned(estimator=net, n_candidates=1, calibrate=False).fit(X[RARE], Y[RARE])
    plain = tuned(n_candidates=1, calibrate=False).fit(X[RARE], Y[RARE])
    assert balanced.oof_proba_[:, 0].mean() > plain.oof_proba_[:, 0].mean()


def test_groups():
    groups = np.arange(len(Y)) % 7
    nets = tuned(cv=GroupKFold(3), n_candidates=1)
    with pytest.raises(ValueError, match="groups"):
        nets.fit(X, Y)
    alone = nets.fit(X, Y, groups=groups).oof_proba_
    pipeline = make_pipeline(StandardScaler(), nets)
    pipeline.fit(X, Y, deepnetclassifiercv__groups=groups)
    np.testing.assert_allclose(nets.oof_proba_, alone, atol=1e-5)
    with config_context(enable_metadata_routing=True):
        nets.set_fit_request(groups=True)
        make_pipeline(StandardScaler(), nets).fit(X, Y, groups=groups)
    np.testing.assert_allclose(nets.oof_proba_, alone, atol=1e-5)


def test_samples_that_are_held_out_never_or_often():
    nets = tuned(cv=ShuffleSplit(2, test_size=0.2, random_state=0), n_candidates=1).fit(X, Y)
    never = np.isnan(nets.oof_proba_).all(axis=1)
    assert 0 < never.sum() < len(Y)
    np.testing.assert_allclose(nets.oof_proba_[~never].sum(axis=1), 1)
    often = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    assert np.isfinite(tuned(cv=often, n_candidates=1).fit(X, Y).oof_proba_).all()


def test_rare_classes_get_fewer_folds():
    labels = Y.copy()
    labels[:2] = 2
    with pytest.warns(UserWarning, match=r"Class 2 has 2 samples, fewer than cv=3 folds") as told:
        nets = tuned(n_candidates=2).fit(X, labels)
    assert len(told) == 1
    assert nets.summary_.n_folds == 2
    labels[0] = 1
    with pytest.warns(UserWarning, match=r"Class 2 has 1 sample, fewer"):
        nets = tuned(n_candidates=2, scoring="roc_auc_ovr").fit(X, labels)
    assert nets.predict_proba(X).shape == (len(Y), 3)
    with pytest.raises(ValueError, match="none of its classes has 2"):
        tuned().fit(X[:3], ["a", "b", "c"])


def test_nothing_is_said_where_all_is_well():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tuned(n_candidates=2).fit(X, Y)
    assert told == []


def test_only_the_ratios_of_weights_matter():
    weight = 0.1 + np.random.default_rng(0).random(len(Y))
    settings = {"estimator": small_net(max_epochs=15, lr=0.02), "n_candidates": 4}
    one, thousand, none = (
        tuned(**settings).fit(X, Y, sample_weight=w) for w in (weight, 1024 * weight, None)
    )
    np.testing.assert_array_equal(one.predict_proba(X), thousand.predict_proba(X))
    for name in ("best_epoch", "n_epochs", "state"):
        assert (one.cv_results_[name] == thousand.cv_results_[name]).all()
    assert not np.array_equal(one.predict_proba(X), none.predict_proba(X))
