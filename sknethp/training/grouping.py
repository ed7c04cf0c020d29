"""Which networks can train together: a pure function from networks to populations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import pairwise

from sknethp.training.activations import ACTIVATIONS
from sknethp.training.architecture import Architecture
from sknethp.training.epoch import Epoch
from sknethp.training.evaluation import rows_at_a_time
from sknethp.training.rounding import layer_can_be_padded

# Padding pays off while it costs less than the overhead of another population, which takes about
# as long as this many multiplications of weights with a batch of 32 (measured on CPU).
OVERHEAD_MULTIPLICATIONS = 3_000_000
# With more weights, gradients, moments and activations than this nothing is gained.
_POPULATION_NUMBERS = 8_000_000


def kind(epoch: Epoch, index: int) -> Hashable:
    """Return what networks must have in common to train as one tensor program.

    Networks of equal kind may share a population if their widths are equal or can be padded; by its
    `index`, a network with an observer is of a kind of its own.
    """
    architecture, settings = epoch.network.architecture, epoch.network.settings
    return (
        epoch.objective,
        architecture.n_features,
        replace(architecture.inputs, columns=()),
        architecture.n_outputs,
        len(architecture.hidden_units),
        architecture.normalization,
        architecture.skips,
        settings.batch_size,
        epoch.device,
        None if epoch.valid is None else rows_at_a_time(len(epoch.valid)),
        epoch.train.rows.sparse is None,
        index if epoch.observer is not None else None,
    )


def can_pad(architecture: Architecture) -> bool:
    """Tell whether silent units may be added without changing what the network computes."""
    silent = all(ACTIVATIONS[name].zero_at_zero for name in architecture.activations)
    return silent and architecture.normalization != "layer" and not architecture.residual


def _rounds_alike(epoch: Epoch, widths: tuple[int, ...]) -> bool:
    """Tell whether a network computes the same, bit for bit, at these widths as at its own."""
    architecture = epoch.network.architecture
    if architecture.widths == widths:
        return True
    numbers_of_rows = [epoch.network.settings.batch_size]
    if epoch.valid is not None:
        numbers_of_rows.append(rows_at_a_time(len(epoch.valid)))
    layers = zip(architecture.weight_shapes, pairwise(widths), strict=True)
    return can_pad(architecture) and (
        epoch.device.type != "cpu"
        or all(
            layer_can_be_padded(n_rows, own, wide, layer > 0 or architecture.inputs.is_trained)
            for layer, (own, wide) in enumerate(layers)
            for n_rows in numbers_of_rows
        )
    )


def _multiplications(widths: Sequence[int]) -> int:
    return sum(a * b for a, b in pairwise(widths))


def numbers_touched(epoch: Epoch) -> int:
    """Return how many numbers training one network touches in a step."""
    architecture, settings = epoch.network.architecture, epoch.network.settings
    state = (2 + len(epoch.network.moments)) * architecture.n_parameters
    inputs = architecture.inputs
    per_sample = 4 * sum(architecture.widths) + 2 * len(inputs.columns) * inputs.n_frequencies
    return state + settings.batch_size * per_sample


def _first_serials(epochs: Sequence[Epoch]) -> dict[int, int]:
    """Return, by table of samples, the serial of the first network that trains on it.

    (Tables must be ordered by something that is the same in every run.)
    """
    first: dict[int, int] = {}
    for epoch in epochs:
        rows, serial = id(epoch.train.rows), epoch.network.serial
        first[rows] = min(serial, first.get(rows, serial))
    return first


def _order(epoch: Epoch, first_serials: dict[int, int]) -> tuple:
    """Return a sort key within a population: long epochs first, then like beside like."""
    settings = epoch.network.settings
    return (
        -epoch.n_steps,
        settings.optimizer,
        settings.nesterov,
        epoch.network.architecture.activations,
        first_serials[id(epoch.train.rows)],
        epoch.network.serial,
    )


def _by_width(epochs: Sequence[Epoch], members: list[int]) -> list[list[int]]:
    """Split members of one kind by width, but pad where that is possible and costs less."""
    sets: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i in members:
        sets[epochs[i].network.architecture.widths].append(i)
    batch = epochs[members[0]].network.settings.batch_size
    groups: list[tuple[tuple[int, ...], list[int]]] = []
    for widths in sorted(sets, key=lambda widths: (_multiplications(widths), widths), reverse=True):
        if groups:
            wide, group = groups[-1]
            padded = tuple(map(max, wide, widths))
            before = len(group) * _multiplications(wide)
            own = len(sets[widths]) * _multiplications(widths)
            after = (len(group) + len(sets[widths])) * _multiplications(padded)
            cheap = (after - before - own) * batch < OVERHEAD_MULTIPLICATIONS
            if cheap and all(_rounds_alike(epochs[i], padded) for i in group + sets[widths]):
                groups[-1] = (padded, group + sets[widths])
                continue
        groups.append((widths, sets[widths]))
    return [group for _, group in groups]


def plan(epochs: Sequence[Epoch]) -> list[list[int]]:
    """Partition the positions of `epochs` into populations.

    Within a population those with more steps come first, and similar ones are neighbours.
    """
    kinds: dict[Hashable, list[int]] = defaultdict(list)
    for i, epoch in enumerate(epochs):
        kinds[kind(epoch, i)].append(i)
    first_serials = _first_serials(epochs)
    populations = []
    for members in kinds.values():
        for group in _by_width(epochs, members):
            ordered = sorted(group, key=lambda i: _order(epochs[i], first_serials))
            size = max(1, _POPULATION_NUMBERS // max(numbers_touched(epochs[i]) for i in ordered))
            n_parts = -(-len(ordered) // size)
            length = -(-len(ordered) // n_parts)
            populations += [ordered[k : k + length] for k in range(0, len(ordered), length)]
    return populations
