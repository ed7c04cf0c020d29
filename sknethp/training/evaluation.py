"""Losses, scores and logits of many networks on parts of the data, without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sknethp.training.chunks import Gather, sample_weights
from sknethp.training.epoch import EpochResult, Evaluation, Measures
from sknethp.training.objectives import Objective
from sknethp.training.program import Program
from sknethp.training.rounding import ALIGNED, total
from sknethp.training.rows import Part

_MOST_ROWS = 64


def rows_at_a_time(n_samples: int) -> int:
    """Return how many rows to evaluate at a time, on which the rounding of products depends.

    Networks for which this differs do not share a population.
    """
    return min(_MOST_ROWS, max(ALIGNED, 2 ** (n_samples - 1).bit_length()))


def _padded_index(parts: Sequence[Part]) -> np.ndarray:
    """Return the samples of each part, ``(n_networks, longest)``, filled up with sample 0."""
    index = np.zeros((len(parts), max(map(len, parts))), np.int32)
    for row, part in zip(index, parts, strict=True):
        row[: len(part)] = part.index
    return index


def evaluate(
    program_of: Callable[[int, int, bool], Program],
    objective: Objective,
    parts: Sequence[Part],
    device: torch.device,
) -> list[Evaluation]:
    """Evaluate each network on its part.

    `program_of` makes a program from the numbers of networks and rows, and whether it trains.
    """
    n = len(parts)
    index = _padded_index(parts)
    longest = index.shape[1]
    n_rows = rows_at_a_time(longest)
    padded = np.zeros((n, -(-longest // n_rows) * n_rows), np.int32)
    padded[:, :longest] = index
    steps = torch.from_numpy(padded.reshape(n, -1, n_rows).transpose(1, 0, 2).copy()).to(device)
    distinct: dict[bytes, np.ndarray] = {}
    orders = [distinct.setdefault(part.index.tobytes(), part.index) for part in parts]
    gather = Gather(parts, orders, steps)
    program = program_of(n, n_rows, False)
    targets = gather.targets()
    logits = torch.empty_like(targets)
    for s in range(len(steps)):
        gather.rows(s, program.x)
        program.forward()
        logits[s].copy_(program.logits)
    return _summaries(objective, parts, logits, targets, sample_weights(parts, steps))


def combined(
    objective: Objective, results: Sequence[EpochResult], valid: Part | None
) -> EpochResult:
    """Return the result of an ensemble's epoch from those of its members.

    Training is measured by member, validation by the mean probabilities.
    """
    if len(results) == 1:
        (own,) = results
        is_asked_for = (own.valid is None) == (valid is None)
        return own if is_asked_for else replace(own, valid=None)
    train = np.mean([(r.train.loss, *r.train.scores.values()) for r in results], 0).tolist()
    evaluation = None
    if valid is not None:
        logits = objective.average(torch.stack([r.valid.logits for r in results if r.valid]))
        index = torch.from_numpy(valid.index[None, None])
        (evaluation,) = _summaries(
            objective,
            [valid],
            logits[None, None],
            valid.targets[valid.index][None, None],
            sample_weights([valid], index),
        )
    return EpochResult(
        Measures.of(train[0], objective.score_names, train[1:]),
        all(r.is_finite for r in results),
        evaluation,
    )


def _summaries(
    objective: Objective,
    parts: Sequence[Part],
    logits: Tensor,
    targets: Tensor,
    weights: Tensor | None,
) -> list[Evaluation]:
    """Return weighted means over the samples of each part."""
    lengths = torch.tensor([len(part) for part in parts], device="cpu")

    def by_network(values: Tensor) -> Tensor:
        values = values.cpu().transpose(0, 1)
        return values.reshape(values.shape[0], -1, *values.shape[3:])

    mask = torch.arange(logits.shape[0] * logits.shape[2], device="cpu") < lengths[:, None]
    weight = mask.float() if weights is None else mask * by_network(weights)
    weights_in_all = total(weight, 1)
    measures = objective.measures(logits, targets)
    means = [total(by_network(values) * weight, 1) / weights_in_all for values in measures]
    own = by_network(logits)
    return [
        Evaluation(Measures.of(loss, objective.score_names, scores), own[i, : len(part)])
        for i, (part, (loss, *scores)) in enumerate(
            zip(parts, torch.stack(means, 1).tolist(), strict=True)
        )
    ]
