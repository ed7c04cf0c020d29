"""Ensembles: members that differ in their seeds, trained as one population, in one module."""

import pickle

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed
from scipy.special import softmax
from sklearn.base import clone
from skorch.callbacks import Callback

from sknethp import fused
from tests.helpers import BREAST_CANCER, DIGITS, small_net

DATA = {"two classes": BREAST_CANCER, "ten classes": DIGITS}
SETTINGS = {"input_scaling": "standard", "ensemble_size": 3}


def forward(module, X):
    return module(torch.from_numpy(X.astype(np.float32))).detach().double().numpy()


def probabilities(logits):
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    return softmax(logits, axis=1)


@pytest.mark.parametrize("data", DATA)
def test_probabilities_are_the_mean_of_the_members(data):
    X, y = DATA[data]
    model = small_net(**SETTINGS).fit(X, y)
    members = [model.module_.get_submodule(f"member_{i}") for i in range(3)]
    each = [probabilities(forward(member, X)) for member in members]
    assert len({one.tobytes() for one in each}) == 3
    np.testing.assert_allclose(model.predict_proba(X), np.mean(each, 0), atol=1e-5)
    np.testing.assert_allclose(
        probabilities(forward(model.module_, X)), np.mean(each, 0), atol=1e-5
    )
    assert (model.predict(X) == model.classes_[model.predict_proba(X).argmax(1)]).all()


def test_the_first_member_is_the_single_net():
    X, y = DIGITS
    settings = SETTINGS | {"calibrate": False}  # which holds out samples of each member
    single, ensemble = small_net(**settings | {"ensemble_size": 1}), small_net(**settings)
    own = single.fit(X, y).module_.state_dict()
    first = ensemble.fit(X, y).module_.get_submodule("member_0").state_dict()
    assert all(torch.equal(own[name], first[name]) for name in own)


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("stopping", [{}, {"early_stopping": True, "calibrate": True}], ids=str)
def test_fused_as_alone(data, stopping):
    """Ensembles of several sizes beside each other are those trained by themselves."""
    X, y = DATA[data]
    models = [
        small_net(**SETTINGS | {"ensemble_size": size, "random_state": size}, **stopping)
        for size in (1, 2, 3)
    ]
    alone = [clone(model).fit(X, y) for model in models]
    with fused(silent=True) as summary:
        together = Parallel()(delayed(model.fit)(X, y) for model in models)
    assert summary.fits == summary.fused == 3
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
        assert one.temperature_ == other.temperature_


def test_validation_is_measured_by_the_mean_probabilities():
    X, y = DIGITS
    model = small_net(**SETTINGS, max_epochs=4, calibrate=False)
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    proba = model.predict_proba(X[200:])
    loss = -np.log(proba[np.arange(100), np.searchsorted(model.classes_, y[200:])]).mean()
    assert model.history_[model.best_epoch_ - 1]["valid_loss"] == pytest.approx(loss, rel=1e-4)


def test_training_goes_on():
    X, y = DIGITS
    model = small_net(**SETTINGS).fit(X, y)
    before = [member.state_dict() for member in model.module_.children()][:3]
    model.partial_fit(X, y)
    after = [member.state_dict() for member in model.module_.children()][:3]
    for old, new in zip(before, after, strict=True):
        assert not torch.equal(old["output.weight"], new["output.weight"])
        assert torch.equal(old["inputs.center"], new["inputs.center"])
    assert model.n_iter_ == 4
    model.set_params(warm_start=True, ensemble_size=2)
    with pytest.raises(ValueError, match=r"keep the features, .* ensemble_size"):
        model.fit(X, y)


def test_kept_and_recalled(tmp_path):
    X, y = DIGITS
    model = small_net(**SETTINGS, early_stopping=True, calibrate=True, memory=tmp_path)
    first = clone(model).fit(X, y)
    with fused(silent=True) as summary:
        (second,) = Parallel()([delayed(clone(model).fit)(X, y)])
    assert summary.found == 1
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))
    assert first.temperature_ == second.temperature_ != 1


def test_no_larger_than_its_members():
    X, y = DIGITS
    sizes = [
        len(pickle.dumps(small_net(**SETTINGS | {"ensemble_size": n}, hidden_units=64).fit(X, y)))
        for n in (1, 4)
    ]
    assert sizes[1] <= 4 * sizes[0]


class FollowsBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


@pytest.mark.parametrize("callback", [FollowsBatches, FollowsBatches(), ("name", FollowsBatches())])
def test_callbacks_that_follow_batches_are_refused(callback):
    X, y = DIGITS
    with pytest.raises(ValueError, match="FollowsBatches in callbacks follows single batches"):
        small_net(**SETTINGS, callbacks=[callback]).fit(X, y)


def test_a_member_that_is_missing_is_noticed():
    X, y = DIGITS
    model = small_net(**SETTINGS).fit(X, y)
    model.net_.module_ = model.module_.get_submodule("member_0")
    with pytest.raises(ValueError, match="it should have 3 members, but has 1"):
        model.partial_fit(X, y)
