"""Bayesian search: as its parent where that works, and working where that does not."""

import inspect
import time
import warnings
from functools import partial

import numpy as np
import pytest
import skopt
from joblib import parallel_config
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from skopt.callbacks import DeltaYStopper
from skopt.learning import ExtraTreesRegressor, GradientBoostingQuantileRegressor
from skopt.space import Categorical, Integer, Real

import sknethp
from sknethp import DeepNetClassifier
from sknethp.hyperparameters.automatic import by_samples
from sknethp.model_selection import BayesSearchCV, search_space
from sknethp.model_selection.estimators import default_estimator
from tests.helpers import BREAST_CANCER, DIGITS, scaled_net, scores

LR = "deepnetclassifier__lr"
RATES = {LR: Real(1e-4, 1e-1, prior="log-uniform")}
SPACE = {
    **RATES,
    "deepnetclassifier__hidden_layers": Integer(1, 3),
    "deepnetclassifier__activation": Categorical(["relu", "tanh", "silu"]),
}
PENALTY = {"C": Real(1e-3, 1e2, prior="log-uniform"), "gamma": (1e-3, 1e1, "log-uniform")}
FOREST = ExtraTreesRegressor(n_estimators=10, random_state=0)
CHEAP = {"acq_func": "EI", "acq_optimizer_kwargs": {"n_points": 100}}
TREES = {"base_estimator": FOREST, **CHEAP}
BOOSTED = GradientBoostingRegressor(loss="quantile", n_estimators=3)
QUANTILES = GradientBoostingQuantileRegressor(base_estimator=BOOSTED)
EXTRA = ("max_time", "memory", "progress")
NON_FINITE = "ignore:One or more of the test scores are non-finite"


net = partial(scaled_net, max_epochs=2)


class Moody(LogisticRegression):
    """Fails for small C."""

    def fit(self, X, y, sample_weight=None):
        if self.C < 0.1:
            raise RuntimeError("too small a C")
        return super().fit(X, y, sample_weight)


@pytest.fixture(scope="module")
def data():
    return load_iris(return_X_y=True)


def searched(cls, *args, data, fit=None, **settings):
    search = cls(*args, **{"cv": 3, "random_state": 0, **settings})
    return search.fit(*data, **(fit or {}))


def test_signature_is_the_parents():
    expected = inspect.signature(skopt.BayesSearchCV).parameters
    found = dict(inspect.signature(BayesSearchCV).parameters)
    for extra in EXTRA:
        assert found.pop(extra).kind is inspect.Parameter.KEYWORD_ONLY
    assert list(found) == list(expected)
    ours = {"estimator": None, "search_spaces": None, "n_points": 8, "n_jobs": None}
    for name, parameter in expected.items():
        assert found[name].kind is parameter.kind
        assert found[name].default == ours.get(name, parameter.default)
    fit = inspect.signature(BayesSearchCV.fit)
    assert str(fit) == str(inspect.signature(skopt.BayesSearchCV.fit))


# As the parent -----------------------------------------------------------------------------

PARENT = {
    "plain": (SPACE, {}),
    "rounds": (SPACE, {"n_iter": 7, "n_points": 3, "return_train_score": True}),
    "metrics": (RATES, {"scoring": ["accuracy", "f1_macro"], "refit": "f1_macro"}),
    "spaces": ([(RATES, 2), (SPACE, 3), RATES], {"n_iter": 1}),
    "forest": (RATES, {"n_iter": 12, "n_points": 4, "optimizer_kwargs": TREES}),
    "no refit": (RATES, {"n_iter": 2, "refit": False}),
    "defaults": (RATES, {"n_iter": 2, "optimizer_kwargs": {}}),
}


@pytest.mark.parametrize(
    ("case", "file"), [*((case, "iris") for case in PARENT), ("plain", "breast cancer")]
)
def test_as_the_parent(case, file, data):
    """With scikit-optimize's own optimizer all is the same, only fused."""
    data = data if file == "iris" else BREAST_CANCER
    space, settings = PARENT[case]
    kwargs = {"n_initial_points": 5, **CHEAP}
    settings = {"n_points": 1, "n_iter": 6, "optimizer_kwargs": kwargs, **settings}
    parent = searched(skopt.BayesSearchCV, net(), space, data=data, **settings)
    search = searched(BayesSearchCV, net(), space, data=data, **settings)
    assert search.cv_results_["params"] == list(map(dict, parent.cv_results_["params"]))
    np.testing.assert_allclose(scores(search), scores(parent), atol=1e-6)
    assert list(search.cv_results_) == list(parent.cv_results_)
    fitted = {name for name in vars(parent) if name.endswith("_")} | {"optimizer_results_"}
    assert fitted <= {name for name in dir(search) if name.endswith("_")}
    assert [r.x for r in search.optimizer_results_] == [r.x for r in parent.optimizer_results_]
    if settings.get("refit", True):
        np.testing.assert_array_equal(search.predict(data[0]), parent.predict(data[0]))
        assert search.best_index_ == parent.best_index_
    other = searched(
        BayesSearchCV, net(), space, data=data, **{**settings, "random_state": 1, "n_iter": 1}
    )
    assert other.cv_results_["params"][0] != search.cv_results_["params"][0]  # negative control


def test_scoring_by_a_function(data):
    def two(estimator, X, y):
        return {"right": estimator.score(X, y), "wrong": 1 - estimator.score(X, y)}

    search = searched(
        BayesSearchCV, SVC(), PENALTY, n_iter=16, scoring=two, refit="right", data=data
    )
    assert search.best_score_ == search.cv_results_["mean_test_right"].max()
    assert search.optimizer_results_[0].fun == -search.best_score_
    with pytest.raises(ValueError, match="'refit' parameter must be set to a scorer key"):
        searched(BayesSearchCV, SVC(), PENALTY, n_iter=2, scoring=two, data=data)
    with pytest.raises(ValueError, match="takes no callable for refit"):
        searched(BayesSearchCV, SVC(), PENALTY, refit=lambda results: 0, data=data)


def test_callbacks(data):
    seen = []
    count = {"callback": lambda result: seen.append(len(result.x_iters))}
    search = searched(BayesSearchCV, SVC(), PENALTY, n_iter=30, data=data, fit=count)
    assert seen == [8, 16, 24, 30]
    assert search.optimizer_results_[0].func_vals.shape == (30,)
    stop = {"callback": [DeltaYStopper(1.0, n_best=2)]}
    spaces = [PENALTY, PENALTY]
    search = searched(BayesSearchCV, SVC(), spaces, n_iter=16, data=data, fit=stop)
    assert [len(result.x_iters) for result in search.optimizer_results_] == [8, 8]


def test_spaces_one_after_another(data):
    spaces = [(PENALTY, 3), {"kernel": Categorical(["linear", "poly"])}, ({"C": (1, 9)}, 0)]
    search = BayesSearchCV(SVC(), spaces, n_iter=2, cv=2, random_state=0)
    assert search.total_iterations == 5
    search.fit(*data)
    assert [set(params) for params in search.cv_results_["params"]] == [{"C", "gamma"}] * 3 + [
        {"kernel"}
    ] * 2
    assert len(search.optimizers_) == 3
    assert len(search.optimizer_results_) == 2
    assert BayesSearchCV(n_iter=7).total_iterations == 7


# Its own test cases look at these two things; its distributions come without them.


@pytest.mark.parametrize("optimizer_kwargs", [None, {"base_estimator": "gp"}])
@pytest.mark.parametrize("n_jobs", [1, -1])
def test_spaces_of_all_kinds_of_dimensions(optimizer_kwargs, n_jobs, data):
    X, X_test, y, y_test = train_test_split(*data, train_size=0.75, random_state=0)
    space = {
        "C": Real(1e-6, 1e6, prior="log-uniform"),
        "gamma": Real(1e-6, 10.0, prior="log-uniform"),
        "degree": Integer(1, 8),
        "kernel": Categorical(["linear", "poly", "rbf"]),
    }
    search = searched(
        BayesSearchCV, SVC(), space, n_iter=11, n_jobs=n_jobs, optimizer_kwargs=optimizer_kwargs,
        data=(X, y),
    )  # fmt: skip
    assert search.score(X_test, y_test) > 0.9
    assert len(search.cv_results_["params"]) == 11


def test_spaces_with_models_of_their_own(data):
    tree = {
        "model": Categorical([DecisionTreeClassifier(random_state=0)]),
        "model__max_depth": Integer(1, 32),
    }
    support_vectors = {"model": Categorical([SVC()]), "model__C": Real(1e-2, 1e2, "log-uniform")}
    deep = {"model": Categorical([net()]), "model__" + LR: (1e-3, 1e-1, "log-uniform")}
    spaces = [(tree, 1), (support_vectors, 1), deep]
    pipeline = Pipeline([("model", SVC())])
    search = searched(BayesSearchCV, pipeline, spaces, n_iter=2, data=data)
    kinds = [type(params["model"]) for params in search.cv_results_["params"]]
    assert kinds == [DecisionTreeClassifier, SVC, Pipeline, Pipeline]
    assert (search.cv_results_["mean_test_score"] > 0.3).all()


# What the parent does wrong ------------------------------------------------------------------


def fails(error, match, *args, **kwargs):
    """Assert that the parent still fails: else a mending is not needed any more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error, match=match):
            searched(skopt.BayesSearchCV, *args, **kwargs)


@pytest.mark.parametrize("kwargs", [None, TREES], ids=["ours", "skopt's"])
def test_tuples_as_categories(kwargs, data):
    mlp = MLPClassifier(max_iter=300, tol=0.1, random_state=0)
    layers = [(3,), (4, 4), (5, 5, 5)]
    space = {"hidden_layer_sizes": Categorical(layers), "alpha": (1e-4, 1e-1)}
    fails(ValueError, "array", mlp, space, n_iter=1, data=data)
    search = searched(BayesSearchCV, mlp, space, n_iter=12, optimizer_kwargs=kwargs, data=data)
    assert set(search.cv_results_["param_hidden_layer_sizes"]) == set(layers)
    assert search.best_estimator_.hidden_layer_sizes in layers


@pytest.mark.parametrize(
    "layers", [[(3,), (4, 4)], [[3], [4, 4]], [(3,), 4]], ids=["tuples", "lists", "mixed"]
)
def test_two_categories_that_are_no_bounds(layers, data):
    mlp = MLPClassifier(max_iter=300, tol=0.1, random_state=0)
    space = {"hidden_layer_sizes": layers}
    fails(ValueError, "Invalid dimension", mlp, space, n_iter=1, data=data)
    search = searched(BayesSearchCV, mlp, space, n_iter=2, data=data)
    tried = [params["hidden_layer_sizes"] for params in search.cv_results_["params"]]
    assert sorted(tried, key=str) == sorted(layers, key=str)


def test_categories_of_different_types(data):
    space = {"gamma": Categorical(["scale", 0.5, 1]), "class_weight": [None, "balanced"]}
    search = searched(BayesSearchCV, SVC(), space, n_iter=6, data=data)
    tried = [tuple(params.values()) for params in search.cv_results_["params"]]
    assert sorted(tried, key=str) == sorted(
        [(weight, gamma) for weight in (None, "balanced") for gamma in ("scale", 0.5, 1)], key=str
    )


@pytest.mark.filterwarnings(NON_FINITE)
@pytest.mark.parametrize("kwargs", [None, TREES], ids=["ours", "skopt's"])
@pytest.mark.parametrize("error_score", [0.0, np.nan])
def test_rounds_that_fail(error_score, kwargs, data):
    space = {"C": Real(1e-3, 1e1, prior="log-uniform")}
    settings = {"n_iter": 12, "n_points": 1, "error_score": error_score, "return_train_score": True}
    moody = Moody(max_iter=1000)
    fails(ValueError, "fits failed", moody, space, data=data, **settings)
    with pytest.warns(
        FitFailedWarning, match=r"All 1 candidates of a round failed(.|\n)*too small"
    ):
        search = searched(
            BayesSearchCV,
            Moody(max_iter=1000),
            space,
            data=data,
            optimizer_kwargs=kwargs,
            **settings,
        )
    results = search.cv_results_
    failed = results["param_C"].data < 0.1
    assert 0 < failed.sum() < 12
    for key in ("mean_test_score", "split2_test_score", "mean_train_score"):
        np.testing.assert_array_equal(results[key][failed], error_score)
        assert (results[key][~failed] > 0.5).all()
    assert [params["C"] for params in results["params"]] == results["param_C"].tolist()
    assert (results["rank_test_score"][failed] == (~failed).sum() + 1).all()
    assert search.best_params_ == results["params"][search.best_index_]
    assert search.best_score_ == np.nanmax(results["mean_test_score"])
    worst = results["mean_test_score"][~failed].min()
    losses = search.optimizer_results_[0].func_vals
    np.testing.assert_array_equal(losses[failed], -worst)
    with pytest.raises(RuntimeError, match="too small"):
        searched(BayesSearchCV, moody, space, data=data, n_iter=12, optimizer_kwargs=kwargs)


@pytest.mark.filterwarnings(NON_FINITE, "ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize("kwargs", [None, TREES], ids=["ours", "skopt's"])
def test_candidates_that_fail(kwargs, data):
    space = {"C": Real(1e-3, 1e1, prior="log-uniform"), "fit_intercept": [True, False]}
    settings = {"n_iter": 24, "n_points": 8, "error_score": np.nan, "data": data}
    fails(ValueError, "NaN", Moody(max_iter=1000), space, **settings)
    moody = Moody(max_iter=1000)
    search = searched(BayesSearchCV, moody, space, optimizer_kwargs=kwargs, **settings)
    failed = search.cv_results_["param_C"].data < 0.1
    assert 0 < failed.sum() < 24
    found = search.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(np.isnan(found), failed)
    losses = search.optimizer_results_[0].func_vals
    np.testing.assert_allclose(losses, -np.where(failed, np.nanmin(found), found))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_number_for_what_failed_is_nothing_to_look_for(data):
    """An error_score of 0 would be the best log-loss there is."""
    space = {"C": Real(1e-3, 1e1, prior="log-uniform")}
    settings = {"n_iter": 16, "n_points": 8, "error_score": 0.0, "scoring": "neg_log_loss"}
    search = searched(
        BayesSearchCV, Moody(max_iter=1000), space, data=data, refit=False, **settings
    )
    failed = search.cv_results_["param_C"].data < 0.1
    found = search.cv_results_["mean_test_score"]
    assert failed[:8].any()
    assert not failed[8:].any()
    np.testing.assert_array_equal(found[failed], 0.0)
    losses = search.optimizer_results_[0].func_vals
    np.testing.assert_allclose(losses, -np.where(failed, found[~failed].min(), found))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_diverging_net_leaves_the_others(data):
    space = {LR: Categorical([1e-3, 1e30, 1e-2]), "deepnetclassifier__hidden_layers": (1, 2)}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="One or more of the test scores")
        search = searched(
            BayesSearchCV, net(), space, n_iter=6, n_points=6, error_score=np.nan, data=data
        )
    diverged = search.cv_results_[f"param_{LR}"] == 1e30
    np.testing.assert_array_equal(np.isnan(search.cv_results_["mean_test_score"]), diverged)
    alone = searched(
        BayesSearchCV,
        net(),
        {**space, LR: Categorical([1e-3, 1e-2])},
        n_iter=4,
        n_points=4,
        data=data,
    )
    assert alone.best_score_ == search.best_score_


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", NON_FINITE)
def test_nothing_works(data):
    space = {"C": Real(1e-4, 1e-2)}
    with pytest.raises(ValueError, match=r"None of 16 candidates could be fitted: .*too small a C"):
        searched(BayesSearchCV, Moody(), space, n_iter=16, error_score=0.0, data=data)


def test_metadata_routing(data):
    y = data[1]
    groups = np.arange(len(y)) % 7
    with config_context(enable_metadata_routing=True):
        fails(TypeError, "groups", SVC(), PENALTY, n_iter=1, data=data)
        search = searched(BayesSearchCV, SVC(), PENALTY, n_iter=2, data=data)
        grouped = searched(
            BayesSearchCV, SVC(), PENALTY, n_iter=2, cv=GroupKFold(7), data=data,
            fit={"groups": groups},
        )  # fmt: skip
        weighted = SVC().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        weight = {"sample_weight": np.where(y == 0, 1e-6, 1.0)}
        heavy = searched(BayesSearchCV, weighted, PENALTY, n_iter=2, data=data, fit=weight)
    assert grouped.n_splits_ == 7
    assert heavy.best_score_ < search.best_score_
    again = searched(
        BayesSearchCV, SVC(), PENALTY, n_iter=2, cv=GroupKFold(7), data=data, fit={"groups": groups}
    )
    np.testing.assert_array_equal(scores(again), scores(grouped))


@pytest.mark.slow
@pytest.mark.parametrize("base", ["GBRT", "gbrt", QUANTILES])
def test_gradient_boosting_as_the_surrogate(base, data):
    settings = {
        "optimizer_kwargs": {"base_estimator": base, "n_initial_points": 3, **CHEAP},
        "n_iter": 4,
    }
    fails(ValueError, "has to be a regressor", SVC(), PENALTY, data=data, **settings)
    search = searched(BayesSearchCV, SVC(), PENALTY, n_points=1, data=data, **settings)
    again = searched(BayesSearchCV, SVC(), PENALTY, n_points=1, data=data, **settings)
    assert len(search.optimizer_results_[0].models) == 2
    if isinstance(base, str):
        assert again.cv_results_["params"] == search.cv_results_["params"]


@pytest.mark.slow
@pytest.mark.parametrize(("base", "n_points"), [("dummy", 1), ("DUMMY", 4)])
def test_random_proposals(base, n_points, data):
    settings = {"optimizer_kwargs": {"base_estimator": base, "n_initial_points": 2}, "n_iter": 12}
    search = searched(BayesSearchCV, SVC(), PENALTY, n_points=n_points, data=data, **settings)
    again = searched(BayesSearchCV, SVC(), PENALTY, n_points=n_points, data=data, **settings)
    assert again.cv_results_["params"] == search.cv_results_["params"]
    assert len({str(params) for params in search.cv_results_["params"]}) == 12


def test_rounds_train_together(data):
    with sknethp.fused(silent=True) as summary:
        searched(skopt.BayesSearchCV, net(), RATES, n_iter=8, data=data)
    assert summary.largest == 3  # negative control: the folds of one candidate
    search = searched(BayesSearchCV, net(), RATES, n_iter=16, data=data)
    assert search.fused_summary_.largest == 24
    assert search.fused_summary_.fits == 49  # one of them alone, in the end


def test_fit_params_are_used(data):
    weight = {"sample_weight": np.where(data[1] == 0, 1e-6, 1.0)}
    given = searched(BayesSearchCV, SVC(), PENALTY, n_iter=2, data=data, fit=weight)
    kept = searched(BayesSearchCV, SVC(), PENALTY, n_iter=2, fit_params=weight, data=data)
    plain = searched(BayesSearchCV, SVC(), PENALTY, n_iter=2, data=data)
    np.testing.assert_array_equal(scores(kept), scores(given))
    assert (scores(plain) != scores(given)).any()


def test_all_rounds_have_the_same_folds(data):
    class Remembering(KFold):
        def split(self, X, y=None, groups=None):
            for train, test in super().split(X, y, groups):
                seen.append(test.tolist())
                yield train, test

    seen = []
    cv = Remembering(2, shuffle=True)
    search = searched(BayesSearchCV, SVC(), PENALTY, n_iter=12, n_points=4, cv=cv, data=data)
    assert len(seen) == 2
    assert search.cv is cv
    seen.clear()
    searched(skopt.BayesSearchCV, SVC(), PENALTY, n_iter=2, cv=cv, data=data)
    assert seen[:2] != seen[2:]  # negative control


# What is ours --------------------------------------------------------------------------------


@pytest.mark.slow
def test_fused_as_one_at_a_time(data):
    for X, y in (data, DIGITS):
        settings = {"n_iter": 16, "data": (X, y), "scoring": "neg_log_loss"}
        search = searched(BayesSearchCV, net(), SPACE, **settings)
        with parallel_config(backend="sequential"):
            alone = searched(BayesSearchCV, net(), SPACE, **settings)
        assert search.cv_results_["params"] == alone.cv_results_["params"]
        np.testing.assert_allclose(scores(search), scores(alone), rtol=1e-4)
        assert alone.fused_summary_ is None
    other = searched(BayesSearchCV, net(random_state=1), SPACE, **settings)
    assert other.cv_results_["params"] != search.cv_results_["params"]  # negative control


@pytest.mark.slow
def test_the_same_again(data):
    settings = {"n_iter": 20, "data": data}
    space = {"C": (0.1, 1.0), "max_iter": (1000, 2000)}
    search = searched(BayesSearchCV, Moody(), space, **settings)
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    slow = {"callback": lambda result: time.sleep(0.01)}
    again = searched(BayesSearchCV, Moody(), space, **settings, fit=slow)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    assert again.cv_results_["params"] == search.cv_results_["params"]
    other = searched(BayesSearchCV, Moody(), space, **settings, random_state=1)
    assert other.cv_results_["params"][1:] != search.cv_results_["params"][1:]


def test_the_estimators_own_parameters_come_first(data):
    search = searched(BayesSearchCV, SVC(C=2.0, gamma=100.0), PENALTY, n_iter=2, data=data)
    assert search.cv_results_["params"][0] == pytest.approx({"C": 2.0, "gamma": 10.0})
    svc = SVC(C=2.0, gamma="scale")
    partly = searched(BayesSearchCV, svc, PENALTY, n_iter=2, data=data).cv_results_["params"][0]
    assert partly["C"] == pytest.approx(2.0)
    assert 1e-3 <= partly["gamma"] <= 1e1
    parent = searched(skopt.BayesSearchCV, SVC(C=2.0), PENALTY, n_iter=2, data=data)
    assert parent.cv_results_["params"][0]["C"] != pytest.approx(2.0)  # negative control


def test_a_small_space_is_searched_through(data):
    space = {"C": Integer(1, 5), "kernel": ["linear", "poly"]}
    with pytest.warns(UserWarning, match="only 10 points: all are evaluated, and 20 evaluations"):
        search = searched(BayesSearchCV, SVC(), space, n_iter=30, data=data)
    tried = {tuple(params.values()) for params in search.cv_results_["params"]}
    assert len(tried) == len(search.cv_results_["params"]) == 10


@pytest.mark.slow
def test_with_nothing_given(data):
    search = BayesSearchCV(n_iter=2, n_points=2, cv=2, random_state=0)
    again = clone(search).fit(*data)
    search.fit(*data)
    np.testing.assert_array_equal(scores(again), scores(search))
    assert search.score(*data) > 0.9
    assert set(search.best_params_) == set(search_space(method="bayes", X=data[0]))
    own = {
        name: by_samples(len(data[0])).get(name.rpartition("__")[2], value)
        for name, value in default_estimator().get_params().items()
    }
    first = search.cv_results_["params"][0]
    assert first == pytest.approx({name: own[name] for name in first}, abs=1e-5)
    assert search.search_spaces is None
    assert search.estimator is None


BAD = [
    ({"deepnetclassifier__droput": (0.0, 0.5)}, ValueError,
     "not a parameter of Pipeline; did you mean 'deepnetclassifier__dropout'"),
    ([(RATES, 3), {"lr": (0.1, 1.0)}], ValueError, "did you mean 'deepnetclassifier__lr'"),
    ({}, ValueError, "has nothing to search"),
    ([{}], ValueError, "has nothing to search"),
    ([(RATES, 0)], ValueError, "has no evaluations: give a space at least one"),
    ({LR: "0.1 ... 0.2"}, ValueError, "is not a dimension"),
    ({LR: 0.1}, ValueError, "has 0.1 for 'deepnetclassifier__lr', which is not a dimension"),
    ({LR: (1.0, 0.1)}, ValueError, "is not a dimension .*lower bound"),
    ([LR, (1.0, 1)], TypeError, "takes a dict from names to dimensions"),
    (5, TypeError, "takes a dict from names to dimensions, or .* not 5"),
    ([(RATES, 1.5)], ValueError, r"has 1\.5 evaluations: give an integer"),
    ([(RATES, 1, 2)], TypeError, "takes a dict"),
]  # fmt: skip


@pytest.mark.parametrize(("space", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_spaces(space, error, message, data, monkeypatch):
    monkeypatch.setattr(DeepNetClassifier, "fit", None)  # nothing may be fitted
    search = BayesSearchCV(net(), space)
    with pytest.raises(error, match=message) as caught:
        search.fit(*data)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    ("name", "value"), [("n_iter", 0), ("n_points", 0), ("n_points", 2.5), ("max_time", 0)]
)
def test_bad_numbers(name, value, data):
    with pytest.raises(ValueError, match=f"^{name}={value} is not valid"):
        BayesSearchCV(net(), RATES, **{name: value}).fit(*data)


def test_more_folds_than_samples_of_a_class(data):
    X, y = data
    with pytest.raises(ValueError, match="has 3 of 103 samples, too few for 5 folds"):
        BayesSearchCV(net(), RATES).fit(X[47:], y[47:])


def test_dimensions_are_left_as_they_were(data):
    space = {"C": Real(1.0, 2.0), "kernel": Categorical(["linear", "rbf"])}
    searched(BayesSearchCV, SVC(), space, n_iter=3, data=data)
    assert [dimension.name for dimension in space.values()] == [None, None]
    assert space["C"].transform_ == "identity"
    searched(skopt.BayesSearchCV, SVC(), space, n_iter=1, data=data)
    assert space["C"].transform_ == "normalize"  # negative control
