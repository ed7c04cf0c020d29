"""Networks trained together end up as they do alone, whatever trains beside them."""

import math
from dataclasses import replace

import pytest
import torch

from sknethp.training.activations import ACTIVATIONS
from sknethp.training.optimizers import OPTIMIZERS
from sknethp.training.population import Population
from sknethp.training.schedules import SCHEDULES
from tests.helpers import INPUTS

SMOOTH = ("tanh", "gelu", "silu", "mish", "softsign")


def each(**values):
    """Return one dict per network from lists of values, one per network."""
    n = len(next(iter(values.values())))
    return [{name: entries[i] for name, entries in values.items()} for i in range(n)]


def several(n=3, **common):
    """Return `n` networks that differ in seed, data and learning rate."""
    return [{"seed": i, "data_seed": i % 2, "lr": 0.02 * (i + 1), **common} for i in range(n)]


MIXTURES = {
    "seeds": several(5),
    "many": several(12),
    "two classes": several(n_outputs=1),
    "no hidden layers": several(units=()),
    "layers of their own widths": several(units=(9, 4, 7)),
    "no shuffling": several(shuffle=False),
    "one batch": several(n_samples=10, batch_size=10),
    "batches of one": several(n_samples=10, batch_size=1),
    "sample weights": each(seed=[0, 1, 2], weighted=[True, False, True]),
    "widths": each(seed=[0, 1, 2, 3], units=[(48, 64), (32, 40), (64, 24), (32, 32)]),
    "widths, batch normalisation": each(
        units=[(48, 64), (32, 40), (64, 24)], normalization=["batch"] * 3, activation=["relu"] * 3
    ),
    "widths, dropout": each(
        units=[(48, 64), (32, 40), (64, 24)], dropout=[0.5, 0.0, (0.2, 0.1, 0.4)]
    ),
    "widths, everything": each(
        units=[(48, 64), (32, 40), (64, 24)],
        activation=["relu", ("tanh", "linear"), "gelu"],
        optimizer=["adam", "sgd", "adadelta"],
        weight_decay=[0.0, 0.1, 0.0],
        l1=[0.01, 0.0, 0.0],
        max_norm=[math.inf, math.inf, 0.8],
        gradient_clip=[math.inf, 0.1, math.inf],
        n_samples=[50, 37, 20],
        dropout=[0.0, 0.2, 0.5],
    ),
    "dropout": each(seed=[0, 1, 2, 3], dropout=[0.5, 0.0, (0.3, 0.0, 0.0), (0.0, 0.2, 0.0)]),
    "label smoothing": each(seed=[0, 1, 2], label_smoothing=[0.0, 0.1, 0.4]),
    "weight decay": each(seed=[0, 1, 2], weight_decay=[0.0, 0.1, 0.01]),
    "adamw": each(seed=[0, 1, 2], weight_decay=[0.0, 5.0, 0.1], optimizer=["adamw"] * 3),
    "l1": each(seed=[0, 1, 2], l1=[0.0, 0.01, 0.1]),
    "max norm": each(seed=[0, 1, 2], max_norm=[math.inf, 0.5, 1.0]),
    "gradient clip": each(seed=[0, 1, 2], gradient_clip=[math.inf, 0.01, 0.3]),
    "numbers of samples": each(seed=[0, 1, 2, 3], n_samples=[50, 37, 17, 64]),
    "ragged, batch normalisation": each(
        seed=[0, 1, 2, 3], n_samples=[50, 37, 17, 63], normalization=["batch"] * 4
    ),
    "ragged, layer normalisation": each(
        seed=[0, 1, 2], n_samples=[50, 37, 17], normalization=["layer"] * 3
    ),
    "ragged, weights, dropout": each(
        seed=[0, 1, 2], n_samples=[50, 37, 20], weighted=[True, False, True], dropout=[0.3] * 3
    ),
    "fewer samples than a batch": each(seed=[0, 1, 2], n_samples=[5, 50, 16], dropout=[0.4] * 3),
    "optimizers": each(optimizer=list(OPTIMIZERS), seed=[*range(len(OPTIMIZERS))]),
    "nesterov": each(seed=[0, 1], nesterov=[True, False]),
    "optimizers, numbers of samples": each(
        seed=[0, 1, 2, 3],
        optimizer=["sgd", "adam", "adam", "rmsprop"],
        n_samples=[20, 50, 33, 64],
    ),
    "schedules": each(
        schedule=list(SCHEDULES),
        seed=[*range(len(SCHEDULES))],
        warmup_fraction=[(0, 0.2, 0, 0.5)[i % 4] for i in range(len(SCHEDULES))],
    ),
    "activations": each(seed=list(range(5)), activation=list(SMOOTH)),
    "activations by layer": each(
        seed=[0, 1, 2], activation=[("relu", "tanh"), ("linear", "relu"), ("selu", "linear")]
    ),
    "residual": each(
        seed=[0, 1, 2],
        units=[(6, 6)] * 3,
        residual=[True] * 3,
        activation=["tanh", "relu", "linear"],
        dropout=[0.0, 0.3, (0.2, 0.0, 0.5)],
    ),
}
for optimizer in OPTIMIZERS:
    MIXTURES[f"optimizer {optimizer}"] = several(optimizer=optimizer)
    MIXTURES[f"optimizer {optimizer}, batch normalisation"] = several(
        optimizer=optimizer, normalization="batch"
    )
    MIXTURES[f"optimizer {optimizer}, ragged, batch normalisation"] = each(
        seed=[0, 1, 2],
        n_samples=[50, 37, 20],
        normalization=["batch"] * 3,
        optimizer=[optimizer] * 3,
    )
for inputs in INPUTS:
    MIXTURES[f"inputs {inputs}"] = several(inputs=INPUTS[inputs])
    MIXTURES[f"inputs {inputs}, everything"] = each(
        seed=[0, 1, 2, 3],
        units=[(48, 64), (32, 40), (64, 24), (48, 64)],
        inputs=[INPUTS[inputs]] * 4,
        n_samples=[50, 37, 20, 50],
        embedding_lr_factor=[0.1, 1.0, 3.0, 0.1],
        optimizer=["adam", "sgd", "adamw", "adam"],
        weight_decay=[0.0, 0.1, 0.1, 0.1],
        gradient_clip=[math.inf, 0.1, math.inf, 0.1],
        dropout=[0.3, 0.0, (0.2, 0.1, 0.4), 0.0],
    )
COLUMNS = [(0, 1, 2, 5), (1, 2, 3, 4), (3, 4), (0, 1, 2, 3, 4, 5)]
for name in ("standard", "periodic", "bins", "both"):
    MIXTURES[f"{name}, each network's own columns"] = each(
        seed=[0, 1, 2, 3],
        units=[(48, 64), (48, 64), (48, 64), (40, 32)],
        inputs=[replace(INPUTS[name], columns=columns) for columns in COLUMNS],
        gradient_clip=[math.inf, 0.1, math.inf, 0.1],
        dropout=[0.3, 0.0, (0.2, 0.1, 0.4), 0.0],
        optimizer=["adam"] * 4,
    )
for activation in ACTIVATIONS:
    MIXTURES[f"activation {activation}"] = several(activation=activation)


def assert_close(ours, theirs, exact=False):
    """Compare the states of two networks."""
    tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(ours.parameters, theirs.parameters, **tolerance)
    torch.testing.assert_close(ours.statistics, theirs.statistics, **tolerance)
    assert len(ours.moments) == len(theirs.moments)
    for mine, other in zip(ours.moments, theirs.moments, strict=True):
        torch.testing.assert_close(mine, other, **tolerance)
    assert ours.n_steps == theirs.n_steps


def assert_same_results(ours, theirs):
    """Compare the results of an epoch."""
    assert ours.train == theirs.train
    assert ours.valid.measures == theirs.valid.measures
    assert torch.equal(ours.valid.logits, theirs.valid.logits)


@pytest.mark.parametrize("mixture", MIXTURES)
def test_together_as_alone(make_candidate, train_alone, train_together, mixture):
    """Weights, moments, statistics, losses and logits are those of training alone, to the bit."""
    alone, together = ([make_candidate(**spec) for spec in MIXTURES[mixture]] for _ in range(2))
    start = [candidate.network.parameters.clone() for candidate in alone]
    expected, results = train_alone(alone), train_together(together)
    for i, (one, other) in enumerate(zip(alone, together, strict=True)):
        assert not torch.allclose(one.network.parameters, start[i], rtol=1e-3)
        assert_close(other.network, one.network, exact=True)
        for ours, theirs in zip(results[i], expected[i], strict=True):
            assert_same_results(ours, theirs)


@pytest.mark.parametrize("mixture", ["widths, everything", "ragged, weights, dropout", "many"])
def test_twice_the_same_bit_for_bit(make_candidate, train_together, mixture):
    """The same seeds give the same bits."""
    first, second = ([make_candidate(**spec) for spec in MIXTURES[mixture]] for _ in range(2))
    train_together(first)
    train_together(second)
    for one, other in zip(first, second, strict=True):
        assert_close(one.network, other.network, exact=True)


@pytest.mark.parametrize("name", ["seed", "data_seed", "lr", "optimizer"])
def test_a_swap_is_noticed(make_candidate, train_alone, train_together, name):
    """Negative control: networks that exchange seeds, data, rates or rules are told apart."""
    specs = [
        {"seed": 0, "data_seed": 0, "lr": 0.02, "optimizer": "sgd"},
        {"seed": 1, "data_seed": 1, "lr": 0.05, "optimizer": "adam"},
    ]
    swapped = [{**specs[i], name: specs[1 - i][name]} for i in range(2)]
    alone = [make_candidate(**spec) for spec in specs]
    together = [make_candidate(**spec) for spec in swapped]
    train_alone(alone)
    train_together(together)
    for one, other in zip(alone, together, strict=True):
        with pytest.raises(AssertionError):
            assert_close(other.network, one.network)


def test_swapped_rows_are_noticed(make_candidate, train_alone):
    """Negative control: epochs given in another order than the networks train the wrong ones."""
    alone, together = ([make_candidate(**spec) for spec in several(2)] for _ in range(2))
    train_alone(alone, 1)
    population = Population([c.network for c in together], torch.device("cpu"))
    population.run([candidate.epoch(0) for candidate in reversed(together)])
    with pytest.raises(AssertionError):
        assert_close(together[0].network, alone[0].network)


@pytest.mark.parametrize("mixture", ["many", "widths, everything", "ragged, batch normalisation"])
@pytest.mark.parametrize("place", [0, 1, -1])
def test_nobody_suffers_for_a_network_that_diverges(make_candidate, train_together, mixture, place):
    """The others' bits are the same, whether one of them diverges or not."""
    specs = [{**spec, "optimizer": "sgd"} for spec in MIXTURES[mixture]]
    wild = [dict(spec) for spec in specs]
    wild[place] |= {"lr": 3e38, "gradient_clip": math.inf, "max_norm": math.inf}
    calm, beside = ([make_candidate(**spec) for spec in kind] for kind in (specs, wild))
    calm_results, results = train_together(calm), train_together(beside)
    diverged = beside.pop(place).network
    calm.pop(place)
    assert not torch.isfinite(diverged.parameters).all()
    assert not math.isfinite(results.pop(place)[-1].train.loss)
    calm_results.pop(place)
    for one, other in zip(calm, beside, strict=True):
        assert_close(one.network, other.network, exact=True)
    for one, other in zip(calm_results, results, strict=True):
        assert [r.train.loss for r in one] == [r.train.loss for r in other]
        assert [r.valid.measures.loss for r in one] == [r.valid.measures.loss for r in other]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_members_may_leave_and_come_back(make_candidate, train_alone, train_together, optimizer):
    """The state that networks keep between epochs is all that matters, not who was there.

    (The learning rate is constant, so that it does not matter either which epoch it is.)
    """
    alone, moving = (
        [make_candidate(**spec) for spec in several(optimizer=optimizer)] for _ in range(2)
    )
    train_alone(alone, 3)
    train_together(moving, 1)
    train_alone(moving[:1], 1)
    train_together(moving[1:], 1)
    train_together(moving[::-1], 1)
    for one, other in zip(alone, moving, strict=True):
        assert other.network.n_steps == one.network.n_steps
        # The schedule is constant, so that each epoch after the first is like another.
        assert_close(other.network, one.network)
