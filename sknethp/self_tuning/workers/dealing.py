"""Which process trains which networks of a round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sknethp.self_tuning.clock import work_of
from sknethp.training.epoch import Epoch
from sknethp.training.grouping import OVERHEAD_MULTIPLICATIONS, plan
from sknethp.training.network import Network

# Populations are divided into pieces that take at most so many times the time that a process has.
_PIECES = 1.0, 0.5, 0.34
# Share of a network's time that it should save to be sent to another process.
_MOVE = 0.1

Group = Sequence[int]


def deal(
    epochs: Sequence[Epoch],
    seconds: Mapping[Network, float],
    homes: Sequence[int],
    n_processes: int,
) -> list[int]:
    """Return the process of each network, given the one where it is.

    `seconds` are those that networks took in the last round, their shares of their populations'.
    Networks of a population stay together unless the processes would wait for one of them.
    """
    if n_processes == 1:
        return [0] * len(epochs)
    groups = plan(epochs)
    costs = _costs(epochs, groups, seconds)
    share = sum(costs) / n_processes
    dealt = []
    for most in _PIECES:
        pieces = [piece for group in groups for piece in _pieces(group, costs, most * share)]
        dealt.append(_dealt(pieces, costs, homes, n_processes))
    return min(dealt, key=lambda each: each[0])[1]


def _costs(
    epochs: Sequence[Epoch], groups: Sequence[Group], seconds: Mapping[Network, float]
) -> list[float]:
    """Return what each network takes, in seconds if any has been measured."""
    work = [0.0] * len(epochs)
    for group in groups:
        overhead = OVERHEAD_MULTIPLICATIONS * max(epochs[i].n_steps for i in group) / len(group)
        for i in group:
            work[i] = overhead + work_of([epochs[i]])
    measured = [seconds.get(epoch.network) for epoch in epochs]
    known = [(own, w) for own, w in zip(measured, work, strict=True) if own is not None]
    pace = sum(own for own, _ in known) / sum(w for _, w in known) if known else 1.0
    return [w * pace if own is None else own for own, w in zip(measured, work, strict=True)]


def _pieces(group: Group, costs: Sequence[float], most: float) -> list[Group]:
    """Divide a population that would take more than `most`."""
    n = min(len(group), math.ceil(sum(costs[i] for i in group) / most))
    length = -(-len(group) // n)
    return [group[k : k + length] for k in range(0, len(group), length)]


def _dealt(
    pieces: Sequence[Group], costs: Sequence[float], homes: Sequence[int], n_processes: int
) -> tuple[float, list[int]]:
    """Give each piece, the longest first, to the process that has least to do.

    Returns what the process takes that takes longest, too.
    """
    loads = [0.0] * n_processes
    processes = [0] * len(homes)
    for cost, piece in sorted(
        ((sum(costs[i] for i in piece), piece) for piece in pieces), key=lambda p: -p[0]
    ):
        away = [sum(homes[i] != p for i in piece) / len(piece) for p in range(n_processes)]
        wanted = [load + _MOVE * cost * far for load, far in zip(loads, away, strict=True)]
        process = wanted.index(min(wanted))
        loads[process] += cost
        for i in piece:
            processes[i] = process
    return max(loads), processes
