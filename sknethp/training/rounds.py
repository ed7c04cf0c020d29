"""Rounds of training: an epoch of each network, in populations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sknethp.training.epoch import Epoch
from sknethp.training.network import Network
from sknethp.training.population import Population


class Rounds:
    """Trains epochs in populations, which are kept as long as their members stay the same."""

    def __init__(self) -> None:
        self._populations: dict[tuple[Network, ...], Population] = {}

    def train(self, epochs: Sequence[Epoch], groups: Sequence[Sequence[int]]) -> list[Any]:
        """Return the result of each epoch, or the error that ended its population.

        `groups` has the positions of each population's epochs (see `grouping`).
        """
        before, self._populations = self._populations, {}
        answers: list[Any] = [None] * len(epochs)
        for group in groups:
            members = [epochs[i] for i in group]
            networks = tuple(epoch.network for epoch in members)
            population = before.get(networks) or Population(networks, members[0].device)
            self._populations[networks] = population
            for i, answer in zip(group, _results(population, members), strict=True):
                answers[i] = answer
        return answers


def _results(population: Population, epochs: list[Epoch]) -> list[Any]:
    try:
        return population.run(epochs)
    except Exception as error:
        return [error] * len(epochs)
