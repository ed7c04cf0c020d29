"""Functional analysis of variance of a forest: how much each hyperparameter explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor


@dataclass(frozen=True)
class Axis:
    """The values of one hyperparameter, as a tree sees them.

    `codes` ``(n_values, n_columns)`` has a number where it has a meaning, and an indicator for each
    other value. `weights` ``(n_values,)`` are the shares of the space that the values stand for.
    """

    codes: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Leaves:
    """The partition of the space by a tree, with `predictions` ``(n_leaves,)``.

    For each axis, `members` ``(n_leaves, n_values)`` says with 1 or 0 which values belong to a
    leaf, and `shares` ``(n_leaves, n_axes)`` has their weight.
    """

    predictions: np.ndarray
    members: list[np.ndarray]
    shares: np.ndarray


@dataclass(frozen=True)
class Effects:
    """Shares of a tree's variance over the space.

    `main` ``(n_axes,)`` are those of each axis by itself, `pairs` those of two axes beyond that.
    """

    main: np.ndarray
    pairs: dict[tuple[int, int], float]


def encoded(axes: Sequence[Axis], chosen: np.ndarray) -> np.ndarray:
    """Return the inputs of the trees, ``(n_points, n_columns)``, from positions on each axis."""
    columns = [axis.codes[chosen[:, i]] for i, axis in enumerate(axes)]
    return np.concatenate(columns, axis=1).astype(np.float32)


def leaves_of(tree: DecisionTreeRegressor, axes: Sequence[Axis]) -> Leaves:
    """Return the partition of a tree that was fitted to encoded points."""
    nodes: Any = tree.tree_
    owner = np.repeat(np.arange(len(axes)), [axis.codes.shape[1] for axis in axes])
    codes = [code for axis in axes for code in axis.codes.astype(np.float32).T]
    predictions, members = [], []
    waiting = [(0, [np.ones(len(axis.weights), dtype=bool) for axis in axes])]
    while waiting:
        node, inside = waiting.pop()
        if nodes.children_left[node] == nodes.children_right[node]:
            predictions.append(float(nodes.value[node].item()))
            members.append(inside)
            continue
        column = nodes.feature[node]
        i, goes_left = owner[column], codes[column] <= nodes.threshold[node]
        for child, side in (
            (nodes.children_left[node], goes_left),
            (nodes.children_right[node], ~goes_left),
        ):
            waiting.append((child, [*inside[:i], inside[i] & side, *inside[i + 1 :]]))
    stacked = [np.array(each, dtype=float) for each in zip(*members, strict=True)]
    shares = [each @ axis.weights for each, axis in zip(stacked, axes, strict=True)]
    return Leaves(np.array(predictions), stacked, np.stack(shares, axis=1))


def effects_of(leaves: Leaves, axes: Sequence[Axis], *, with_pairs: bool = False) -> Effects:
    """Split up a tree's variance over the space, exactly; all zero if its prediction is constant.

    Hutter, Hoos & Leyton-Brown (2014), An efficient approach for assessing hyperparameter
    importance, ICML.
    """
    every = list(combinations(range(len(axes)), 2)) if with_pairs else []
    volumes = leaves.shares.prod(axis=1)
    predictions = leaves.predictions - volumes @ leaves.predictions
    variance = volumes @ predictions**2
    if variance <= 1e-12 * (1 + np.abs(leaves.predictions).max()) ** 2:
        return Effects(np.zeros(len(axes)), dict.fromkeys(every, 0.0))
    # A leaf's part of an axis's marginal: its prediction, by its share of all other axes.
    mass = predictions * volumes
    parts = mass[:, None] / leaves.shares
    main = np.array(
        [
            axis.weights @ (part @ members) ** 2
            for axis, part, members in zip(axes, parts.T, leaves.members, strict=True)
        ]
    )
    pairs = {}
    if with_pairs:
        overlaps = [
            (members * axis.weights) @ members.T / np.outer(share, share)
            for axis, members, share in zip(axes, leaves.members, leaves.shares.T, strict=True)
        ]
        for i, j in every:
            both = float(mass @ (overlaps[i] * overlaps[j]) @ mass - main[i] - main[j])
            pairs[i, j] = max(0.0, both) / variance
    return Effects(main / variance, pairs)
