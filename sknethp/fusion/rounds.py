"""Rounds of training: an epoch of every network that waits for one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sknethp.fusion.summary import Summary
from sknethp.training.epoch import Epoch
from sknethp.training.grouping import plan
from sknethp.training.network import Network
from sknethp.training.population import Population


class Rounds:
    """Trains epochs in populations, which are kept as long as their members stay the same."""

    def __init__(self, summary: Summary):
        self._summary = summary
        self._populations: dict[tuple[Network, ...], Population] = {}

    def train(self, epochs: Sequence[Epoch]) -> list[Any]:
        """Return the result of each epoch, or the error that ended its population."""
        start = time.perf_counter()
        groups = plan(epochs)
        self._summary.count_round(epochs, groups)
        before, self._populations = self._populations, {}
        answers: list[Any] = [None] * len(epochs)
        for group in groups:
            members = [epochs[i] for i in group]
            networks = tuple(epoch.network for epoch in members)
            population = before.get(networks) or Population(networks, members[0].device)
            self._populations[networks] = population
            for i, answer in zip(group, _results(population, members), strict=True):
                answers[i] = answer
        self._summary.seconds_training += time.perf_counter() - start
        return answers


def _results(population: Population, epochs: list[Epoch]) -> list[Any]:
    try:
        return population.run(epochs)
    except Exception as error:
        return [error] * len(epochs)
