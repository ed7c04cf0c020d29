"""Rounds of training: an epoch of each network, in populations."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sknethp.training.epoch import Epoch
from sknethp.training.network import Network
from sknethp.training.population import Population


class Rounds:
    """Trains epochs in populations, which are kept as long as their members stay the same."""

    def __init__(self) -> None:
        self._populations: dict[tuple[Network, ...], Population] = {}
        self.seconds: list[tuple[float, float]] = []

    def train(self, epochs: Sequence[Epoch], groups: Sequence[Sequence[int]]) -> list[Any]:
        """Return the result of each epoch, or the error that ended its population.

        `groups` has the positions of each population's epochs (see `grouping`). `seconds` then has,
        for each epoch, its share of its population's time, and the whole.
        """
        before, self._populations = self._populations, {}
        answers: list[Any] = [None] * len(epochs)
        self.seconds = [(0.0, 0.0)] * len(epochs)
        for group in groups:
            members = [epochs[i] for i in group]
            began = time.perf_counter()
            networks = tuple(epoch.network for epoch in members)
            population = before.get(networks) or Population(networks, members[0].device)
            self._populations[networks] = population
            for i, answer in zip(group, _results(population, members), strict=True):
                answers[i] = answer
            took = time.perf_counter() - began
            for i in group:
                self.seconds[i] = took / len(group), took
        return answers


def raise_first_error(answers: Sequence[Any]) -> None:
    """Raise the first of the errors that ended populations, if there are any."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer


def _results(population: Population, epochs: list[Epoch]) -> list[Any]:
    try:
        return population.run(epochs)
    except Exception as error:
        return [error] * len(epochs)
