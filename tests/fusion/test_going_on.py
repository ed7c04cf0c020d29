"""Nets that go on training inside fused() end where they end without it."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier
from sklearn.model_selection import learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import scale

from sknethp import fused
from tests.helpers import small_net

X, y = load_iris(return_X_y=True)
X = scale(X)


net = partial(small_net, hidden_units=16, max_epochs=1, lr=0.01, lr_schedule="constant")


PRETRAINED = net().fit(X, y)


def warm_start(i):
    model = net(random_state=i, warm_start=True)
    for _ in range(10):
        model.fit(X, y)
    return model.predict_proba(X)


def partial_fit(i):
    model = net(random_state=i)
    for _ in range(10):
        model.partial_fit(X, y)
    return model.predict_proba(X)


def tuned_copy(i):
    model = copy.deepcopy(PRETRAINED) if i else pickle.loads(pickle.dumps(PRETRAINED))
    for _ in range(10):
        model.partial_fit(X, (y + i) % 3)
    return model.predict_proba(X)


def one_against_the_rest(i):
    model = OneVsRestClassifier(net(random_state=i))
    for _ in range(10):
        model.partial_fit(X, y, classes=[0, 1, 2])
    return model.predict_proba(X)


def incremental_curve(i):
    sizes = {"train_sizes": [0.3, 0.6, 1.0], "shuffle": True, "random_state": i}
    return learning_curve(net(), X, y, cv=3, exploit_incremental_learning=True, **sizes)[2]


def two_nets_in_turn(i):
    """One takes the place of a copy of the other, and both go on."""
    first, second = net(random_state=i), net(random_state=i + 1)
    for epoch in range(8):
        first.partial_fit(X, y)
        second.partial_fit(X, (y + 1) % 3)
        if epoch == 3:
            second = copy.copy(first)
        if epoch == 5:
            first = copy.deepcopy(second)
    return np.hstack([first.predict_proba(X), second.predict_proba(X)])


def edited_between_epochs(i):
    model = net(random_state=i)
    for _ in range(5):
        model.partial_fit(X, y)
        with torch.no_grad():
            for parameter in model.module_.parameters():
                parameter.mul_(0.9)
    return model.predict_proba(X)


def single_samples(i):
    model = net(random_state=i, normalization="batch").partial_fit(X, y)
    for row in range(0, 150, 15):
        model.partial_fit(X[[row]], y[[row]])
    return model.predict_proba(X)


def growing_bag(i):
    model = BaggingClassifier(net(), n_estimators=2, warm_start=True, random_state=i).fit(X, y)
    return model.set_params(n_estimators=4).fit(X, y).predict_proba(X)


GOING_ON = [
    warm_start,
    partial_fit,
    tuned_copy,
    one_against_the_rest,
    incremental_curve,
    two_nets_in_turn,
    edited_between_epochs,
    single_samples,
    growing_bag,
]


@pytest.mark.parametrize("task", GOING_ON)
def test_the_same_inside_and_outside(task):
    """Each net is trained, not the one that it is a copy of."""
    alone = [task(i) for i in range(3)]
    with fused(silent=True):
        together = Parallel()(delayed(task)(i) for i in range(3))
        itself = task(0)
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(itself, alone[0])
    assert not np.array_equal(alone[0], alone[1])
