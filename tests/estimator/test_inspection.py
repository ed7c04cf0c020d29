"""scikit-learn's inspection and displays of a net, fitted on named columns and text labels."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.inspection import (
    DecisionBoundaryDisplay,
    PartialDependenceDisplay,
    permutation_importance,
)
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    RocCurveDisplay,
    confusion_matrix,
    roc_auc_score,
)
from sklearn.model_selection import (
    LearningCurveDisplay,
    ValidationCurveDisplay,
    learning_curve,
    validation_curve,
)
from sklearn.preprocessing import scale

from sknethp import fused
from tests.helpers import small_net

pyplot = pytest.importorskip("matplotlib.pyplot")

X, y = load_iris(return_X_y=True)
FRAME = pd.DataFrame(scale(X), columns=["sepal l", "sepal w", "petal l", "petal w"])
NAMES = np.array(["setosa", "versicolor", "virginica"])[y]


net = partial(small_net, max_epochs=4, hidden_units=16, lr=0.01)


@pytest.fixture(autouse=True)
def _no_screen():
    backend = pyplot.get_backend()
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")
    pyplot.switch_backend(backend)


def test_decision_boundary():
    two = FRAME.iloc[:, 2:]
    model = net().fit(two, NAMES)
    display = DecisionBoundaryDisplay.from_estimator(
        model,
        two,
        response_method="predict_proba",
        class_of_interest="versicolor",
        grid_resolution=9,
    )
    points = np.column_stack([display.xx0.ravel(), display.xx1.ravel()])
    expected = model.predict_proba(pd.DataFrame(points, columns=two.columns))[:, 1]
    np.testing.assert_allclose(display.response.ravel(), expected)
    assert np.ptp(expected) > 0.2


def test_partial_dependence():
    model = net().fit(FRAME, NAMES)
    display = PartialDependenceDisplay.from_estimator(
        model, FRAME, ["petal l", ("petal l", "petal w")], target="virginica", grid_resolution=4
    )
    single, pair = display.pd_results
    assert pair["average"].shape == (3, 4, 4)
    for value, average in zip(single["grid_values"][0], single["average"][2], strict=True):
        moved = model.predict_proba(FRAME.assign(**{"petal l": value}))[:, 2]
        assert average == pytest.approx(moved.mean())
    assert np.ptp(single["average"][2]) > 0.1


def test_permutation_importance_by_several_scores():
    model = net(max_epochs=30).fit(FRAME, NAMES)
    scores = permutation_importance(
        model,
        FRAME,
        NAMES,
        scoring=["accuracy", "neg_log_loss"],
        n_repeats=2,
        random_state=0,
    )
    for name in ("accuracy", "neg_log_loss"):
        assert set(np.argsort(scores[name].importances_mean)[-2:]) == {2, 3}, name


def test_confusion_matrix_and_roc_curve():
    model = net().fit(FRAME, NAMES)
    display = ConfusionMatrixDisplay.from_estimator(model, FRAME, NAMES)
    np.testing.assert_array_equal(
        display.confusion_matrix, confusion_matrix(NAMES, model.predict(FRAME))
    )
    assert list(display.display_labels) == list(np.unique(NAMES))
    some = y > 0
    model = net().fit(FRAME[some], NAMES[some])
    area = RocCurveDisplay.from_estimator(
        model, FRAME[some], NAMES[some], pos_label="versicolor"
    ).roc_auc
    probability = model.predict_proba(FRAME[some])[:, 0]
    assert area == pytest.approx(roc_auc_score(y[some] == 1, probability))


def test_curves_inside_a_block():
    """The displays of curves fit within the block, and show what is computed without."""
    sizes = {"cv": 3, "train_sizes": [0.5, 1.0], "shuffle": True, "random_state": 0}
    rates = {"cv": 3, "param_name": "lr", "param_range": [0.001, 0.01]}
    with fused(silent=True) as summary:
        curve = LearningCurveDisplay.from_estimator(net(), FRAME, NAMES, **sizes)
        validation = ValidationCurveDisplay.from_estimator(net(), FRAME, NAMES, **rates)
    assert summary.fused == summary.fits == 12
    np.testing.assert_array_equal(
        curve.test_scores, learning_curve(net(), FRAME, NAMES, **sizes)[2]
    )
    np.testing.assert_array_equal(
        validation.test_scores, validation_curve(net(), FRAME, NAMES, **rates)[1]
    )
