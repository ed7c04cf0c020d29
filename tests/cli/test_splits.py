"""Rows held out and folds: stratified, and with groups that stay together."""

import numpy as np
import pytest

from sknethp.cli.data import load_dataset
from sknethp.cli.splits import folds, split


@pytest.fixture
def farms(wine_csv, mixed_wine):
    mixed_wine.assign(farm=mixed_wine.index % 30).to_csv(wine_csv, index=False)
    return lambda **how: load_dataset(wine_csv, "cultivar", **how)


def shared(groups, train, test):
    return np.intersect1d(groups[train], groups[test])


@pytest.mark.parametrize("test_fraction", [0.1, 0.2, 0.5, 0.8])
def test_groups_stay_together(farms, test_fraction):
    data = farms(group="farm")
    assert "farm" not in data.X
    rows, held_out = split(data, test_fraction=test_fraction, cv=3, seed=0)
    assert not len(shared(data.groups, rows.index, held_out.index))
    assert sorted([*rows.index, *held_out.index]) == list(range(len(data.y)))
    assert len(held_out) / len(data.y) == pytest.approx(test_fraction, abs=0.07)
    for train, test in folds(rows, 3, 0):
        assert not len(shared(rows.groups, train, test))


def test_without_groups_rows_are_divided_in_proportion(farms):
    data = farms()
    rows, held_out = split(data, test_fraction=0.2, cv=3, seed=0)
    farm = data.X["farm"].to_numpy()
    assert len(shared(farm, rows.index, held_out.index)) > 10
    for label in np.unique(data.y):
        share = np.mean(data.y == label)
        assert np.mean(held_out.y == label) == pytest.approx(share, abs=0.02)
    for train, test in folds(rows, 3, 0):
        assert len(shared(rows.X["farm"].to_numpy(), train, test))
