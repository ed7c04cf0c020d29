"""Growing by layers: the curve's rule, the same result for any speculation, what is refused."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import loguniform
from sklearn import config_context
from sklearn import model_selection as parents
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, ShuffleSplit
from sklearn.preprocessing import StandardScaler

from sknethp import DeepNetClassifier
from sknethp.model_selection import LayerGrowthSearchCV, ManualSearchCV
from sknethp.model_selection.curve import curve, ended
from tests.helpers import DIGITS
from tests.helpers import scaled_net as net

LAYERS = "deepnetclassifier__hidden_layers"


def growth(data, **settings):
    search = LayerGrowthSearchCV(net(), **{"cv": 3, "max_layers": 5, **settings})
    return search.fit(*data)


def test_as_a_grid_over_the_depths():
    """The parent's grid over the same depths has the same scores."""
    X, y = DIGITS
    search = growth(DIGITS, param_grid={"hidden_units": [4, 16]})
    depths = sorted(set(search.cv_results_[f"param_{LAYERS}"]))
    units = "deepnetclassifier__hidden_units"
    grid = [{LAYERS: [depth], units: [4, 16]} for depth in depths]
    parent = parents.GridSearchCV(net(), grid, cv=3).fit(X, y)
    assert search.cv_results_["params"] == parent.cv_results_["params"]
    assert list(search.cv_results_) == list(parent.cv_results_)
    for key in ("split0_test_score", "mean_test_score", "std_test_score", "rank_test_score"):
        np.testing.assert_allclose(search.cv_results_[key], parent.cv_results_[key], atol=1e-12)
    assert len(set(parent.cv_results_["mean_test_score"])) > 2
    best = clone(net()).set_params(**search.best_params_).fit(X, y)
    np.testing.assert_allclose(search.predict_proba(X), best.predict_proba(X), atol=1e-6)
    assert search.best_n_layers_ == search.best_params_[LAYERS]
    assert search.best_score_ == search.cv_results_["mean_test_score"][search.best_index_]
    assert search.fused_summary_.fused > 6


@pytest.mark.slow
@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("patience", [1, 2])
def test_the_result_does_not_depend_on_speculation(data, patience, refit):
    """Although folds are drawn anew at each split, too."""
    grid = {"lr": loguniform(1e-4, 0.1), "dropout": [0.0, 0.4]}
    common = {"param_grid": grid, "n_iter": 2, "random_state": 0, "patience": patience}
    folds = ShuffleSplit(3, random_state=1)
    searches = [
        growth(data, speculative=speculative, refit=refit, cv=folds, **common)
        for speculative in (1, 2, 5, None)
    ]
    first = searches[0]
    for search in searches[1:]:
        assert search.growth_ == first.growth_
        assert search.best_n_layers_ == first.best_n_layers_
        assert search.best_params_ == first.best_params_
        assert search.cv_results_["params"] == first.cv_results_["params"]
        for key, column in first.cv_results_.items():
            if "time" not in key and key != "params":
                np.testing.assert_array_equal(search.cv_results_[key], column)
        if refit:
            np.testing.assert_array_equal(
                search.predict_proba(data[0]), first.predict_proba(data[0])
            )
    assert hasattr(first, "best_estimator_") == refit
    evaluated = {search.fused_summary_.fits for search in searches}
    assert len(evaluated) > 1  # some did more than others


def test_all_depths_share_folds_that_are_drawn_anew(data):
    search = growth(data, speculative=1, cv=ShuffleSplit(3), patience=1)
    depths = [[depth["n_layers"]] for depth in search.growth_]
    grid = [{LAYERS: depth} for depth in depths]
    again = parents.GridSearchCV(net(), grid, cv=search.splits_).fit(*data)
    np.testing.assert_allclose(
        again.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"], atol=1e-12
    )


def test_growth_tells_the_curve(data):
    search = growth(data, param_grid={"hidden_units": [2, 8]}, patience=1)
    for depth in search.growth_:
        at = search.cv_results_["params"].index(depth["best_params"])
        folds = np.array([search.cv_results_[f"split{i}_test_score"][at] for i in range(3)])
        assert depth["mean"] == pytest.approx(folds.mean())
        assert depth["standard_error"] == pytest.approx(folds.std(ddof=1) / np.sqrt(3))
        assert depth["best_params"][LAYERS] == depth["n_layers"]
    improved = [depth["n_layers"] for depth in search.growth_ if depth["improved"]]
    assert improved[0] == search.growth_[0]["n_layers"]
    assert improved[-1] == search.best_n_layers_


def test_it_grows_where_layers_help():
    """No hidden layer solves a parity; more do."""
    rng = np.random.default_rng(0)
    X = rng.choice([-1.0, 1.0], size=(400, 2)) + 0.1 * rng.normal(size=(400, 2))
    y = X[:, 0] * X[:, 1] > 0
    model = DeepNetClassifier(hidden_units=16, max_epochs=30, lr=0.01, random_state=0)
    search = LayerGrowthSearchCV(model, min_layers=0, cv=3, max_layers=4).fit(X, y)
    assert search.growth_[0]["mean"] < 0.7
    assert search.best_n_layers_ >= 1
    assert search.best_score_ > 0.95
    iris = LayerGrowthSearchCV(net(lr=0.01, max_epochs=20), cv=3).fit(*load_iris(return_X_y=True))
    assert len(iris.growth_) < 8  # negative control: it ends where they do not


def test_other_spaces(data):
    pyramid = growth(
        data,
        param_grid=lambda n: {"hidden_units": [8, tuple(range(10, 10 - n, -1))]},
        max_layers=2,
    )
    units = pyramid.cv_results_["param_deepnetclassifier__hidden_units"].tolist()
    assert units == [8, (10,), 8, (10, 9)]
    parts = growth(data, param_grid=[{"lr": [0.01]}, {"dropout": [0.0]}], max_layers=1)
    assert len(parts.cv_results_["params"]) == 2


def test_several_metrics(data):
    search = growth(data, scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss", max_layers=2)
    mean = search.cv_results_["mean_test_neg_log_loss"]
    assert search.best_score_ == mean[search.best_index_]
    assert search.score(*data) < 0
    with pytest.raises(ValueError, match="refit must be the name of the one to grow by"):
        growth(data, scoring=["accuracy", "neg_log_loss"])


def test_a_callable_refit_has_the_last_word(data):
    search = growth(data, refit=lambda results: len(results["params"]) - 1, patience=1)
    assert search.best_index_ == len(search.cv_results_["params"]) - 1
    assert search.best_estimator_.get_params()[LAYERS] == search.growth_[-1]["n_layers"]


@pytest.mark.parametrize(("chosen", "shown"), [("a", "'a'"), (9, "9"), (-1, "-1")])
def test_a_callable_refit_must_return_a_position(data, chosen, shown):
    with pytest.raises(ValueError, match=f"refit returned {shown}, but it must return"):
        growth(data, max_layers=2, refit=lambda results: chosen)


def test_metadata_routing(data):
    X, y = StandardScaler().fit_transform(data[0]), data[1]
    weight = {"sample_weight": np.linspace(0.1, 1, len(y))}
    small = {"hidden_units": 4, "max_epochs": 3, "random_state": 0}
    with config_context(enable_metadata_routing=True):
        bare = DeepNetClassifier(**small)
        bare.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = LayerGrowthSearchCV(bare, cv=GroupKFold(3), max_layers=2)
        search.fit(X, y, **weight, groups=np.arange(len(y)) % 5)
    assert search.n_splits_ == 3
    expected = DeepNetClassifier(**small, hidden_layers=search.best_n_layers_)
    expected.fit(X, y, **weight)
    np.testing.assert_allclose(search.predict_proba(X), expected.predict_proba(X), atol=1e-6)
    other = LayerGrowthSearchCV(DeepNetClassifier(**small), cv=3, max_layers=2).fit(X, y)
    assert not np.allclose(search.predict_proba(X), other.predict_proba(X), atol=1e-6)


def test_a_callable_space_is_asked_for_what_is_needed(data):
    """One that fails beyond the end does no harm; once a depth, whatever is speculated on."""
    asked = []

    def space(n_layers):
        asked.append(n_layers)
        return {1: {"lr": [0.01]}, 2: {"lr": [1e-5]}}[n_layers]

    search = growth(data, param_grid=space, patience=1, speculative=3)
    assert [depth["n_layers"] for depth in search.growth_] == [1, 2]
    assert asked == [1, 2, 3]
    with pytest.raises(KeyError, match="3"):
        growth(data, param_grid=space, patience=2, speculative=3)
    with pytest.raises(ValueError, match="did you mean 'deepnetclassifier__dropout'"):
        growth(data, param_grid=lambda n: {"lr" if n < 2 else "droput": [0.1]}, patience=3)


def test_several_nets_grow_together(data):
    both = VotingClassifier([("a", net()[-1]), ("b", net()[-1])])
    X = StandardScaler().fit_transform(data[0])
    search = LayerGrowthSearchCV(both, cv=2, max_layers=2).fit(X, data[1])
    assert search.cv_results_["params"][1] == {"a__hidden_layers": 2, "b__hidden_layers": 2}


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.parametrize("speculative", [1, 3])
def test_a_depth_that_fails_ends_growth(data, speculative):
    """Deeper ones are not looked at, whether they would fail or not."""
    grid = {"hidden_units": [(8, 8)]}  # for two layers

    def space(n_layers):
        return {} if n_layers == 1 else grid

    told = "Growing ends before 3 hidden layers, where all" if speculative == 1 else "fits failed"
    with pytest.warns(FitFailedWarning, match=told):
        search = growth(data, param_grid=space, speculative=speculative, patience=3)
    assert [depth["n_layers"] for depth in search.growth_] == [1, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="No network of 1 hidden layers can be fitted"):
            growth(data, param_grid={"lr": [1e30]}, speculative=speculative)


def test_raise_raises_only_on_the_way(data):
    def space(n_layers):
        return {"lr": [1e-3 if n_layers < 4 else 1e30]}

    search = growth(data, param_grid=space, patience=1, error_score="raise", max_layers=9)
    assert len(search.growth_) == 3
    with pytest.raises(ValueError, match="epoch"):
        growth(data, param_grid=space, patience=5, error_score="raise", max_layers=9)


def test_estimator_manners(data):
    assert is_classifier(LayerGrowthSearchCV())
    search = growth(data, max_layers=2)
    assert search.refit is True
    assert clone(search).get_params(deep=False).keys() == search.get_params(deep=False).keys()
    restored = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(restored.predict(data[0]), search.predict(data[0]))


BAD = [
    ({"min_layers": 3, "max_layers": 2}, "max_layers=2 is less than min_layers=3"),
    ({"patience": 0}, "patience=0 is not valid: patience must be an integer at least 1"),
    ({"speculative": 0}, "speculative=0 is not valid"),
    ({"min_layers": -1}, "min_layers=-1 is not valid"),
    ({"error_score": 0.0}, r"error_score=0\.0 is not valid: a depth that fails ends the growth"),
    ({"param_grid": {"hidden_layers": [1]}}, "hidden_layers', but that is what grows"),
    ({"param_grid": {"droput": [0.1]}}, "did you mean 'deepnetclassifier__dropout'"),
    ({"param_grid": {"lr": loguniform(1e-4, 1)}}, "a distribution for 'lr': set n_iter"),
    ({"param_grid": {"lr": [-1]}}, "No candidate can be fitted: lr=-1 is not valid"),
    *[
        ({"param_grid": space}, r"param_grid=.* is not valid: give a dict from names to values")
        for space in (5, [3], [], "lr", lambda n_layers: 5)
    ],
    ({"error_score": "foo"}, "error_score='foo' is not valid"),
    ({"error_score": None}, "error_score=None is not valid"),
    ({"estimator": LogisticRegression()}, "no DeepNetClassifier in LogisticRegression"),
    ({"estimator": net(hidden_units=(8, 4))}, "is for 2 layers, but their number grows"),
]


@pytest.mark.parametrize(("settings", "message"), BAD, ids=range(len(BAD)))
def test_bad_settings(settings, message, data, monkeypatch):
    monkeypatch.setattr(DeepNetClassifier, "fit", None)  # nothing may be fitted
    with pytest.raises(ValueError, match=message):
        LayerGrowthSearchCV(**{"estimator": net(), **settings}).fit(*data)


@pytest.mark.parametrize("kind", [LayerGrowthSearchCV, ManualSearchCV])
def test_no_estimator(kind, data):
    with pytest.raises(TypeError, match="estimator='net' is not valid: give an estimator"):
        kind("net").fit(*data)


# The pieces.


def scores(*means, error=0.1):
    """Return folds with these means and about this standard error."""
    return np.array([[mean - error, mean + error] for mean in means])


def test_an_improvement_is_more_than_the_standard_error():
    found = curve([1, 2, 3, 4], scores(0.5, 0.58, 0.65, 0.7))
    assert [depth.improved for depth in found] == [True, False, True, False]
    assert found[0].error == pytest.approx(0.1)
    assert ended(found, 1) == 2
    assert ended(found, 2) is None


def test_the_best_of_each_depth_counts():
    found = curve([1, 1, 2, 2], scores(0.5, np.nan, 0.3, 0.9))
    assert [(depth.index, depth.improved) for depth in found] == [(0, True), (3, True)]


def test_a_failed_depth_ends_the_curve():
    assert [d.n_layers for d in curve([1, 2, 3], scores(0.5, np.nan, 0.9))] == [1]
    assert curve([1, 2], scores(np.nan, 0.9)) == []


def test_one_fold_has_no_error():
    found = curve([1, 2], np.array([[0.5], [0.51]]))
    assert [depth.improved for depth in found] == [True, True]


@given(
    means=st.lists(st.floats(0, 1), min_size=1, max_size=12),
    patience=st.integers(1, 4),
    error=st.floats(0, 0.3),
)
@settings(max_examples=200, deadline=None)
def test_growing_ends_at_the_same_place_however_much_is_known(means, patience, error):
    """What lies beyond the end changes nothing."""
    depths = list(range(1, len(means) + 1))
    found = curve(depths, scores(*means, error=error))
    end = ended(found, patience)
    if end is None:
        return
    for n in range(end, len(means) + 1):
        known = curve(depths[:n], scores(*means[:n], error=error))
        assert ended(known, patience) == end
        assert known[:end] == found[:end]
    assert ended(curve(depths[: end - 1], scores(*means[: end - 1], error=error)), patience) is None
    assert not any(depth.improved for depth in found[end - patience : end])


def test_dropped_depths_leave_no_trace_in_the_results(data):
    search = LayerGrowthSearchCV(net(), {"lr": [0.01, 0.02]}, cv=2, patience=1, speculative=6)
    found = search.fit(*data).cv_results_
    layers = [params[LAYERS] for params in found["params"]]
    assert max(layers) < 6
    grid = {LAYERS: sorted(set(layers)), "deepnetclassifier__lr": [0.01, 0.02]}
    theirs = parents.GridSearchCV(net(), grid, cv=2).fit(*data).cv_results_
    assert list(found) == list(theirs)
    for key in (key for key in theirs if not key.endswith("_time")):
        assert getattr(found[key], "dtype", list) == getattr(theirs[key], "dtype", list)
        np.testing.assert_array_equal(found[key], theirs[key])


@pytest.mark.parametrize("refit", ["neg_logloss", True])
@pytest.mark.parametrize("made", ["named", "returned"])
def test_refit_must_name_a_metric(refit, made):
    X, y = load_iris(return_X_y=True)
    net = DeepNetClassifier(hidden_units=4, max_epochs=1, random_state=0)
    scoring = ["accuracy", "f1_macro"]
    if made == "returned":
        scoring = lambda model, X, y: {"accuracy": model.score(X, y), "f1_macro": 0.0}  # noqa: E731
    search = LayerGrowthSearchCV(net, scoring=scoring, refit=refit, cv=3, max_layers=2)
    with pytest.raises(ValueError, match=r"to grow by \('accuracy', 'f1_macro'\)"):
        search.fit(X, y)
    search.set_params(refit="accuracy").fit(X, y)
