"""Default search spaces: every candidate is valid, has an effect and can be fitted."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, ParameterGrid, ParameterSampler
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skopt.space import Space

from sknethp import DeepNetClassifier, fused
from sknethp.hyperparameters import TABLE, Options, Range, check_hyperparameters
from sknethp.model_selection.spaces import (
    GRID_CANDIDATES,
    METHODS,
    SIZES,
    distribution,
    fitted_to_data,
    has_effect,
    levels,
    search_space,
    subspaces,
)
from sknethp.training.inputs import EMBEDDINGS

DEFAULTS = {name: entry.default for name, entry in TABLE.items()}


def drawn(space, method, n, seed):
    """Draw candidates from a space as the searches do."""
    if method == "grid":
        grid = list(ParameterGrid(space))
        return [grid[i] for i in np.random.default_rng(seed).integers(len(grid), size=n)]
    if method == "random":
        return list(ParameterSampler(space, n, random_state=seed))
    rows = Space(list(space.values())).rvs(n, random_state=seed)
    return [dict(zip(space, row, strict=True)) for row in rows]


shapes = st.one_of(st.none(), st.integers(2, 10**6))
own_parameters = st.fixed_dictionaries(
    {},
    optional={
        "optimizer": st.sampled_from(["adam", "adagrad", "rmsprop", "adadelta"]),
        "momentum": st.sampled_from([0.0, 0.9]),
        "lr_schedule": st.sampled_from(["constant", "step", "plateau", "linear"]),
        "early_stopping": st.booleans(),
        "hidden_units": st.sampled_from([10, (20, 10)]),
        "activation": st.sampled_from(["elu", ["relu", "tanh"]]),
        "residual": st.booleans(),
        "hidden_layers": st.integers(1, 3),
        "batch_size": st.integers(1, 500),
    },
).filter(lambda own: not (own.get("residual") and isinstance(own.get("hidden_units"), tuple)))
own_parameters = own_parameters.filter(
    lambda own: (
        own.get("hidden_layers", 2) == 2
        or not any(isinstance(value, (tuple, list)) for value in own.values())
    )
)
own_parameters |= st.just({"optimizer": "sgd", "nesterov": True})


@pytest.mark.slow
@given(
    method=st.sampled_from(METHODS),
    size=st.sampled_from(list(SIZES)),
    n_samples=shapes,
    n_features=shapes,
    own=own_parameters,
    seed=st.integers(0, 10**6),
)
@settings(max_examples=120, deadline=None)
def test_every_candidate_is_valid_and_wastes_nothing(
    method, size, n_samples, n_features, own, seed
):
    net = DeepNetClassifier(**own)
    space = search_space(net, method, size, n_samples=n_samples, n_features=n_features)
    for candidate in drawn(space, method, 4, seed):
        parameters = {**DEFAULTS, **own, **candidate}
        check_hyperparameters(parameters)
        assert candidate
        for name in candidate:
            assert has_effect(name, parameters), (name, candidate)
        if candidate.get("residual"):
            assert parameters["hidden_layers"] > 1  # else there is nothing to add


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", SIZES)
def test_candidates_fit(method, size):
    """Two epochs each, fused."""
    X, y = load_iris(return_X_y=True)
    X, y = StandardScaler().fit_transform(X)[::3], y[::3]
    space = search_space(DeepNetClassifier(), method, size, X=X)
    candidates = drawn(space, method, 8, 0)
    grid = [{**{k: [v] for k, v in c.items()}, "max_epochs": [2]} for c in candidates]
    search = GridSearchCV(DeepNetClassifier(random_state=0), grid, cv=2, error_score="raise")
    with fused(silent=True):
        search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_space_without_conditions_would_waste_candidates():
    """Negative control: taken together, the large space has candidates that are not valid."""
    places = {name: distribution(TABLE[name].search) for name in SIZES["large"]}
    invalid = 0
    for candidate in ParameterSampler(places, 50, random_state=0):
        try:
            check_hyperparameters({**DEFAULTS, **candidate})
        except ValueError:
            invalid += 1
    assert invalid > 10


DEPENDENT = [
    (name, other, value)
    for name, entry in TABLE.items()
    for other, allowed in entry.needs.items()
    for value in (
        TABLE[other].allowed.options
        if hasattr(TABLE[other].allowed, "options")
        else (None, *EMBEDDINGS, "auto")
        if other == "embedding"
        else (True, False)
    )
    if not (name == "nesterov" and value not in allowed)  # rejected anyway
    if not (name == "embedding_bins" and value == "auto")  # which is periodic for few samples
]
EXTREMES = {"lr_drop_epochs": (1, 3), "patience": (1, 50), "nesterov": (False, True)}


@pytest.mark.parametrize(("name", "other", "value"), DEPENDENT)
def test_needs_are_true(name, other, value):
    """A parameter changes the fit exactly where the table says that it has an effect."""
    X, y = load_iris(return_X_y=True)
    X, y = StandardScaler().fit_transform(X)[::3], y[::3]
    place = TABLE[name].search
    ends = EXTREMES.get(name) or (place.low, place.high)
    common = {"max_epochs": 6, "hidden_units": 4, "random_state": 0, "min_improvement": 10.0}
    common |= {"restore_best": False, "lr_drop_epochs": 1, "patience": 50}
    common["early_stopping"] = value == "plateau" and name != "patience"
    fits = [
        DeepNetClassifier(**{**common, other: value, name: end}).fit(X, y).predict_proba(X)
        for end in ends
    ]
    differs = not np.array_equal(*fits)
    assert differs == (value in TABLE[name].needs[other])


PREFIXED = {
    "bare": (DeepNetClassifier(), [""]),
    "nested": (
        make_pipeline("passthrough", make_pipeline(StandardScaler(), DeepNetClassifier())),
        ["pipeline__deepnetclassifier__"],
    ),
    "bagging": (BaggingClassifier(DeepNetClassifier()), ["estimator__"]),
    "two": (
        VotingClassifier([("a", DeepNetClassifier()), ("b", DeepNetClassifier())]),
        ["a__", "b__"],
    ),
}


@pytest.mark.parametrize("name", PREFIXED)
@pytest.mark.parametrize("method", METHODS)
def test_names_have_the_prefixes(name, method):
    estimator, prefixes = PREFIXED[name]
    space = search_space(estimator, method, "small")
    names = set(space if isinstance(space, dict) else space[0])
    assert {key[: len(p)] for p in prefixes for key in names if key.startswith(p)} == set(prefixes)
    assert names <= set(estimator.get_params())
    assert all(any(key.startswith(p) for p in prefixes) for key in names)


def test_two_nets_each_have_the_conditions():
    space = search_space(PREFIXED["two"][0], "random", "large")
    n_alone = len(search_space(DeepNetClassifier(), "random", "large"))
    assert len(space) == n_alone**2
    for part in space:
        for prefix in ("a__", "b__"):
            has_nesterov = f"{prefix}nesterov" in part
            assert has_nesterov == (part[f"{prefix}optimizer"] == ["sgd"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("most", [None, 1, 2, 5, 20, 100, 3000])
def test_grid_stays_within_the_candidates(size, most):
    for estimator in (None, PREFIXED["two"][0]):
        grid = search_space(estimator, "grid", size, max_candidates=most)
        bound = most or GRID_CANDIDATES[size]
        assert len(ParameterGrid(grid)) <= bound
        assert estimator is not None or len(ParameterGrid(grid)) > bound / 2 or most == 3000


def test_a_fine_grid_has_conditions():
    grid = search_space(DeepNetClassifier(), "grid", "large", max_candidates=20_000)
    with_momentum = [part for part in grid if "nesterov" in part]
    assert with_momentum
    assert {tuple(part["optimizer"]) for part in with_momentum} == {("sgd",)}


def test_subspaces_of_dependent_parameters():
    """Every value of what decides is equally likely, and has what depends on it."""
    places = {name: TABLE[name].search for name in ("optimizer", "nesterov", "lr")}
    parts = subspaces(list(places), DEFAULTS, places)
    assert [(part["optimizer"].values, "nesterov" in part) for part in parts] == [
        (("adam",), False),
        (("sgd",), True),
        (("adamw",), False),
    ]
    own = {**DEFAULTS, "optimizer": "sgd"}
    assert list(subspaces(["nesterov"], own, places)[0]) == ["nesterov"]
    assert subspaces(["nesterov"], DEFAULTS, places) == [{}]


def test_what_was_given_per_layer_stays():
    space = search_space(DeepNetClassifier(hidden_units=(8, 4)), "random", "large")
    assert not {"hidden_units", "hidden_layers"} & set(space[0])
    assert "dropout" in space[0]


@pytest.mark.parametrize(
    ("name", "n_samples", "n_features", "expected"),
    [
        ("hidden_units", 1000, 10, (16, 256)),
        ("hidden_units", 10_000, 10, (16, 512)),
        ("hidden_units", None, None, (16, 512)),
        ("hidden_units", 1000, 70, (32, 256)),
        ("hidden_units", 50_000, 5000, (64, 512)),
        ("batch_size", 150, 4, (32,)),
        ("batch_size", 1000, 4, (32, 64)),
        ("batch_size", 5000, 4, (32, 64, 128, 256)),
        ("lr", 150, 4, (1e-4, 1e-2)),
    ],
)
def test_ranges_know_the_data(name, n_samples, n_features, expected):
    place = fitted_to_data(name, TABLE[name].search, n_samples, n_features)
    ends = tuple(sorted(place.values)) if isinstance(place, Options) else (place.low, place.high)
    assert ends == expected
    assert all(min(expected) <= level <= max(expected) for level in levels(place))


@pytest.mark.parametrize("make", [np.asarray, csr_matrix, np.ndarray.tolist])
def test_the_data_in_any_form(make):
    X = make(np.ones((1000, 70)))
    assert search_space(X=X)["deepnetclassifier__hidden_units"] == [32, 64, 128, 256]
    unknown = search_space(X=["some", "texts"])
    assert unknown["deepnetclassifier__hidden_units"] == [16, 32, 64, 128, 256, 512]


@pytest.mark.parametrize("place", [Range(2, 50, log=True, integer=True), Range(1, 4, integer=True)])
def test_whole_numbers_stay_whole_and_reach_both_ends(place):
    draws = distribution(place)
    values = draws if isinstance(draws, list) else draws.rvs(500, random_state=0).tolist()
    assert {type(value) for value in values} == {int}
    assert (min(values), max(values)) == (place.low, place.high)
    assert all(isinstance(level, int) for level in levels(place))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"estimator": LogisticRegression()}, "There is no DeepNetClassifier in LogisticRegr"),
        ({"method": "bayesian"}, "method='bayesian' is not valid.*Did you mean 'bayes'"),
        ({"size": "huge"}, "size='huge' is not valid: size must be one of 'small'"),
        ({"max_candidates": 0}, "max_candidates=0 is not valid"),
        ({"n_samples": -5}, "n_samples=-5 is not valid"),
        ({"n_features": "a"}, "n_features='a' is not valid"),
        ({"X": 3}, "X=3 is not data"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        search_space(**arguments)


def test_documentation_lists_every_source():
    told = " ".join(search_space.__doc__.split())
    for name, entry in TABLE.items():
        if entry.search is None:
            continue
        assert len(entry.source) > 5, name
        is_listed = f"- `{name}` (" in told
        assert is_listed == (name in SIZES["large"])
        assert not is_listed or f". {entry.source}." in told
    assert {name for names in SIZES.values() for name in names} == set(SIZES["large"])


def test_bayes_dimensions_come_back_as_valid_values():
    """Skopt's transforms return numpy's types, which are valid too."""
    space = search_space(DeepNetClassifier(), "bayes", "large")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        box = Space(list(space.values()))
        rows = box.inverse_transform(box.transform(box.rvs(30, random_state=0)))
    for row in rows:
        check_hyperparameters({**DEFAULTS, **dict(zip(space, row, strict=True))})
