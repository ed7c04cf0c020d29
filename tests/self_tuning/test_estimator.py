"""DeepNetClassifierCV: what it finds, and that its parts agree with ordinary fits."""

import pickle

import numpy as np
import pytest
from pandas import DataFrame, Series
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sknethp import DeepNetClassifier, DeepNetClassifierCV, fused
from sknethp.display import SearchDisplay
from sknethp.self_tuning.choice import OF_BAGS
from tests.helpers import BREAST_CANCER, DIGITS, small_net

X, Y = StandardScaler().fit_transform(BREAST_CANCER[0]), BREAST_CANCER[1]
DIGITS_X, DIGITS_Y = DIGITS[0] / 16, DIGITS[1]
SPACE = {"lr": (1e-3, 1e-1, "log-uniform"), "dropout": (0.0, 0.5)}


def tuned(**settings):
    given = {"estimator": small_net(), "space": SPACE, "n_candidates": 6, "cv": 3}
    return DeepNetClassifierCV(**{**given, "random_state": 0, **settings})


@pytest.fixture(scope="module")
def nets():
    return tuned().fit(X, Y)


def n_on_all_samples(nets):
    """Return how many networks a fit of three folds has trained on all samples."""
    chosen = {member.candidate for member in nets.ensemble_.members} | {nets.best_index_}
    return 3 * len(chosen)


def weights_of(module):
    return np.concatenate([value.numpy().ravel() for value in module.state_dict().values()])


@pytest.mark.parametrize("random_state", [0, 1])
def test_a_candidate_is_trained_as_by_itself(random_state):
    train, test = next(StratifiedKFold(3, shuffle=True, random_state=5).split(X, Y))
    net = small_net(restore_best=True, calibrate=False, dropout=0.2)
    settings = {"n_candidates": 1, "calibrate": False, "refit": False}
    settings["random_state"] = random_state
    one = tuned(estimator=net, cv=[(train, test)], **settings)
    found = one.fit(X, Y).best_estimator_
    alone = net.fit(X[train], Y[train], X_val=X[test], y_val=Y[test])
    same = np.array_equal(weights_of(found.module_), weights_of(alone.module_))
    assert same == (random_state == 0)
    assert found.best_epoch_ == alone.best_epoch_ or not same


def test_the_best_by_itself_is_no_larger_than_its_weights():
    nets = tuned(refit=False).fit(X, Y)
    n_bytes = sum(value.nbytes for value in nets.best_estimator_.module_.state_dict().values())
    assert n_bytes < len(pickle.dumps(nets.best_estimator_)) < n_bytes + 30_000
    wide = tuned(estimator=small_net(hidden_units=512), n_candidates=1).fit(X, Y).best_estimator_
    n_bytes = sum(value.nbytes for value in wide.module_.state_dict().values())
    assert n_bytes < len(pickle.dumps(wide)) < 1.05 * n_bytes
    more = pickle.loads(pickle.dumps(wide))
    assert more.net_.module is more.net_.module_
    proba = wide.partial_fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(more.partial_fit(X, Y).predict_proba(X), proba)


def test_where_all_diverge_it_says_what_may_help():
    net = small_net(optimizer="sgd", lr=1e30)
    with pytest.raises(ValueError, match=r"lr\) from 1e\+30 to 1e\+30\. Lower lr.*gradient_clip"):
        tuned(estimator=net, space={"dropout": (0.0, 0.5)}, n_candidates=2).fit(X, Y)


def test_results_have_what_a_candidate_does_not_set(nets):
    assert nets.cv_results_["params"][0] == {}
    assert nets.cv_results_["param_lr"][0] == 1e-3  # what "auto" stands for
    assert SearchDisplay.from_search(nets).candidates.values["lr"][0] == 1e-3


def test_results(nets):
    results = nets.cv_results_
    assert len(results["params"]) == 6
    assert results["params"][0] == {}
    np.testing.assert_allclose(results["mean_test_score"].max(), nets.best_score_)
    assert results["rank_test_score"][nets.best_index_] == 1
    assert nets.best_params_ == results["params"][nets.best_index_]
    assert set(results["state"]) == {"finished", "behind"}
    is_finished = results["state"] == "finished"
    assert (results["n_epochs"][is_finished] == results["max_epochs"][is_finished]).all()
    assert (results["n_epochs"][~is_finished] < results["max_epochs"][~is_finished]).all()
    board = nets.leaderboard_
    assert board["score"].is_monotonic_decreasing
    np.testing.assert_allclose(board["weight"].sum(), 1)
    members = {member.candidate: member.weight for member in nets.ensemble_.members}
    weights = board.set_index("candidate")["weight"]
    assert members == weights[weights > 0].to_dict()


def test_held_out_predictions_are_those_of_the_fold_networks(nets):
    probabilities = np.zeros((len(Y), 2))
    folds = StratifiedKFold(3, shuffle=True, random_state=fold_seed(0)).split(X, Y)
    for i, (_, test) in enumerate(folds):
        for member in nets.ensemble_.members:
            alone = type(member)(member.candidate, member.params, 1.0, [member.modules[i]])
            one = type(nets.ensemble_)([alone], 1.0, nets.ensemble_.objective)
            probabilities[test] += member.weight * one.predict_proba(X[test].astype(np.float32))
    logits = np.log(probabilities) * OF_BAGS / nets.ensemble_.temperature
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(nets.oof_proba_, expected, atol=1e-5)


def fold_seed(random_state):
    return int(np.random.RandomState(random_state).randint(2**31 - 1))


def test_the_ensemble_is_no_worse_than_its_best_candidate(nets):
    assert -log_loss(Y, nets.oof_proba_) >= nets.best_score_


def test_the_same_again(nets):
    again = tuned().fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), nets.predict_proba(X))
    other = tuned(random_state=1).fit(X, Y)
    assert not np.array_equal(other.predict_proba(X), nets.predict_proba(X))


def test_copies_predict_the_same(nets):
    copied = pickle.loads(pickle.dumps(nets))
    np.testing.assert_array_equal(copied.predict_proba(X), nets.predict_proba(X))
    assert not hasattr(clone(nets), "ensemble_")


def test_candidates_are_calibrated_on_what_was_held_out():
    settings = {"n_candidates": 1, "ensemble_size": 1}
    net = small_net(max_epochs=40, lr=0.02, label_smoothing=0.0)
    found = tuned(estimator=net, **settings).fit(X, Y)
    plain = tuned(estimator=net, calibrate=False, **settings).fit(X, Y)
    assert found.best_estimator_.temperature_ != 1 == plain.best_estimator_.temperature_
    assert found.best_score_ > plain.best_score_
    assert found.ensemble_.temperature == pytest.approx(OF_BAGS, abs=0.05)
    assert found.cv_results_["best_epoch"] >= plain.cv_results_["best_epoch"]


def test_best_estimator_is_an_ordinary_net(nets):
    best = nets.best_estimator_
    assert type(best) is DeepNetClassifier
    assert best.score(X, Y) > 0.8
    assert len(best.history_) == 3
    assert best.partial_fit(X, Y).score(X, Y) > 0.8


def test_several_classes_with_names():
    names = np.array(["zero", "one", "two", *"3456789"])[DIGITS_Y]
    nets = tuned(n_candidates=3).fit(DIGITS_X, names)
    assert set(nets.predict(DIGITS_X)) <= set(nets.classes_)
    assert nets.oof_proba_.shape == (300, 10)
    np.testing.assert_allclose(nets.oof_proba_.sum(axis=1), 1)


def test_sparse_rows_and_frames():
    sparse = csr_matrix(np.where(np.abs(DIGITS_X) > 0.3, DIGITS_X, 0))
    nets = tuned(n_candidates=2, scoring="roc_auc_ovr")
    rows = nets.fit(sparse, DIGITS_Y).predict_proba(sparse)
    np.testing.assert_allclose(nets.predict_proba(sparse.toarray()), rows, atol=1e-6)
    frame = DataFrame(X, columns=[f"column {i}" for i in range(X.shape[1])])
    nets = tuned(n_candidates=2).fit(frame, Series(Y).map({0: "malignant", 1: "benign"}))
    assert list(nets.best_estimator_.feature_names_in_) == list(nets.feature_names_in_)
    assert set(nets.predict(frame)) == {"malignant", "benign"}
    with pytest.raises(ValueError, match="text in column 'kind'"):
        tuned().fit(frame.assign(kind="a"), Y)


def test_inside_other_estimators():
    nets = tuned(n_candidates=2)
    scores = cross_val_score(make_pipeline(StandardScaler(), nets), *BREAST_CANCER, cv=2)
    assert scores.shape == (2,)
    stack = StackingClassifier([("nets", nets)], LogisticRegression(), cv=2).fit(X, Y)
    assert stack.score(X, Y) > 0.8


@pytest.mark.parametrize("refit", ["both", False])
def test_inside_a_fused_block(refit):
    nets = tuned(n_candidates=2, refit=refit)
    alone = cross_val_score(nets, X, Y, cv=2)
    with fused(silent=True) as summary:
        together = cross_validate(nets, X, Y, cv=2, return_estimator=True)
    np.testing.assert_array_equal(alone, together["test_score"])
    n_on_all = sum(map(n_on_all_samples, together["estimator"])) if refit else 0
    assert summary.fits == summary.fused == 2 * 2 * 3 + n_on_all
    assert not summary.not_fused


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"estimator": LogisticRegression()}, "must be a DeepNetClassifier or None"),
        ({"n_candidates": 0}, "n_candidates=0 is not valid"),
        ({"max_time": 0, "n_candidates": None}, "max_time=0 is not valid"),
        ({"max_time": None, "n_candidates": None}, "would never end"),
        ({"space": {"learn_rate": (0, 1)}}, "'learn_rate', which is not a parameter"),
        ({"space": {"lr": "high"}}, "not a dimension"),
        ({"scoring": "acuracy"}, "acuracy"),
        ({"estimator": small_net(lr=-1.0)}, "lr=-1.0 is not valid"),
    ],
)
def test_what_is_not_valid_is_rejected(settings, words):
    with pytest.raises(ValueError, match=words):
        tuned(**settings).fit(X, Y)
