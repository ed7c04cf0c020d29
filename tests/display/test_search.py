"""Plots of searches show what cv_results_ says."""

import time

import numpy as np
import pytest
import skopt
from matplotlib import pyplot
from matplotlib.colors import to_rgba
from scipy.stats import loguniform, reciprocal, uniform
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    ParameterGrid,
    RandomizedSearchCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import sknethp.model_selection as ours
from sknethp import DeepNetClassifier, fused
from sknethp.display import SearchDisplay
from sknethp.display.candidates import candidates_of
from sknethp.display.figures import BEST, FAILED, floor_of
from sknethp.display.heat_map import cells, smoothed
from sknethp.display.parallel import heights
from sknethp.display.scales import UNSET

GRID = {"C": [0.01, 0.1, 1.0, 10.0], "kernel": ["linear", "rbf", "poly"]}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def grid(iris):
    return GridSearchCV(SVC(), GRID, cv=3).fit(*iris)


class Failing(SVC):
    def fit(self, X, y):
        if self.kernel == "poly":
            raise RuntimeError("no poly")
        return super().fit(X, y)


@pytest.fixture(scope="module")
def failing(iris):
    with pytest.warns() as caught:
        search = GridSearchCV(Failing(), GRID, cv=3).fit(*iris)
    assert "no poly" in str(caught[0].message)
    return search


def colored(ax, color):
    """The offsets of all marks of a colour."""
    found = [
        collection.get_offsets()
        for collection in ax.collections
        if hasattr(collection, "get_sizes")
        and len(collection.get_offsets())
        and np.allclose(collection.get_facecolor()[0][:3], to_rgba(color)[:3])
    ]
    return np.concatenate(found) if found else np.empty((0, 2))


def texts(ax):
    return [label.get_text() for label in ax.get_xticklabels()]


def legend(figure):
    return [text.get_text() for each in figure.legends for text in each.get_texts()]


def test_candidates_are_the_results(grid):
    found = candidates_of(grid)
    results = grid.cv_results_
    np.testing.assert_allclose(found.mean, results["mean_test_score"])
    np.testing.assert_allclose(found.spread, results["std_test_score"])
    assert found.values["kernel"] == [params["kernel"] for params in results["params"]]
    assert found.best == grid.best_index_
    seconds = 3 * (results["mean_fit_time"] + results["mean_score_time"])
    np.testing.assert_allclose(found.seconds, seconds)
    assert not found.wall
    timed = candidates_of(grid, seconds=7.0)
    assert timed.wall
    assert timed.seconds.sum() == pytest.approx(7)
    again = candidates_of(results)
    np.testing.assert_array_equal(again.scores, found.scores)
    assert results["mean_test_score"][again.best] == grid.best_score_


def test_plot_against_each_hyperparameter(grid):
    display = SearchDisplay.from_search(grid)
    assert display.plot() is display
    penalty, kernel = display.ax_
    assert [penalty.get_title("left"), kernel.get_title("left")] == ["C", "kernel"]
    assert texts(penalty) == ["0.01", "0.1", "1", "10"]
    assert texts(kernel) == ["linear", "rbf", "poly"]
    results = grid.cv_results_
    (star,) = colored(kernel, BEST)
    best = grid.best_params_["kernel"]
    assert abs(star[0] - GRID["kernel"].index(best)) < 0.5
    assert star[1] == grid.best_score_
    bars = next(c for c in penalty.collections if hasattr(c, "get_segments"))
    spans = sorted(tuple(segment[:, 1]) for segment in bars.get_segments())
    mean, spread = results["mean_test_score"], results["std_test_score"]
    np.testing.assert_allclose(spans, sorted(zip(mean - spread, mean + spread, strict=True)))
    assert "failed" not in legend(display.figure_)


def test_failed_candidates_are_marked(failing):
    display = SearchDisplay.from_search(failing).plot(names=["kernel"])
    marks = colored(display.ax_, FAILED)
    assert len(marks) == 4
    np.testing.assert_allclose(marks[:, 0].round(), 2)
    assert "failed" in legend(display.figure_)
    display.plot_convergence(against=["candidates"])
    assert len(colored(display.ax_, FAILED)) == 4
    display.plot_heat_map("C", "kernel")
    assert len(colored(display.ax_, FAILED)) == 4
    display.plot_parallel_coordinates()
    assert len(colored(display.ax_, FAILED)) == 4


def test_an_error_score_that_is_a_number_means_failed(iris):
    with pytest.warns(FitFailedWarning, match="no poly"):
        search = GridSearchCV(Failing(), GRID, cv=3, error_score=0.0).fit(*iris)
    assert candidates_of(search).failed.sum() == 4
    assert candidates_of(search.cv_results_).failed.sum() == 0  # negative control: not known there


def test_cells_of_the_heat_map(failing):
    found = candidates_of(failing)
    scores, failed = cells(found, "kernel", "C")
    results = failing.cv_results_
    for i, params in enumerate(results["params"]):
        row, column = GRID["C"].index(params["C"]), GRID["kernel"].index(params["kernel"])
        np.testing.assert_equal(scores[row, column], results["mean_test_score"][i])
        assert failed[row, column] == (params["kernel"] == "poly")
    display = SearchDisplay(found).plot_heat_map("kernel", "C")
    written = [text.get_text() for text in display.ax_.texts]
    assert sorted(written) == sorted(f"{score:.3f}" for score in scores[~np.isnan(scores)])


def test_several_candidates_of_a_cell(iris):
    grid = GridSearchCV(SVC(), {**GRID, "shrinking": [True, False], "tol": [1e-3, 10.0]}, cv=3)
    found = candidates_of(grid.fit(*iris))
    own = [
        found.mean[i]
        for i, params in enumerate(grid.cv_results_["params"])
        if params["C"] == 0.01 and params["kernel"] == "rbf"
    ]
    assert min(own) < max(own)
    assert cells(found, "C", "kernel", "mean")[0][1, 0] == pytest.approx(np.mean(own))
    assert cells(found, "C", "kernel", "best")[0][1, 0] == max(own)


def test_a_surface_where_values_are_many(iris):
    space = {"C": loguniform(1e-3, 1e3), "gamma": loguniform(1e-3, 1e1)}
    search = RandomizedSearchCV(SVC(), space, n_iter=25, cv=2, random_state=0).fit(*iris)
    display = SearchDisplay.from_search(search).plot_heat_map("C", "gamma")
    (image,) = display.ax_.images
    assert image.get_array().shape == (100, 100)
    dots = max(display.ax_.collections, key=lambda c: len(c.get_offsets()))
    np.testing.assert_array_equal(dots.get_array(), search.cv_results_["mean_test_score"])


def kinds(search):
    return {
        name: scale.kind
        for name, scale in SearchDisplay.from_search(search).candidates.scales.items()
    }


def test_scales_are_those_of_the_space(iris):
    """Three draws tell nothing of where they are from; the space does."""
    spaces = [
        {"C": loguniform(1, 5), "gamma": uniform(1e-4, 10)},
        {"C": [1.0], "tol": reciprocal(1e-3, 2e-3)},
    ]
    drawn = RandomizedSearchCV(SVC(), spaces, n_iter=8, cv=2, random_state=0).fit(*iris)
    assert kinds(drawn) == {"C": "log", "gamma": "linear", "tol": "log"}
    assert kinds(drawn.cv_results_)["C"] == "linear"
    scale = SearchDisplay.from_search(drawn).candidates.scales["gamma"]
    assert scale.is_range
    assert all(len(label) <= 5 for label in scale.ticks()[1])
    own = [({"C": (1.0, 3.0, "log-uniform"), "gamma": skopt.space.Real(1e-4, 10)}, 3)]
    for kind in (skopt.BayesSearchCV, ours.BayesSearchCV):
        proposed = kind(SVC(), own, n_iter=3, cv=2, random_state=0).fit(*iris)
        assert kinds(proposed) == {"C": "log", "gamma": "linear"}
    lists = {"C": skopt.space.Categorical([1e-3, 1e-2, 1.0]), "gamma": [1e-3, 1e-2, 0.1]}
    listed = ours.BayesSearchCV(SVC(), lists, n_iter=8, cv=2, random_state=0).fit(*iris)
    assert kinds(listed) == {"C": "log", "gamma": "log"}
    assert not candidates_of(listed).ranges


def test_scales_of_lists_are_those_of_the_table(iris):
    """The hyperparameter table knows; of other names the values tell."""
    net = DeepNetClassifier(max_epochs=1, hidden_units=4, random_state=0)
    grid = {"lr": [0.1, 0.2], "dropout": [0.001, 0.01, 0.1], "weight_decay": [0, 0.1, 0.2]}
    with fused(silent=True):
        search = GridSearchCV(net, grid, cv=2).fit(*iris)
    assert kinds(search) == {"lr": "log", "dropout": "linear", "weight_decay": "log"}
    params = [{f"net__{name}": each[name] for name in each} for each in ParameterGrid(grid)]
    prefixed = {"params": params, "mean_test_score": np.arange(len(params))}
    assert kinds(prefixed) == {f"net__{name}": kind for name, kind in kinds(search).items()}
    other = {"params": [{"a": a} for a in (0.001, 0.01, 0.1)], "mean_test_score": [1, 2, 3]}
    assert kinds(other) == {"a": "log"}


def test_scales_of_default_spaces(iris):
    net = DeepNetClassifier(max_epochs=1, hidden_units=4, random_state=0)
    searches = [
        ours.GridSearchCV(net, cv=2),
        ours.RandomizedSearchCV(net, n_iter=2, cv=2, random_state=0),
        ours.BayesSearchCV(net, n_iter=2, cv=2, random_state=0),
    ]
    for search in searches:
        search.fit(*iris)
        assert candidates_of(search).scales["lr"].kind == "log"
    assert searches[1].param_distributions is None
    assert candidates_of(searches[1]).ranges["lr"]
    assert not candidates_of(searches[1]).ranges["dropout"]


def test_smoothing():
    points, scores = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([1.0, 3.0])
    grid = np.array([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0], [9.0, 9.0]])
    smooth, nearness = smoothed(points, scores, grid, np.array([0.1, 0.1]))
    np.testing.assert_allclose(smooth, [1, 2, 3, 3])
    assert nearness[0] == nearness[2] == 1 > nearness[1] > nearness[3]


def test_convergence(grid):
    display = SearchDisplay.from_search(grid).plot_convergence()
    by_count, by_seconds = display.ax_
    mean = grid.cv_results_["mean_test_score"]
    line = by_count.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 13))
    np.testing.assert_array_equal(line.get_ydata(), np.maximum.accumulate(mean))
    assert by_seconds.lines[0].get_xdata()[-1] == pytest.approx(candidates_of(grid).seconds.sum())
    assert by_seconds.get_xlabel() == "seconds of fitting, one after another"
    assert by_count.texts[0].get_text() == f"{grid.best_score_:.4g}"


def test_seconds_by_the_clock(iris):
    """Our searches know when each round was done; its fused fits cannot be told apart."""
    net = DeepNetClassifier(hidden_units=4, max_epochs=2, random_state=0)
    with fused(silent=True):
        time.sleep(0.2)  # is not the search's
        searches = [
            ours.GridSearchCV(net, {"lr": [0.01, 0.1]}, cv=3).fit(*iris),
            ours.ManualSearchCV(net, {"a": {}, "b": {"lr": 0.1}}, cv=3)
            .fit(*iris)
            .try_candidate("c"),
            ours.LayerGrowthSearchCV(net, max_layers=3, patience=1, cv=3).fit(*iris),
            ours.BayesSearchCV(net, {"lr": (0.01, 0.1)}, n_iter=4, n_points=2, cv=3).fit(*iris),
        ]
    for search in searches:
        ends = search.evaluated_at_
        assert len(ends) == len(search.cv_results_["params"])
        display = SearchDisplay.from_search(search).plot_convergence(against=["seconds"])
        assert display.ax_.get_xlabel() == "seconds"
        shown = np.cumsum(display.candidates.seconds)
        assert (np.diff(shown) >= 0).all()
        last_of_round = np.flatnonzero(np.diff(ends, append=np.inf))
        np.testing.assert_allclose(shown[last_of_round], ends[last_of_round])
    assert [len(set(search.evaluated_at_)) for search in searches[:2]] == [1, 2]
    assert len(set(searches[3].evaluated_at_)) == 2
    assert searches[0].evaluated_at_[0] < searches[0].fused_summary_.seconds - 0.2


def test_seconds_where_single_fits_have_none():
    """The time of a round whose fits failed, or that did not tell, is shared out evenly."""
    results = {"params": [{"a": 1}, {"a": 2}, {"a": 3}], "mean_test_score": [0.1, 0.2, 0.3]}
    assert candidates_of(results, seconds=3600.0).seconds.tolist() == [1200] * 3


def test_parallel_coordinates(failing):
    display = SearchDisplay.from_search(failing).plot_parallel_coordinates()
    assert texts(display.ax_) == ["C", "kernel", "test score"]
    lines = heights(display.candidates, ["C", "kernel"])
    results = failing.cv_results_
    np.testing.assert_allclose(
        lines[:, 0], [np.log10(p["C"]) / 3 + 2 / 3 for p in results["params"]]
    )
    mean = results["mean_test_score"]
    floor = floor_of(mean)
    assert np.nanmin(mean) < floor < np.nanmedian(mean)
    expected = (mean - floor) / (np.nanmax(mean) - floor)
    np.testing.assert_allclose(lines[:, 2], np.maximum(expected, 0))
    (best,) = [line for line in display.ax_.lines if line.get_label() == "best"]
    assert best.get_ydata()[-1] == 1.0


def test_a_few_very_bad_scores_do_not_press_the_others_together():
    params = [{"a": float(i)} for i in range(20)]
    scores = np.linspace(0.8, 0.9, 20)
    scores[3] = -1e6
    results = {"params": params, "mean_test_score": scores}
    display = SearchDisplay.from_search(results).plot()
    low, high = display.ax_.get_ylim()
    assert 0.6 < low < 0.8
    assert 0.9 < high < 1
    assert "off the scale" in legend(display.figure_)
    tame = {"params": params, "mean_test_score": np.linspace(0.8, 0.9, 20)}
    assert "off the scale" not in legend(SearchDisplay.from_search(tame).plot().figure_)


def test_prefixes_and_lists_of_grids(iris):
    net = make_pipeline(StandardScaler(), DeepNetClassifier(max_epochs=1, random_state=0))
    spaces = [
        {"deepnetclassifier__lr": [0.01, 0.1], "deepnetclassifier__optimizer": ["adam"]},
        {"deepnetclassifier__optimizer": ["sgd"], "deepnetclassifier__momentum": [0.0, 0.9]},
    ]
    search = ours.GridSearchCV(net, spaces, cv=2).fit(*iris)
    display = SearchDisplay.from_search(search)
    assert display.candidates.values["deepnetclassifier__lr"] == [0.01, 0.1, UNSET, UNSET]
    display.plot()
    titles = [ax.get_title("left") for ax in display.ax_]
    assert titles == ["lr", "optimizer", "momentum"]
    assert texts(display.ax_[0])[0] == "unset"
    assert display.candidates.find("lr") == "deepnetclassifier__lr"


def test_what_is_not_tried_by_hand_is_the_estimators_own(iris):
    net = DeepNetClassifier(hidden_units=4, lr=0.1, max_epochs=1, random_state=0)
    tried = {"start": {}, "wide": {"hidden_units": 8}, "slow": {"lr": 0.01}}
    search = ours.ManualSearchCV(make_pipeline(net), tried, cv=2).fit(*iris)
    values = candidates_of(search).values
    assert values["deepnetclassifier__hidden_units"] == [4, 8, 4]
    assert values["deepnetclassifier__lr"] == [0.1, 0.1, 0.01]
    default = ours.ManualSearchCV()
    default.cv_results_ = search.cv_results_
    assert candidates_of(default).values["deepnetclassifier__hidden_units"][0] == 256


def test_several_metrics(iris):
    search = GridSearchCV(
        SVC(), GRID, cv=3, scoring=["accuracy", "f1_macro"], refit="f1_macro"
    ).fit(*iris)
    display = SearchDisplay.from_search(search)
    np.testing.assert_array_equal(display.candidates.mean, search.cv_results_["mean_test_f1_macro"])
    display.plot_convergence(against=["candidates"])
    assert display.ax_.get_ylabel() == "test f1_macro"
    other = SearchDisplay.from_search(search, metric="accuracy").candidates
    np.testing.assert_array_equal(other.mean, search.cv_results_["mean_test_accuracy"])
    with pytest.raises(ValueError, match="'auc' was not computed: give one of 'accuracy'"):
        SearchDisplay.from_search(search, metric="auc")


def test_searches_of_other_kinds(iris):
    halving = HalvingGridSearchCV(SVC(), GRID, cv=3, random_state=0).fit(*iris)
    bayes = skopt.BayesSearchCV(SVC(), {"C": (0.1, 10.0)}, n_iter=3, cv=3, random_state=0).fit(
        *iris
    )
    for search in (halving, bayes):
        display = SearchDisplay.from_search(search)
        for plot in ("plot", "plot_convergence", "plot_parallel_coordinates"):
            getattr(display, plot)()
        assert display.candidates.mean[display.candidates.best] == pytest.approx(search.best_score_)


def test_axes_of_ones_own(grid):
    figure, axes = pyplot.subplots(1, 2)
    display = SearchDisplay.from_search(grid).plot(axes)
    assert display.figure_ is figure
    assert display.ax_.tolist() == axes.tolist()
    with pytest.raises(ValueError, match="needs 2 axes, but ax has 1"):
        display.plot(axes[0])


def test_one_candidate_and_all_failed():
    for score in (0.5, np.nan):
        display = SearchDisplay.from_search({"params": [{"a": 1}], "mean_test_score": [score]})
        display.plot()
        display.plot_convergence()
        low, high = display.ax_[0].get_xlim()
        assert low < 1 < high
        display.plot_parallel_coordinates()
        display.plot_heat_map("a", "a")
        assert (display.candidates.best is None) == np.isnan(score)


def test_bad_input(grid):
    display = SearchDisplay.from_search(grid)
    with pytest.raises(ValueError, match="SVC has no cv_results_: give a search after its fit"):
        SearchDisplay.from_search(SVC())
    with pytest.raises(ValueError, match="'gamma' was not searched: give one of 'C', 'kernel'"):
        display.plot_heat_map("C", "gamma")
    with pytest.raises(ValueError, match=r"is a text: give a list of names, \['C'\]"):
        display.plot(names="C")
    with pytest.raises(ValueError, match="give a list of 'candidates', 'seconds' or both"):
        display.plot_convergence(against=["time"])
    with pytest.raises(ValueError, match="give 'mean' or 'best'"):
        display.plot_heat_map("C", "kernel", aggregate="max")
    with pytest.raises(ValueError, match="no hyperparameter to show"):
        SearchDisplay.from_search({"params": [{}], "mean_test_score": [0.5]}).plot()


def test_long_names_are_slanted_and_no_axes_are_left_over():
    kinds = ["a long name", "another long name", "the longest name"]
    params = [{"kind": kind, "a": a, "b": a, "c": a} for kind in kinds for a in (1, 2)]
    table = {"params": params, "mean_test_score": np.linspace(0, 1, 6)}
    display = SearchDisplay.from_search(table).plot()
    assert len(display.figure_.axes) == 4
    rotations = [{t.get_rotation() for t in ax.get_xticklabels()} for ax in display.ax_]
    assert rotations == [{35.0}, {0.0}, {0.0}, {0.0}]


def test_the_colour_bar_says_that_a_cell_shows_its_best_candidate(grid):
    params = [dict(p, seed=seed) for p in grid.cv_results_["params"] for seed in (0, 1)]
    display = SearchDisplay.from_search({"params": params, "mean_test_score": np.arange(24.0)})
    display.plot_heat_map("C", "kernel", aggregate="best")
    assert display.figure_.axes[-1].get_ylabel() == "best test score"
    display.plot_heat_map("C", "kernel", aggregate="mean")
    assert display.figure_.axes[-1].get_ylabel() == "test score"


def test_a_surface_of_failed_candidates_has_only_their_marks():
    drawn = RandomizedSearchCV(SVC(), {"C": loguniform(1e-2, 1e2), "gamma": uniform()})
    params = [{"C": 0.1, "gamma": 0.2}, {"C": 3.0, "gamma": 0.7}]
    drawn.cv_results_ = {"params": params, "mean_test_score": np.full(2, np.nan)}
    display = SearchDisplay.from_search(drawn).plot_heat_map("C", "gamma")
    assert len(colored(display.ax_, FAILED)) == 2
    assert display.figure_.axes == [display.ax_]
    assert not display.ax_.images
