"""Plots of trainings and of layer growth."""

import sys
from functools import partial

import numpy as np
import pytest
from matplotlib import pyplot
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import sknethp.model_selection as ours
from sknethp import DeepNetClassifier, fused
from sknethp.display import (
    ImportanceDisplay,
    LayerGrowthDisplay,
    SearchDisplay,
    TrainingDisplay,
)
from sknethp.model_selection import LayerGrowthSearchCV
from tests.helpers import small_net


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


net = partial(small_net, max_epochs=DeepNetClassifier().max_epochs, lr=0.01)


class Hiding(ClassifierMixin, BaseEstimator):
    """A wrapper that lists no parameters of the net in it."""

    def fit(self, X, y):
        self.net_ = net(max_epochs=2).fit(X, y)
        return self


def test_one_net(iris):
    pipeline = make_pipeline(
        StandardScaler(), net(early_stopping=True, max_epochs=30, patience=3, lr=0.1)
    ).fit(*iris)
    fitted = pipeline[-1]
    display = TrainingDisplay.from_estimator(pipeline).plot()
    loss, accuracy = display.ax_
    n_epochs = len(fitted.history_)
    for ax, score in ((loss, "loss"), (accuracy, "accuracy")):
        lines = {line.get_label(): line for line in ax.lines}
        for label, part in (("training", "train"), ("validation", "valid")):
            expected = [row[f"{part}_{score}"] for row in fitted.history_]
            np.testing.assert_array_equal(lines[label].get_ydata(), expected)
            np.testing.assert_array_equal(lines[label].get_xdata(), np.arange(1, n_epochs + 1))
    (mark,) = loss.collections[-1].get_offsets()
    best = fitted.best_epoch_
    assert best < n_epochs
    assert mark.tolist() == [best, fitted.history_[best - 1]["valid_loss"]]
    assert f"best epoch, {best}" in [text.get_text() for text in loss.get_legend().get_texts()]


def test_all_folds_of_a_candidate(iris):
    stopping = net(early_stopping=True, max_epochs=20, patience=2, lr=0.1)
    with fused(silent=True):
        result = cross_validate(stopping, *iris, cv=5, return_estimator=True)
    display = TrainingDisplay.from_estimator(result).plot()
    lengths = [len(each.history_) for each in result["estimator"]]
    assert len(set(lengths)) > 1
    curves = display.curves("loss", "valid")
    assert np.isfinite(curves).sum(axis=1).tolist() == lengths
    (mean,) = [line for line in display.ax_[0].lines if "validation" in line.get_label()]
    np.testing.assert_allclose(mean.get_ydata(), np.nanmean(curves, axis=0))
    assert mean.get_label() == "validation, mean of 5"
    assert len(display.ax_[0].lines) == 2 * 6
    assert display.best_epochs == [each.best_epoch_ for each in result["estimator"]]


def test_another_score_that_is_monitored(iris):
    fitted = net(early_stopping=True, monitor="f1_macro", max_epochs=3).fit(*iris)
    display = TrainingDisplay.from_estimator(fitted).plot()
    assert len(display.scores) == len(display.ax_) == 3
    expected = [row[display.scores[2]] for row in fitted.history_]
    np.testing.assert_array_equal(display.curves(display.scores[2], "valid")[0], expected)


def test_nets_inside_other_estimators(iris):
    search = GridSearchCV(net(max_epochs=2), {"lr": [0.1]}, cv=2).fit(*iris)
    bagging = BaggingClassifier(net(max_epochs=2), n_estimators=3, random_state=0).fit(*iris)
    calibrated = CalibratedClassifierCV(net(max_epochs=2), cv=2).fit(*iris)
    several = [search, bagging, calibrated]
    for fitted, n_nets in ((search, 1), (bagging, 3), (calibrated, 2), (several, 6)):
        assert len(TrainingDisplay.from_estimator(fitted).histories) == n_nets
    figure, axes = pyplot.subplots(2)
    assert TrainingDisplay.from_estimator(search).plot(axes).figure_ is figure


def test_frozen_nets(iris):
    """Alone, in a pipeline, as part of an ensemble, and behind a wrapper without parameters."""
    frozen = FrozenEstimator(net(max_epochs=2).fit(*iris))
    pipeline = FrozenEstimator(make_pipeline(StandardScaler(), net(max_epochs=2)).fit(*iris))
    pair = [("net", frozen), ("svc", SVC())]
    voting = VotingClassifier(pair).fit(*iris)
    search = GridSearchCV(StackingClassifier(pair, cv=2), {"svc__C": [0.1, 1]}, cv=2).fit(*iris)
    calibrated = CalibratedClassifierCV(frozen).fit(*iris)
    wrapper = Hiding().fit(*iris)
    for fitted in (frozen, pipeline, make_pipeline(frozen), voting, search, calibrated, wrapper):
        display = TrainingDisplay.from_estimator(fitted).plot()
        assert len(display.histories) == 1
        assert len(display.histories[0]) == 2


def test_searches_over_frozen_nets(iris):
    """All plots of a search in which a frozen net is a fixed part or one of the values."""
    nets = [FrozenEstimator(net(max_epochs=epochs).fit(*iris)) for epochs in (1, 2)]
    stacking = StackingClassifier([("net", nets[0]), ("svc", SVC())], cv=2)
    grid = {"svc__C": [0.1, 0.2, 0.3, 0.4], "net": nets}
    for kind in (GridSearchCV, ours.GridSearchCV):
        search = kind(stacking, grid, cv=2).fit(*iris)
        display = SearchDisplay.from_search(search)
        display.plot().plot_convergence().plot_parallel_coordinates().plot_heat_map("C", "net")
        labels = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert labels == ["FrozenEstimator 1", "FrozenEstimator 2"]
        assert set(ImportanceDisplay.from_search(search).plot().importance.mean) == set(grid)


def test_nothing_to_plot(iris):
    with pytest.raises(ValueError, match="no fitted DeepNetClassifier in SVC"):
        TrainingDisplay.from_estimator(SVC().fit(*iris))
    unfitted = GridSearchCV(net(max_epochs=1), {"lr": [0.1]}, cv=2, refit=False).fit(*iris)
    with pytest.raises(ValueError, match="in GridSearchCV: a search keeps one only if it refits"):
        TrainingDisplay.from_estimator(unfitted)
    with pytest.raises(ValueError, match="no fitted DeepNetClassifier in DeepNetClassifier"):
        TrainingDisplay.from_estimator(net())
    with pytest.raises(ValueError, match="return_estimator=True"):
        TrainingDisplay.from_estimator({"test_score": [1.0]})
    with pytest.raises(ValueError, match="no cv_results_"):
        LayerGrowthDisplay.from_search(LayerGrowthSearchCV(net()))
    with pytest.raises(ValueError, match=r"hidden_layers, is not among what was searched: lr\."):
        LayerGrowthDisplay.from_search(GridSearchCV(net(max_epochs=1), {"lr": [1.0]}).fit(*iris))
    failed = {"params": [{"hidden_layers": 1}], "mean_test_score": [np.nan]}
    with pytest.raises(ValueError, match="All candidates of the search failed"):
        LayerGrowthDisplay.from_search(failed)


def test_without_matplotlib(iris, monkeypatch):
    display = TrainingDisplay.from_estimator(net(max_epochs=1).fit(*iris))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'sknethp\[plot\]'"):
        display.plot()


def test_layer_growth(iris):
    search = LayerGrowthSearchCV(net(max_epochs=5), max_layers=3, cv=5).fit(*iris)
    display = LayerGrowthDisplay.from_search(search).plot()
    assert display.best_n_layers == search.best_n_layers_
    line = display.ax_.lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [d["n_layers"] for d in search.growth_])
    np.testing.assert_array_equal(line.get_ydata(), [d["mean"] for d in search.growth_])
    star = display.ax_.collections[-1].get_offsets()[0]
    assert star.tolist() == [
        search.best_n_layers_,
        line.get_ydata()[line.get_xdata() == star[0]][0],
    ]
    label = display.ax_.collections[-1].get_label()
    assert label.startswith(f"chosen: {search.best_n_layers_} hidden layer")


def test_growth_from_any_search(iris):
    """The rule of one standard error is applied to any search over the number of layers."""
    space = {"hidden_layers": [2, 1, 3], "lr": [1e-4, 1e-2]}
    search = GridSearchCV(net(max_epochs=5), space, cv=5).fit(*iris)
    display = LayerGrowthDisplay.from_search(search).plot()
    results = search.cv_results_
    for depth in display.growth:
        own = results["param_hidden_layers"] == depth["n_layers"]
        assert depth["mean"] == pytest.approx(results["mean_test_score"][own].max())
    assert [depth["n_layers"] for depth in display.growth] == [1, 2, 3]
    assert display.growth[0]["improved"]
