"""Places of hyperparameters' values on an axis."""

import pickle

import numpy as np
import pytest
from sklearn.svm import SVC

from sknethp.display.scales import UNSET, Scale, label_of, labels_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([1e-4, 1e-3, 1e-2], "log"),
        ([8, 16, 32, 64, 128], "log"),
        ([1, 2, 3, 4, 5], "linear"),
        ([0.1, 0.2, 0.5], "linear"),
        ([10, 20, 40, 60, 80, 100], "linear"),
        ([0, 1e-4, 1e-3, 1e-2], "log"),
        ([-1, 10, 100, 1000], "linear"),
        (np.repeat(np.arange(5, 105, 5), 3), "linear"),
        (np.repeat(2.0 ** np.arange(14), 3), "log"),
        (10 ** RNG.uniform(-5, 0, 30), "log"),
        (RNG.uniform(0.001, 1, 30), "linear"),
    ],
)
def test_the_scale_of_numbers_of_which_nothing_is_known(numbers, expected):
    assert Scale(numbers).kind == expected
    assert Scale(numbers, log=False).kind == "linear"
    assert Scale(numbers, log=True).kind == ("linear" if min(numbers) < 0 else "log")


def test_numbers_by_ratio():
    scale = Scale([1e-3, 1e-1, 1e-2])
    assert scale.kind == "log"
    np.testing.assert_allclose(scale.positions([1e-1, 1e-3, 1e-2]), [1, 0, 0.5])
    assert scale.ticks()[1] == ["0.001", "0.01", "0.1"]


def test_none_beside_numbers():
    """One value that is no number lies below the numbers; so does 0 beside powers of ten."""
    for other in (None, "scale", 0):
        scale = Scale([1e-3, other, 1e-2, 1e-1])
        low, first, *_ = scale.positions([other, 1e-3, 1e-2])
        assert low < first == 0
        assert scale.distinct() == [other, 1e-3, 1e-2, 1e-1]


def test_values_of_all_kinds():
    values = ["relu", (64, 32), None, 3, np.float32(0.5), True, UNSET, [1, 2]]
    scale = Scale(values)
    assert scale.kind == "categories"
    places = scale.positions(values)
    assert sorted(places) == list(range(8))
    assert places[6] == 0  # what a candidate does not have is lowest
    assert Scale([True, False]).distinct() == [False, True]


def test_one_value():
    assert Scale([0.1, 0.1]).positions([0.1]).tolist() == [0.5]


def test_values_that_are_arrays():
    values = [np.array([1.0, 2.0]), np.array([3.0]), 0]
    assert Scale(values).positions(values).tolist() == [1, 2, 0]


def test_labels_tell_values_apart():
    estimators = [SVC(C=0.123456789, gamma=0.1), SVC(C=0.123456789, gamma=0.2), SVC()]
    values = [0.10001, 0.10002, 0.2, *estimators]
    labels = labels_of(values)
    assert labels == ["0.10001", "0.10002", "0.2", "SVC 1", "SVC 2", "SVC()"]
    assert Scale([0.10001, 0.10002]).ticks()[1] == labels[:2]


def test_labels():
    assert label_of(0.1 + 0.2) == "0.3"
    assert label_of(1e-5) == "1e-5"
    assert label_of(np.tanh) == "tanh"
    assert len(label_of("a" * 100)) == 18
    assert label_of(UNSET) == "unset"


@pytest.mark.parametrize(
    ("drawn", "log"),
    [
        (RNG.uniform(0.03, 0.97, 50), False),
        (RNG.uniform(0.21, 0.33, 10), False),
        (10 ** RNG.uniform(-5.5, -0.5, 50), True),
        (np.array([0.0031, 0.02, 0.09]), True),
        (RNG.uniform(0.002, 0.009, 30), True),
        (np.array([1e-30, 0.5, 1e30]), True),
    ],
)
def test_ticks_of_a_range_are_round_and_apart(drawn, log):
    places, labels = Scale(drawn, log, drawn=True).ticks()
    assert 3 <= len(labels) <= 8
    assert all(len(label.strip("0.")) <= 5 for label in labels)
    assert np.diff(places).min() > 0.06
    listed = Scale(drawn[:3], log).ticks()[1]
    assert set(listed) <= set(labels_of(drawn[:3].tolist()))


def test_listed_numbers_that_would_touch_have_no_tick():
    places, labels = Scale([1, 1.01, 1.02, 1.99, 2], log=False).ticks()
    assert labels == ["1", "2"]
    assert places == [0, 1]


def test_unset_stays_the_same_object_in_another_process():
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
