"""Trains epochs of many networks together, and counts them."""

from __future__ import annotations

from collections.abc import Sequence

from sknethp.fusion.rounds import CountedRounds
from sknethp.fusion.summary import Summary
from sknethp.training.epoch import Epoch, EpochResult
from sknethp.training.rounds import raise_first_error


class RoundTrainer:
    """Trains an epoch of each network at a time, in populations; `summary` counts them."""

    def __init__(self) -> None:
        self.summary = Summary()
        self._rounds = CountedRounds(self.summary)

    def train(self, epochs: Sequence[Epoch]) -> list[EpochResult]:
        """Return the result of each epoch; raises what ended a population."""
        results = self._rounds.train_all(epochs)
        raise_first_error(results)
        return results
