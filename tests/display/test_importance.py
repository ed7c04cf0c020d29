"""Importances of hyperparameters: against known functions, and against the definition."""

from itertools import product

import numpy as np
import pytest
from matplotlib import pyplot
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from sknethp import DeepNetClassifier, fused
from sknethp.display import Importance, ImportanceDisplay, hyperparameter_importance
from sknethp.display.fanova import Axis, effects_of, encoded, leaves_of

METHODS = ("fanova", "permutation")


def results(params, score, noise=0.0):
    """The results of a search in which `score` tells a candidate's score."""
    rng = np.random.default_rng(7)
    scores = [score(candidate) + noise * rng.normal() for candidate in params]
    return {"params": params, "mean_test_score": np.array(scores)}


def drawn(n):
    rng = np.random.default_rng(3)
    return [
        {
            "a": rng.uniform(),
            "b": rng.uniform(),
            "lr": 10 ** rng.uniform(-4, 0),
            "kind": str(rng.choice(["x", "y", "z"])),
        }
        for _ in range(n)
    ]


GRID = [
    {"units": u, "norm": n, "rest": r}
    for u, n, r in product([1, 2, 3, 4], [None, "batch", (1, 2)], ["p", "q", "r"])
]


@pytest.mark.parametrize("method", METHODS)
def test_an_additive_function(method):
    """Each hyperparameter's share is its term's variance; one without a term has none."""
    found = hyperparameter_importance(
        results(drawn(400), lambda p: 3 * p["a"] + np.log10(p["lr"]) + (p["kind"] == "x")), method
    )
    variances = {"a": 9 / 12, "lr": 16 / 12, "kind": 2 / 9, "b": 0.0}
    total = sum(variances.values())
    for name, variance in variances.items():
        assert found.mean[name] == pytest.approx(variance / total, abs=0.06)
    assert abs(found.mean["b"]) < 0.01
    assert list(found.mean) == ["lr", "a", "kind", "b"]
    assert found.r2 > 0.95
    assert found.method == method
    assert set(found.spread) == set(found.mean)


@pytest.mark.parametrize("method", METHODS)
def test_a_grid_of_values_of_all_kinds(method):
    """Tuples and None are values like others; the same search means the same again."""
    table = results(GRID, lambda p: p["units"] + 2 * (p["norm"] is None))
    found = hyperparameter_importance(table, method)
    units, norm = 1.25, 4 * 2 / 9
    assert found.mean["units"] == pytest.approx(units / (units + norm), abs=0.06)
    assert found.mean["norm"] == pytest.approx(norm / (units + norm), abs=0.06)
    assert abs(found.mean["rest"]) < 0.01
    assert hyperparameter_importance(table, method) == found


def test_what_two_do_only_together():
    """An interaction has no main effects; permutation importance sees it all the same."""
    table = results(drawn(400), lambda p: np.sign(p["a"] - 0.5) * np.sign(p["b"] - 0.5))
    found = hyperparameter_importance(table, pairs=True)
    assert max(found.mean.values()) < 0.1
    assert next(iter(found.pairs)) == ("a", "b")
    assert found.pairs["a", "b"] > 0.7
    assert max(share for pair, share in found.pairs.items() if pair != ("a", "b")) < 0.1
    permuted = hyperparameter_importance(table, "permutation")
    assert min(permuted.mean[name] for name in "ab") > 0.6
    assert max(permuted.mean[name] for name in ("lr", "kind")) < 0.05


def test_noise_alone():
    """Where nothing matters, the forest predicts nothing, and permutation finds nothing."""
    table = results(drawn(200), lambda p: 0.0, noise=1.0)
    found = hyperparameter_importance(table, "permutation")
    assert found.r2 < 0.05
    assert max(map(abs, found.mean.values())) < 0.2


def test_equal_scores():
    found = hyperparameter_importance(results(GRID, lambda p: 0.5))
    assert set(found.mean.values()) == {0.0}
    assert found.r2 == 0.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("matters", [True, False])
def test_conditional_hyperparameters(method, matters):
    """What is there for some candidates alone is not taken for what decides about that."""
    rng = np.random.default_rng(0)
    params = [{"optimizer": "adam"} for _ in range(100)]
    params += [{"optimizer": "sgd", "momentum": rng.uniform()} for _ in range(100)]
    table = results(
        params, lambda p: (p["optimizer"] == "sgd") + matters * 2 * p.get("momentum", 0)
    )
    found = hyperparameter_importance(table, method)
    if matters:
        assert found.mean["momentum"] > 0.04
    else:
        assert abs(found.mean["momentum"]) < 1e-3
        assert found.mean["optimizer"] == pytest.approx(1, abs=0.15)


def test_failed_candidates_are_left_out():
    table = results(GRID, lambda p: float(p["units"]))
    worse = {**table, "mean_test_score": table["mean_test_score"].copy()}
    for i in (0, 5, 11):
        worse["mean_test_score"][i] = np.nan
    assert hyperparameter_importance(worse).mean["units"] > 0.95


def test_cutoff():
    """What tells the bad from the very bad is not important below the cutoff."""
    table = results(
        GRID, lambda p: -100 * (p["units"] == 1) * (p["rest"] != "p") + (p["rest"] == "q")
    )
    assert hyperparameter_importance(table).mean["units"] > 0.3
    above = hyperparameter_importance(table, cutoff=0.0)
    assert above.mean["rest"] > 2 * above.mean["units"]


def axes_of(rng):
    numbers = Axis(np.linspace(0, 1, 5)[:, None], np.array([0.1, 0.2, 0.4, 0.2, 0.1]))
    mixed = Axis(np.array([[0.0, 0], [1.0, 0], [-1.0, 1]]), np.array([0.5, 0.25, 0.25]))
    categories = Axis(np.eye(4), np.full(4, 0.25))
    axes = [numbers, mixed, categories]
    sizes = [len(axis.weights) for axis in axes]
    return axes, np.stack([rng.integers(size, size=40) for size in sizes], axis=1), sizes


def test_shares_are_those_of_the_definition():
    """Sums over the leaves' boxes equal sums over every point of the space."""
    rng = np.random.default_rng(1)
    axes, chosen, sizes = axes_of(rng)
    tree = DecisionTreeRegressor(random_state=0).fit(encoded(axes, chosen), rng.normal(size=40))
    points = np.array(list(product(*map(range, sizes))))
    table = tree.predict(encoded(axes, points)).reshape(sizes)
    w = [axis.weights for axis in axes]
    mean = np.einsum("abc,a,b,c", table, *w)
    variance = np.einsum("abc,a,b,c", (table - mean) ** 2, *w)
    pair = np.einsum("abc,c", table, w[2]) - mean
    main = [
        np.einsum("abc,b,c->a", table, w[1], w[2]) - mean,
        np.einsum("abc,a,c->b", table, w[0], w[2]) - mean,
        np.einsum("abc,a,b->c", table, w[0], w[1]) - mean,
    ]
    found = effects_of(leaves_of(tree, axes), axes, with_pairs=True)
    expected = [weights @ each**2 for weights, each in zip(w, main, strict=True)]
    np.testing.assert_allclose(found.main, np.array(expected) / variance, rtol=1e-10)
    together = np.einsum("ab,a,b", pair**2, w[0], w[1]) - expected[0] - expected[1]
    assert found.pairs[0, 1] == pytest.approx(together / variance)
    # With weights that are not the axes' the same sums differ.
    uneven = [Axis(axis.codes, axis.weights[::-1]) for axis in axes]
    other = effects_of(leaves_of(tree, uneven), uneven)
    assert not np.allclose(other.main, found.main, rtol=1e-3)


def test_draws_near_the_best_do_not_make_a_range_small():
    """Where a search looks closely does not count for more of the range."""
    rng = np.random.default_rng(0)
    params = [{"a": a, "b": rng.uniform()} for a in np.linspace(0, 1, 60)]
    params += [{"a": 0.9 + a, "b": rng.uniform()} for a in np.linspace(0, 0.1, 120)]
    found = hyperparameter_importance(results(params, lambda p: 2 * p["a"] + p["b"]))
    assert found.mean["a"] == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("kind", [GridSearchCV, RandomizedSearchCV])
def test_a_search(kind):
    """Of a real search; names without prefix are only for the plot."""
    X, y = load_iris(return_X_y=True)
    net = DeepNetClassifier(hidden_units=8, max_epochs=5, random_state=0)
    space = {
        "deepnetclassifier__lr": [1e-4, 1e-3, 1e-2, 1e-1],
        "deepnetclassifier__beta2": [0.99, 0.999, 0.9999],
    }
    more = {"n_iter": 10, "random_state": 0} if kind is RandomizedSearchCV else {}
    search = kind(make_pipeline(StandardScaler(), net), space, cv=3, refit=False, **more)
    with fused(silent=True):
        search.fit(X, y)
    found = hyperparameter_importance(search)
    assert found.mean["deepnetclassifier__lr"] > 0.7
    assert hyperparameter_importance(search.cv_results_) == found


@pytest.mark.parametrize(
    ("n", "options", "words"),
    [
        (5, {}, "has 5 candidates with a score, too few .*: give one of at least 8"),
        (36, {"method": "shap"}, "'shap' is not known: give 'fanova' or 'permutation'"),
        (36, {"method": "permutation", "pairs": True}, "pairs=True needs method='fanova'"),
        (36, {"n_trees": 0}, "n_trees=0"),
        (36, {"metric": "auc"}, "metric='auc' was not computed"),
    ],
)
def test_bad_input(n, options, words):
    with pytest.raises(ValueError, match=words):
        hyperparameter_importance(results(GRID[:n], lambda p: p["units"]), **options)


def test_a_share_of_all_can_be_drawn():
    """Rounding may put it above one."""
    display = ImportanceDisplay(
        Importance({"lr": 1 + 2e-16, "u": 0.0}, {"lr": 0.0, "u": 0.0}, r2=1.0)
    )
    assert display.plot().ax_.patches[0].get_width() == 1 + 2e-16


def test_nothing_varied():
    with pytest.raises(ValueError, match="more than one value"):
        hyperparameter_importance(results([{"lr": 0.1}] * 10, lambda p: 0.5))
    display = ImportanceDisplay.from_search(results(GRID, lambda p: p["units"]))
    with pytest.raises(ValueError, match="most=0 is not valid"):
        display.plot(most=0)


@pytest.mark.parametrize(("method", "is_bounded"), [("fanova", True), ("permutation", False)])
def test_no_line_ends_where_no_share_can_be(method, is_bounded):
    given = Importance({"lr": 0.95, "units": 0.01}, {"lr": 0.1, "units": 0.05}, method=method)
    ax = ImportanceDisplay(given).plot().ax_
    (lines,) = (each for each in ax.collections if hasattr(each, "get_segments"))
    ends = np.array([segment[:, 0] for segment in lines.get_segments()])
    np.testing.assert_allclose(ends[0], [0.85, 1.0 if is_bounded else 1.05])
    np.testing.assert_allclose(ends[1], [0.0, 0.06])


def test_plot():
    """A bar per hyperparameter and pair, the longest at the top, on axes of one's own too."""
    table = results(GRID, lambda p: p["units"] + 0.1 * (p["rest"] == "q"))
    display = ImportanceDisplay.from_search(table, pairs=True).plot()
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names[:2] == ["units", "rest"]
    assert len(names) == 6
    lengths = [bar.get_width() for bar in display.ax_.patches]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == display.importance.mean["units"]
    assert "share of the scores' variance" in display.ax_.get_xlabel()
    figure, ax = pyplot.subplots()
    assert display.plot(ax, most=2).ax_ is ax
    assert display.figure_ is figure
    assert len(ax.patches) == 2


@pytest.mark.parametrize("r2", [0.9, -1.25])
def test_the_title_is_not_cut_off_beside_long_names(r2):
    names = ["early_stopping_patience", "learning_rate_schedule"]
    given = Importance(
        dict.fromkeys(names, 0.4), dict.fromkeys(names, 0.1), {tuple(names): 0.1}, r2
    )
    display = ImportanceDisplay(given).plot()
    display.figure_.canvas.draw()
    title = display.ax_.get_title("left")
    assert f"R² = {r2}" in title
    (text,) = (
        text for text in display.ax_.get_children() if getattr(text, "get_text", str)() == title
    )
    assert text.get_window_extent().x1 <= display.figure_.bbox.x1


@pytest.mark.parametrize("method", ["fanova", "permutation"])
def test_equal_scores_make_nothing_important(method):
    found = hyperparameter_importance(results(GRID, lambda p: 0.5), method)
    assert set(found.mean.values()) == {0.0}
    assert found.r2 == 0
