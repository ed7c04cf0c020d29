"""Rounds of training that a summary counts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sknethp.fusion.summary import Summary
from sknethp.training.epoch import Epoch
from sknethp.training.grouping import plan
from sknethp.training.rounds import Rounds


class CountedRounds(Rounds):
    """Rounds whose populations and seconds a summary counts."""

    def __init__(self, summary: Summary):
        super().__init__()
        self._summary = summary

    def train_all(self, epochs: Sequence[Epoch]) -> list[Any]:
        """Return the result of each epoch, or the error that ended its population."""
        groups = plan(epochs)
        self._summary.count_round(epochs, groups)
        start = time.perf_counter()
        answers = self.train(epochs, groups)
        self._summary.seconds_training += time.perf_counter() - start
        return answers
