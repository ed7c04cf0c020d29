"""Nets whose parameters a search cannot set: frozen, or hidden by a wrapper of any kind."""

import numpy as np
import pytest
from sklearn import model_selection as parents
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_wine
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknethp import DeepNetClassifier, model_selection
from sknethp.model_selection import (
    BayesSearchCV,
    GridSearchCV,
    HalvingRandomSearchCV,
    LayerGrowthSearchCV,
    ManualSearchCV,
    RandomizedSearchCV,
    search_space,
)
from sknethp.model_selection.estimators import networks_in, with_memory


def net(**changed):
    return DeepNetClassifier(
        **{"max_epochs": 3, "hidden_units": 8, "lr": 0.01, "random_state": 0, **changed}
    )


class Hiding(ClassifierMixin, BaseEstimator):
    """Lists the estimator in it, and none of that one's parameters."""

    def __init__(self, model=None, level=0.5):
        self.model = model
        self.level = level

    def get_params(self, deep=True):
        return {"model": self.model, "level": self.level}

    def fit(self, X, y):
        self.model_ = clone(self.model).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


class Plain(DeepNetClassifier):
    """A net with few parameters of its own."""

    def __init__(self, lr=0.01, hidden_units=8):
        super().__init__(lr=lr, hidden_units=hidden_units, max_epochs=3, random_state=0)


@pytest.fixture(scope="module")
def data():
    X, y = load_wine(return_X_y=True)
    return scale(X), y


@pytest.fixture(scope="module")
def estimators(data):
    def frozen(**changed):
        return FrozenEstimator(net(**changed).fit(*data))

    logistic = ("lr", LogisticRegression())
    pipeline = FrozenEstimator(make_pipeline(StandardScaler(), net()).fit(*data))
    return {
        "frozen": CalibratedClassifierCV(frozen()),
        "frozen beside others": VotingClassifier([("net", frozen()), logistic], voting="soft"),
        "frozen pipeline": StackingClassifier([("net", pipeline), logistic], cv=2),
        "hidden": CalibratedClassifierCV(Hiding(net()), cv=2),
    }


SPACES = {
    "frozen": {"method": ["sigmoid", "isotonic"]},
    "frozen beside others": {"lr__C": [0.01, 0.1, 1.0]},
    "frozen pipeline": {"lr__C": [0.01, 0.1, 1.0]},
    "hidden": {"method": ["sigmoid", "isotonic"], "estimator__level": [0.1, 0.2, 0.3]},
}


@pytest.mark.parametrize("name", SPACES)
def test_scores_are_the_parents(name, data, estimators):
    """The nets are left as they are, and whatever else there is, is searched."""
    theirs = parents.GridSearchCV(estimators[name], SPACES[name], cv=3).fit(*data)
    ours = GridSearchCV(estimators[name], SPACES[name], cv=3).fit(*data)
    column = "mean_test_score"
    np.testing.assert_array_equal(ours.cv_results_[column], theirs.cv_results_[column])


@pytest.mark.parametrize("name", SPACES)
def test_all_searches_take_them(name, data, estimators, tmp_path):
    estimator, space = estimators[name], SPACES[name]
    first, *others = ({key: value} for key, values in space.items() for value in values)
    searches = [
        RandomizedSearchCV(estimator, space, n_iter=2, random_state=0, cv=2, memory=tmp_path),
        HalvingRandomSearchCV(estimator, space, n_candidates=2, min_resources=90, cv=2),
        BayesSearchCV(estimator, space, n_iter=2, random_state=0, cv=2, memory=tmp_path),
        ManualSearchCV(estimator, {"as it is": {}, "first": first}, cv=2),
    ]
    for search in searches:
        assert search.fit(*data).score(*data) > 0.6
    manual = searches[-1]
    manual.try_candidate("another", **others[0])
    assert "another" in str(manual)


@pytest.mark.parametrize("name", SPACES)
def test_there_is_no_default_space_for_them(name, estimators):
    assert networks_in(estimators[name]) == {}
    with pytest.raises(ValueError, match=r"no DeepNetClassifier in \w+, or it is frozen, and a de"):
        search_space(estimators[name])
    with pytest.raises(ValueError, match=r"add layers to, or it is frozen"):
        LayerGrowthSearchCV(estimators[name]).fit(*load_wine(return_X_y=True))


def test_a_free_net_beside_a_frozen_one_is_tuned(data, tmp_path):
    frozen = FrozenEstimator(net().fit(*data))
    pair = VotingClassifier([("frozen", frozen), ("free", net())], voting="soft")
    assert list(networks_in(pair)) == ["free__"]
    search = LayerGrowthSearchCV(pair, {"lr": [0.01, 0.02]}, cv=2, max_layers=2, memory=tmp_path)
    search.fit(*data)
    assert set(search.best_params_) == {"free__hidden_layers", "free__lr"}
    assert with_memory(pair, tmp_path).get_params()["free__memory"] == tmp_path
    assert frozen.estimator.memory is None


def test_a_frozen_net_alone(data):
    """There is nothing to tune but which one it is."""
    good, poor = FrozenEstimator(net().fit(*data)), FrozenEstimator(net(max_epochs=1).fit(*data))
    pipeline = make_pipeline(StandardScaler(), poor)
    search = GridSearchCV(pipeline, {"frozenestimator": [poor, good]}, cv=2).fit(*data)
    assert search.best_params_["frozenestimator"] is good


def test_a_subclass_may_have_fewer_parameters(data, tmp_path):
    """What it does not take is neither searched nor set."""
    grid = search_space(Plain(), "grid", "small", X=data[0])
    assert set(grid) == {"lr", "hidden_units"}
    plain = Plain()
    assert with_memory(plain, tmp_path) is plain
    with pytest.raises(ValueError, match="no DeepNetClassifier in Plain to add layers to"):
        LayerGrowthSearchCV(Plain()).fit(*data)


@pytest.mark.parametrize("name", [name for name in model_selection.__all__ if name[0].isupper()])
@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (DeepNetClassifier, r"is a class: give an instance, DeepNetClassifier\(\)"),
        (LogisticRegression, r"is a class: give an instance, LogisticRegression\(\)"),
        ("net", "estimator='net' is not valid: give an estimator"),
        (5, "estimator=5 is not valid: give an estimator"),
    ],
)
def test_what_is_no_estimator(name, estimator, message, data):
    """Said in one sentence, by every search and by `search_space`."""
    search = getattr(model_selection, name)(estimator)
    with pytest.raises(TypeError, match=message):
        search.fit(*data)
    with pytest.raises(TypeError, match=message):
        search_space(estimator)


CLASS = r"DeepNetClassifier in Pipeline is a class: give an instance, DeepNetClassifier\(\)"


def test_a_class_inside_an_estimator(data):
    """Of a pipeline, or among the values of a space: one sentence, too."""
    wrong = Pipeline([("scale", StandardScaler()), ("net", DeepNetClassifier)])
    right = Pipeline([("scale", StandardScaler()), ("net", net())])
    for name in (name for name in model_selection.__all__ if name[0].isupper()):
        with pytest.raises(TypeError, match=CLASS):
            getattr(model_selection, name)(wrong).fit(*data)
    with pytest.raises(TypeError, match=CLASS):
        search_space(wrong)
    with pytest.raises(ValueError, match=f"No candidate can be fitted: {CLASS}"):
        GridSearchCV(right, {"net": [DeepNetClassifier]}).fit(*data)
    with pytest.raises(ValueError, match=f"No candidate can be fitted: {CLASS}"):
        ManualSearchCV(right, {"a": {"net": DeepNetClassifier}}).fit(*data)
