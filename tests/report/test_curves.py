"""Curves of held-out rows: few points, which still have the shape and the area."""

import numpy as np
import pytest
from sklearn.metrics import auc

from sknethp.report.bootstrap import Answers
from sknethp.report.curves import calibration_points, precision_recall_points, roc_points


@pytest.fixture(scope="module")
def rare():
    """Twenty thousand rows, one in a hundred positive, and how positive they look."""
    random = np.random.default_rng(0)
    is_positive = np.arange(20_000) % 100 == 0
    return is_positive, random.normal(size=20_000) + 2 * is_positive


@pytest.mark.parametrize("points", [roc_points, precision_recall_points])
def test_a_curve_of_few_points_has_its_area(points, rare):
    table = points("a", *rare)
    assert len(table) <= 150
    assert set(table["name"]) == {"a"}
    assert auc(table["x"], table["y"]) == pytest.approx(table["area"][0], abs=0.01)
    # A curve over other points has not.
    assert abs(auc(table["x"][::60], table["y"][::60]) - table["area"][0]) > 0.01


@pytest.mark.parametrize("points", [roc_points, precision_recall_points])
def test_one_class_has_no_curve(points):
    assert points("a", np.ones(5, bool), np.arange(5.0)).empty


def test_calibrated_probabilities_lie_on_the_diagonal():
    random = np.random.default_rng(0)
    positive = random.uniform(size=20_000)
    label = (random.uniform(size=20_000) < positive).astype(int)
    for shown, is_near in ((positive, True), (positive**3, False)):
        answers = Answers(label, (shown > 0.5).astype(int), np.c_[1 - shown, shown])
        table = calibration_points("a", answers)
        assert table["count"].sum() == 20_000
        assert (np.abs(table["x"] - table["y"]).max() < 0.03) == is_near


def test_of_many_classes_the_most_probable_counts():
    probabilities = np.tile([0.2, 0.5, 0.3], (40, 1))
    answers = Answers(np.arange(40) % 2, np.ones(40, int), probabilities)
    table = calibration_points("a", answers)
    assert table["x"].tolist() == pytest.approx([0.5] * 4)
    assert table["y"].tolist() == [0.5] * 4
