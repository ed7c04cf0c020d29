"""Grid, random and halving search: as their parents on real data, only fused."""

import inspect
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import loguniform, uniform
from sklearn import config_context
from sklearn import model_selection as parents
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer
from sklearn.model_selection import GroupKFold, RepeatedStratifiedKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, scale

from sknethp import DeepNetClassifier
from sknethp import model_selection as ours
from sknethp.model_selection.estimators import default_estimator
from tests.helpers import BREAST_CANCER, DIGITS, scores
from tests.helpers import scaled_net as net

NAMES = ("GridSearchCV", "RandomizedSearchCV", "HalvingRandomSearchCV")
LR = "deepnetclassifier__lr"


SETTINGS = {
    "GridSearchCV": {
        "param_grid": {LR: [1e-3, 1e-2], "deepnetclassifier__hidden_layers": [1, 2]},
        "cv": 3,
        "return_train_score": True,
    },
    "RandomizedSearchCV": {
        "param_distributions": {LR: loguniform(1e-4, 1e-1)},
        "n_iter": 5,
        "cv": 3,
        "random_state": 0,
        "scoring": ["accuracy", "neg_log_loss"],
        "refit": "neg_log_loss",
    },
    "HalvingRandomSearchCV": {
        "param_distributions": {LR: loguniform(1e-4, 1e-1)},
        "resource": "deepnetclassifier__max_epochs",
        "max_resources": 6,
        "min_resources": 2,
        "cv": 3,
        "random_state": 0,
    },
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("X", "y"), [BREAST_CANCER, DIGITS], ids=["breast cancer", "digits"])
def test_as_the_parent(name, X, y):
    parent = getattr(parents, name)(net(), **SETTINGS[name]).fit(X, y)
    search = getattr(ours, name)(net(), **SETTINGS[name]).fit(X, y)
    np.testing.assert_allclose(scores(search), scores(parent), atol=1e-6)
    assert list(search.cv_results_) == list(parent.cv_results_)
    assert search.best_params_ == parent.best_params_
    np.testing.assert_array_equal(search.predict(X), parent.predict(X))
    assert search.fused_summary_.fused >= 9
    other = getattr(ours, name)(net(random_state=1), **SETTINGS[name]).fit(X, y)
    assert np.abs(scores(other) - scores(parent)).max() > 1e-3  # negative control


@pytest.mark.parametrize("name", NAMES)
def test_signature_is_the_parents(name):
    expected = inspect.signature(getattr(parents, name)).parameters
    found = dict(inspect.signature(getattr(ours, name)).parameters)
    for extra in ("max_time", "memory", "progress"):
        if extra == "max_time" and name == "HalvingRandomSearchCV":
            continue  # its resources are its budget
        assert found.pop(extra).kind is inspect.Parameter.KEYWORD_ONLY
    assert list(found) == list(expected)
    for key, parameter in expected.items():
        default = parameter.default
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            default = None
        assert found[key].kind is parameter.kind
        assert found[key].default is default or found[key].default == default


@pytest.mark.slow
def test_halving_needs_no_special_import():
    """And nothing is printed or changed by an import."""
    code = """
import random, warnings
import joblib, numpy, sknethp, sklearn.model_selection, skopt, torch
def state():
    backend = type(joblib.parallel.get_active_backend()[0])
    seeds = random.getstate(), numpy.random.get_state()[1].tobytes(), torch.initial_seed()
    return seeds, torch.get_num_threads(), list(warnings.filters), backend
before = state()
from sknethp.model_selection import HalvingRandomSearchCV
assert state() == before
HalvingRandomSearchCV()
"""
    root = Path(ours.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=root
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


DEFAULTS = {
    "GridSearchCV": {},
    "RandomizedSearchCV": {"n_iter": 3, "random_state": 0},
    "HalvingRandomSearchCV": {"n_candidates": 4, "min_resources": 60, "random_state": 0},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_with_nothing_given(name):
    X, y = load_iris(return_X_y=True)
    search = getattr(ours, name)(cv=2, **DEFAULTS[name]).fit(X, y)
    again = clone(search).fit(X, y)
    assert search.score(X, y) > 0.9
    np.testing.assert_array_equal(scores(again), scores(search))
    assert search.best_estimator_.get_params().keys() == default_estimator().get_params().keys()


def test_the_default_space_leaves_halving_its_resource(data):
    resource = {"resource": "max_epochs", "max_resources": 4, "min_resources": 2}
    search = ours.HalvingRandomSearchCV(
        DeepNetClassifier(random_state=0),
        cv=2,
        n_candidates=2,
        factor=2,
        random_state=0,
        **resource,
    )
    search.fit(scale(data[0]), data[1])
    assert set(search.cv_results_["param_max_epochs"]) == {2, 4}
    assert "param_lr" in search.cv_results_


def test_quiet(data, capfd):
    ours.GridSearchCV(net(), {LR: [1e-3]}, cv=2).fit(*data)
    assert capfd.readouterr() == ("", "")


def test_failed_candidates_are_marked(data):
    """One that is not valid, one that diverges: the others' scores stay."""
    grid = {LR: [1e-3, -1.0, 1e30]}
    alone = ours.GridSearchCV(net(), {LR: [1e-3]}, cv=3).fit(*data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)
        warnings.filterwarnings("ignore", message="One or more of the test scores")
        search = ours.GridSearchCV(net(), grid, cv=3).fit(*data)
    found = search.cv_results_["mean_test_score"]
    assert np.isnan(found[1:]).all()
    assert found[0] == alone.cv_results_["mean_test_score"][0]
    with pytest.raises(ValueError, match=r"lr=-1\.0 is not valid: lr must be"):
        ours.GridSearchCV(net(), grid, cv=3, error_score="raise").fit(*data)


BAD_SPACES = [
    ({"deepnetclassifier__droput": [0.1]}, r"'deepnetclassifier__droput', which is not a parameter "
     r"of Pipeline; did you mean 'deepnetclassifier__dropout'"),
    ({"lr": [0.1]}, "not a parameter of Pipeline; did you mean 'deepnetclassifier__lr"),
    ({"net__lr": [0.1]}, "did you mean 'deepnetclassifier__lr'"),
    ({"zzz": [0.1]}, r"'zzz', which is not a parameter of Pipeline: see its get_params\(\)"),
    ({3: [0.1]}, "strings, but the space has 3"),
    ({}, r"={} has nothing to search: give at least one parameter"),
    ([], r"=\[\] has nothing to search"),
    ({LR: [-1.0, "high"]}, r"No candidate can be fitted: lr=.* is not"),
    ({LR: uniform(-2, 1)}, r"No candidate can be fitted: lr=-\d.* is not valid"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("space", "message"), BAD_SPACES, ids=range(len(BAD_SPACES)))
def test_bad_spaces(name, space, message, data, monkeypatch):
    drawn = isinstance(space, dict) and any(hasattr(place, "rvs") for place in space.values())
    if name == "GridSearchCV" and drawn:
        pytest.skip("a grid has no distributions")
    monkeypatch.setattr(DeepNetClassifier, "fit", None)  # nothing may be fitted
    few = {"RandomizedSearchCV": {"n_iter": 1}, "HalvingRandomSearchCV": {"n_candidates": 2}}
    search = getattr(ours, name)(net(), space, **few.get(name, {}))
    with pytest.raises(ValueError, match=message) as caught:
        search.fit(*data)
    assert str(caught.value).count("\n") == 0


def test_an_empty_list_of_values(data):
    with pytest.raises(ValueError, match="non-empty"):
        ours.GridSearchCV(net(), {LR: []}).fit(*data)


def test_one_valid_candidate_is_enough(data):
    grid = [{LR: [-1.0]}, {}]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = ours.GridSearchCV(net(), grid, cv=2).fit(*data)
    assert search.best_params_ == {}


def weighted_net():
    """A net whose every step takes weights."""
    steps = net()
    steps[0].set_fit_request(sample_weight=True)
    steps[1].set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    if hasattr(steps, "set_score_request"):  # scikit-learn 1.6
        steps.set_score_request(sample_weight=True)
    return steps


@pytest.mark.parametrize("name", NAMES)
def test_metadata_routing(name, data):
    """Weights and groups reach scaler, net, score and folds, as in the parent."""
    X, y = data
    weight, groups = np.where(np.arange(len(y)) % 3, 1.0, 0.2), np.arange(len(y)) % 10
    settings = {**SETTINGS[name], "cv": GroupKFold(3), "refit": True, "scoring": None}
    with config_context(enable_metadata_routing=True):
        scorer = get_scorer("neg_log_loss").set_score_request(sample_weight=True)
        steps = weighted_net()
        for scoring in (None, scorer):
            search, parent = (
                getattr(module, name)(steps, **{**settings, "scoring": scoring}).fit(
                    X, y, sample_weight=weight, groups=groups
                )
                for module in (ours, parents)
            )
            np.testing.assert_array_equal(scores(search), scores(parent))
            np.testing.assert_array_equal(search.predict_proba(X), parent.predict_proba(X))
        even = getattr(ours, name)(steps, **{**settings, "scoring": scorer})
        even.fit(X, y, sample_weight=np.ones(len(y)), groups=groups)
    assert (scores(even) != scores(search)).any()  # negative control


def test_metadata_routing_into_a_nested_search(data):
    X, y = data
    params = {"sample_weight": np.linspace(0.2, 1, len(y)), "groups": np.arange(len(y)) % 10}
    with config_context(enable_metadata_routing=True):
        steps = weighted_net()
        inner, outer = (
            parents.cross_val_score(
                module.GridSearchCV(steps, {LR: [1e-3, 1e-2]}, cv=GroupKFold(2)),
                X,
                y,
                cv=GroupKFold(3),
                params=params,
            )
            for module in (ours, parents)
        )
    np.testing.assert_array_equal(inner, outer)


def test_names_that_other_candidates_bring(data):
    """A step that a candidate puts in may have parameters that the present one has not."""
    estimator = Pipeline([("scale", "passthrough"), ("net", net()[-1])])
    grid = {"scale": [MinMaxScaler()], "scale__clip": [True], "net__lr": [0.01]}
    search = ours.GridSearchCV(estimator, grid, cv=2).fit(*data)
    assert search.best_estimator_["scale"].clip
    other = {"net": [LogisticRegression(max_iter=5000)], "net__C": [0.1, 1.0]}
    assert ours.GridSearchCV(estimator, other, cv=2).fit(*data).best_params_["net__C"] in (0.1, 1.0)


@pytest.mark.parametrize("cv", [4, None, StratifiedKFold(4), RepeatedStratifiedKFold(n_splits=4)])
def test_more_folds_than_samples_of_a_class(cv, data):
    X, y = data
    y = np.where(np.arange(len(y)) < 3, "rare", np.where(y, "benign", "malignant"))
    y = y.astype(object if cv is None else str)
    match = r"Class 'rare' has 3 of 190 samples, too few for [45] folds: set cv to 3 or less"
    with pytest.raises(ValueError, match=match):
        ours.GridSearchCV(net(), {LR: [1e-3]}, cv=cv).fit(X, y)
    ours.GridSearchCV(net(), {LR: [1e-3]}, cv=3).fit(X, y)
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        ours.GridSearchCV(net(), {LR: [1e-3]}, cv=cv).fit(X[:0], y[:0])
    y[1:3] = "benign"
    with pytest.raises(ValueError, match="has 1 of 190 samples, too few for 2 folds: leave out"):
        ours.GridSearchCV(net(), {LR: [1e-3]}, cv=2).fit(X, y)


def test_as_the_parent_without_a_net(data):
    """What is checked for nets alone works as in the parent for others."""
    grid = ours.GridSearchCV(LogisticRegression(max_iter=5000), {}, cv=2).fit(*data)
    assert grid.best_params_ == {}


@pytest.mark.parametrize("cls", [ours.GridSearchCV, ours.RandomizedSearchCV])
def test_folds_from_a_generator(cls):
    X, y = load_iris(return_X_y=True)
    net = DeepNetClassifier(hidden_units=4, max_epochs=2, random_state=0)
    folds = StratifiedKFold(3)
    settings = {"n_iter": 1} if cls is ours.RandomizedSearchCV else {}
    found = cls(net, {"lr": [0.01]}, cv=folds.split(X, y), **settings).fit(X, y)
    expected = cls(net, {"lr": [0.01]}, cv=folds, **settings).fit(X, y)
    assert found.best_score_ == expected.best_score_
