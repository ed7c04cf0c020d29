"""What goes on training does so from the module as it is; what is fitted can be used at once."""

import copy
import pickle
from functools import cache, partial

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale
from torch.nn.utils import prune

from tests.helpers import small_net

X, y = load_iris(return_X_y=True)
X = scale(X)


net = partial(small_net, hidden_units=16, max_epochs=1, lr=0.01, random_state=7)


def go_on(model, how):
    """Train for an epoch that changes nothing that can be seen."""
    model.set_params(lr=1e-9, lr_schedule="constant", warm_start=True)
    return model.partial_fit(X, y) if how == "partial_fit" else model.fit(X, y)


def load_state(model, other, folder):
    model.module_.load_state_dict(other.module_.state_dict())


def load_params(model, other, folder):
    other.net_.save_params(f_params=folder / "weights.pt")
    model.net_.load_params(f_params=folder / "weights.pt")


def average(model, other, folder):
    with torch.no_grad():
        for mine, theirs in zip(
            model.module_.parameters(), other.module_.parameters(), strict=True
        ):
            mine.lerp_(theirs, 0.9)


def move_to_double(model, other, folder):
    load_state(model, other, folder)
    model.module_.double()


def prune_weights(model, other, folder):
    load_state(model, other, folder)
    prune.l1_unstructured(model.module_.linear_0, "weight", amount=0.5)


EDITS = [load_state, load_params, average, move_to_double, prune_weights]


@cache
def trained(normalization):
    """A net whose weights another one is given."""
    return net(max_epochs=40, random_state=0, normalization=normalization).fit(X, y)


@pytest.mark.parametrize("how", ["partial_fit", "warm_start"])
@pytest.mark.parametrize("normalization", [None, "batch"])
@pytest.mark.parametrize("edit", EDITS)
def test_training_goes_on_from_the_module_as_it_is(edit, normalization, how, tmp_path):
    """Weights that were loaded or edited are trained on, not those of the fit before."""
    model = net(normalization=normalization).fit(X, y)
    own = model.predict_proba(X)
    edit(model, trained(normalization), tmp_path)
    edited = model.predict_proba(X)
    assert np.abs(edited - own).max() > 0.1
    # The running statistics of batch normalisation move by an epoch of batches.
    atol = 1e-5 if normalization is None else 0.5
    np.testing.assert_allclose(go_on(model, how).predict_proba(X), edited, atol=atol)


def test_nothing_edited_nothing_changed():
    """Reading the module back gives what training held, to the bit."""
    whole = net(max_epochs=1, lr_schedule="constant")
    for _ in range(3):
        whole.partial_fit(X, y)
    copied = net(max_epochs=1, lr_schedule="constant")
    for _ in range(3):
        copied = pickle.loads(pickle.dumps(copied.partial_fit(X, y)))
    np.testing.assert_array_equal(whole.predict_proba(X), copied.predict_proba(X))


@pytest.mark.parametrize("name", ["linear_1", "output"])
def test_another_structure_is_named(name):
    """A module that has lost or changed a layer cannot be trained on: a sentence says which."""
    model = net().fit(X, y)
    setattr(model.module_, name, torch.nn.Linear(3, 5))
    with pytest.raises(ValueError, match=rf"{name}\.weight of shape .* has one of shape \(5, 3\)"):
        model.partial_fit(X, y)


def with_a_layer_more(module):
    module.add_module("calibrated", torch.nn.Linear(3, 3))


def with_another_activation(module):
    module.silu_0 = torch.nn.Tanh()


def with_a_hook(module):
    module.linear_0.register_forward_hook(lambda part, inputs, output: 2 * output)


def pruned_and_then_edited(module):
    prune.l1_unstructured(module.linear_0, "weight", amount=0.5)
    with torch.no_grad():
        module.linear_0.weight_orig.mul_(2)


@pytest.mark.parametrize("how", ["partial_fit", "fit"])
@pytest.mark.parametrize(
    "edit", [with_a_layer_more, with_another_activation, with_a_hook, pruned_and_then_edited]
)
def test_what_training_would_drop_is_named(edit, how):
    """A module that computes what its weights alone do not is not trained on as if it did."""
    model = net().fit(X, y)
    edit(model.module_)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="computes something other than a net of its weights"):
        go_on(model, how)
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("memory", [False, True])
def test_the_module_is_ready_to_predict(memory, tmp_path):
    """After fit a user may call ``module_`` without setting it to predict."""
    model = net(dropout=0.5, memory=tmp_path if memory else None)
    for _ in range(2):
        model.fit(X, y)
        assert not any(part.training for part in model.module_.modules())
        logits = model.module_(torch.tensor(X, dtype=torch.float32)).softmax(1)
        np.testing.assert_allclose(logits.detach(), model.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize("n_rows", [33, 65])
def test_a_batch_of_one_does_not_count_in_running_statistics(n_rows):
    """A last batch of one sample leaves batch normalisation's statistics as they are."""
    rows = np.arange(150)[:: 150 // n_rows][:n_rows]
    settings = {"normalization": "batch", "max_epochs": 100, "dropout": 0.0}
    scores = [
        net(**settings, random_state=seed).fit(X[rows], y[rows]).score(X[rows], y[rows])
        for seed in range(3)
    ]
    assert min(scores) > 0.95


def test_single_samples_train_as_they_predict():
    """Batches of one sample alone are normalised by running statistics, which stay."""
    model = net(normalization="batch", batch_size=1, dropout=0.0, max_epochs=5).fit(X, y)
    norm = model.module_.norm_0
    assert torch.equal(norm.running_mean, torch.zeros(16))
    assert torch.equal(norm.running_var, torch.ones(16))
    assert model.score(X, y) > 0.9


def test_copies_go_their_own_ways():
    """Copies of a net that are trained on other labels leave it as it is."""
    model = net(max_epochs=5).fit(X, y)
    before = model.predict_proba(X)
    for other in (copy.copy(model), copy.deepcopy(model)):
        other.partial_fit(X, (y + 1) % 3)
        assert not np.array_equal(other.predict_proba(X), before)
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("memory", [False, True])
def test_batch_normalisation_counts_its_batches(memory, tmp_path):
    """The module says so as torch's own does, whether the fit was kept or not."""
    model = net(normalization="batch", batch_size=50, memory=tmp_path if memory else None)
    model.fit(X, y)
    assert model.module_.norm_0.num_batches_tracked == 3
    model.partial_fit(X, y)
    assert model.module_.norm_0.num_batches_tracked == 6
