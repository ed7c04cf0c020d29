"""Properties of the partition into populations."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sknethp.training import grouping
from sknethp.training.architecture import Architecture, widest
from sknethp.training.epoch import Epoch
from sknethp.training.grouping import can_pad, kind, plan
from sknethp.training.network import new_network
from sknethp.training.objectives import CrossEntropy
from sknethp.training.rows import Part

specs = st.lists(
    st.fixed_dictionaries(
        {
            "units": st.sampled_from([(), (4,), (8,), (4, 4), (8, 2), (2, 8)]),
            "activation": st.sampled_from(["relu", "tanh", "sigmoid"]),
            "n_outputs": st.sampled_from([1, 3]),
            "normalization": st.sampled_from([None, None, "batch", "layer"]),
            "residual": st.booleans(),
            "batch_size": st.sampled_from([16, 32]),
            "n_samples": st.sampled_from([30, 40, 70]),
            "optimizer": st.sampled_from(["sgd", "adam"]),
            "validated": st.booleans(),
        }
    ),
    max_size=12,
)
quick = settings(deadline=None, max_examples=60)


@pytest.fixture(scope="module")
def make_epochs(make_settings, make_part, make_objective):
    parts = {
        (n, outputs): make_part(n, n_outputs=outputs) for n in (30, 40, 70) for outputs in (1, 3)
    }

    def make_epochs(specs):
        return [make_epoch(**spec) for spec in specs]

    def make_epoch(
        units, activation, n_outputs, normalization, residual, n_samples, validated, **rest
    ):
        architecture = Architecture(
            6, units, (activation,) * len(units), n_outputs, normalization, residual
        )
        own = make_settings(dropout=(0.0,) * (len(units) + 1), **rest)
        network = new_network(architecture, own, ("zero",) * (len(units) + 1), 0)
        part: Part = parts[n_samples, n_outputs]
        steps = -(-n_samples // own.batch_size)
        valid = part if validated else None
        return Epoch(network, part, valid, [0.1] * steps, make_objective(n_outputs))

    return make_epochs


@pytest.fixture
def crowded(monkeypatch):
    """Lower the limit, so that a few small networks fill the cache."""
    monkeypatch.setattr(grouping, "_POPULATION_NUMBERS", 10_000)


@quick
@given(specs)
def test_is_a_partition(make_epochs, specs):
    """Each network is in exactly one population, and none is empty."""
    groups = plan(make_epochs(specs))
    assert sorted(i for group in groups for i in group) == list(range(len(specs)))
    assert all(groups)


@quick
@given(specs)
def test_members_are_of_a_kind(make_epochs, specs):
    """Members have the same kind; longer epochs come first."""
    epochs = make_epochs(specs)
    for group in plan(epochs):
        assert len({kind(epochs[i], i) for i in group}) == 1
        steps = [epochs[i].n_steps for i in group]
        assert steps == sorted(steps, reverse=True)


@quick
@given(specs)
def test_pads_only_what_may_be_padded(make_epochs, specs):
    """Those narrower than their population are such that silent units change nothing."""
    epochs = make_epochs(specs)
    for group in plan(epochs):
        architectures = [epochs[i].network.architecture for i in group]
        wide = widest(architectures).widths
        assert all(can_pad(own) for own in architectures if own.widths != wide)


def as_sets(groups, positions):
    return {frozenset(positions[i] for i in group) for group in groups}


@quick
@given(specs, st.randoms(use_true_random=False))
def test_order_does_not_matter(make_epochs, specs, random):
    """The same networks meet, in whatever order they come."""
    epochs = make_epochs(specs)
    order = list(range(len(epochs)))
    random.shuffle(order)
    expected = as_sets(plan(epochs), range(len(epochs)))
    assert as_sets(plan([epochs[i] for i in order]), order) == expected


CROWD = [
    {
        "units": (48, 48) if i % 3 else (64, 48),
        "activation": "relu" if i % 2 else "tanh",
        "n_outputs": 3,
        "normalization": None,
        "residual": False,
        "batch_size": 16,
        "n_samples": (40, 70, 70)[i % 3],
        "optimizer": "sgd" if i % 5 else "adam",
        "validated": True,
    }
    for i in range(40)
]


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("crowd", [CROWD, CROWD[:1] * 40], ids=["unlike", "alike"])
def test_order_does_not_matter_where_populations_are_split(make_epochs, crowd):
    """A kind too large for one population is split alike, in whatever order its members come."""
    epochs = make_epochs(crowd)
    expected = as_sets(plan(epochs), range(len(epochs)))
    assert len(expected) > 3
    for step in (3, 7, 39):  # prime to 40
        order = [step * i % len(epochs) for i in range(len(epochs))]
        assert as_sets(plan([epochs[i] for i in order]), order) == expected


def test_like_networks_meet(make_epochs):
    """Different optimizers, activations, widths and numbers of samples are one population."""
    assert len(plan(make_epochs(CROWD))) == 1


def test_networks_that_cannot_be_padded_meet_at_equal_widths(make_epochs):
    """A sigmoid's silent units are not silent; but beside it others may have silent ones."""
    wide, narrow = ({**CROWD[1], "units": units} for units in ((64, 64), (48, 48)))
    sigmoid = {"activation": "sigmoid"}
    assert len(plan(make_epochs([wide, {**wide, **sigmoid}, narrow]))) == 1
    assert len(plan(make_epochs([wide, wide, {**narrow, **sigmoid}]))) == 2


@pytest.mark.usefixtures("crowded")
def test_split_evenly(make_epochs):
    """Networks too many for one population are split into populations of like sizes."""
    sizes = [len(group) for group in plan(make_epochs(CROWD[:1] * 40))]
    assert len(sizes) > 3
    assert max(sizes) - min(sizes) < max(sizes)


def test_a_great_difference_in_width_is_not_padded(make_epochs):
    """Where padding would cost more than a population of its own, widths are kept apart."""
    narrow, wide = CROWD[1], {**CROWD[1], "units": (400, 400)}
    assert sorted(map(sorted, plan(make_epochs([narrow, wide] * 2)))) == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("units", (4,)),
        ("n_outputs", 1),
        ("normalization", "batch"),
        ("batch_size", 32),
        ("validated", False),
    ],
)
def test_what_keeps_networks_apart(make_epochs, name, value):
    """Negative control: networks that differ in their kind do not meet."""
    assert len(plan(make_epochs([CROWD[1], {**CROWD[1], name: value}]))) == 2


def test_other_objectives_keep_networks_apart(make_epochs):
    """Networks of equal outputs that learn something else do not share a gradient."""
    one, other = make_epochs([CROWD[0], CROWD[0]])
    assert len(plan([one, other])) == 1
    other.objective = OtherLoss(3)
    assert len(plan([one, other])) == 2


class OtherLoss(CrossEntropy):
    """A loss with as many outputs."""


def test_one_who_watches_batches_trains_alone(make_epochs):
    """A network with an observer shares its population with nobody."""
    epochs = make_epochs(CROWD[:6])
    epochs[2] = replace(epochs[2], observer=object())
    assert [2] in plan(epochs)


@pytest.mark.parametrize(
    ("activation", "normalization", "residual", "expected"),
    [
        ("relu", None, False, True),
        ("gelu", "batch", False, True),
        ("sigmoid", None, False, False),
        ("softmax", None, False, False),
        ("softplus", None, False, False),
        ("relu", "layer", False, False),
        ("relu", None, True, False),
    ],
)
def test_can_pad(activation, normalization, residual, expected):
    """Silent units are those that stay zero and that nothing averages over."""
    architecture = Architecture(5, (4, 4), ("tanh", activation), 3, normalization, residual)
    assert can_pad(architecture) is expected
