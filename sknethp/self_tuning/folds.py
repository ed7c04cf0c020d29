"""The folds: which samples train each network, and which are held out from it."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator
from copy import copy
from functools import cached_property
from itertools import pairwise
from numbers import Integral
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import StratifiedKFold, check_cv
from torch import Tensor

from sknethp.estimator.calibration import most_probable_temperature
from sknethp.estimator.data_checks import listed
from sknethp.estimator.request import FitRequest, Samples, Subset, request_on
from sknethp.model_selection.folds import Splits
from sknethp.training.inputs import many_valued
from sknethp.training.objectives import classification
from sknethp.training.rows import Part, Rows

# For a paired test.
_FEWEST_BLOCKS = 3


def make_splits(
    cv: Any, samples: Samples, given: tuple[Any, Any], groups: Any, seed: int
) -> Splits:
    """Return the training and held-out samples of each fold; `given` are the user's X and y.

    A number of folds is stratified and shuffled, with fewer folds where a class is too rare.
    """
    X, y = given
    if cv is None or isinstance(cv, Integral):
        folds = StratifiedKFold(_n_folds(cv, samples), shuffle=True, random_state=seed)
        with warnings.catch_warnings():  # of classes with one sample, which was said
            warnings.simplefilter("ignore", UserWarning)
            splits = list(folds.split(np.zeros(len(samples.y)), samples.y))
    else:
        splits = list(check_cv(cv, y, classifier=True).split(X, y, groups))
    if not splits:
        raise ValueError(f"cv={cv!r} gives no folds: give one that gives at least one.")
    return splits


def _n_folds(cv: Any, samples: Samples) -> int:
    wanted = 5 if cv is None else int(cv)
    counts = np.bincount(samples.y, minlength=len(samples.classes))
    fewest = int(counts.min())
    if fewest >= wanted:
        return wanted
    n_folds = max(2, fewest)
    if counts.max() < n_folds:
        raise ValueError(
            f"y has {len(samples.y)} samples, but none of its classes has 2: at least one sample "
            "of a class must train while another is held out."
        )
    warnings.warn(
        f"Class {listed(samples.classes[[counts.argmin()]])} has {fewest} sample"
        f"{'' if fewest == 1 else 's'}, fewer than cv={wanted} folds: there are {n_folds} folds.",
        UserWarning,
        stacklevel=4,
    )
    return n_folds


class Folds:
    """Checked samples and their folds, in the form that networks train on.

    What is held out from the folds stands in one row: `held_out`, ``(n_held_out,)``, indexes the
    samples, `y` and `weight` are those of theirs, and `slices` tell the folds apart.
    """

    def __init__(self, samples: Samples, splits: Splits):
        self.samples = samples
        self.objective = classification(len(samples.classes))
        self._rows = Rows(samples.X)
        self._targets = torch.from_numpy(self.objective.encode(samples.y))
        self._set(splits)

    def of(self, splits: Splits) -> Folds:
        """Return other folds of the same samples."""
        other = copy(self)
        other._set(splits)
        return other

    def _set(self, splits: Splits) -> None:
        samples = self.samples
        self._train = [np.asarray(train, np.int32) for train, _ in splits]
        self._test = [np.asarray(test, np.int32) for _, test in splits]
        self._statistics: dict[Hashable, dict[str, np.ndarray]] = {}
        self.held_out = np.concatenate(self._test)
        self.y = samples.y[self.held_out]
        self.weight = None if samples.weight is None else samples.weight[self.held_out]
        self._held_out_targets = self._targets[torch.from_numpy(self.held_out).long()].double()
        ends = np.cumsum([0, *map(len, self._test)]).tolist()
        self.slices = [slice(start, stop) for start, stop in pairwise(ends)]

    @property
    def n_train(self) -> int:
        """Training samples of the first fold."""
        return len(self._train[0])

    def __len__(self) -> int:
        return len(self._train)

    def requests(self, parameters: dict[str, Any], seed: int) -> Iterator[FitRequest]:
        """Request a fit for each fold, with a seed of its own; raises a ValueError."""
        samples, embedded = self.samples, self.many_valued if parameters["embedding"] else ()
        for i, (train, test) in enumerate(zip(self._train, self._test, strict=True)):
            own_seed = (seed + i) % 2**31
            yield request_on(parameters, samples, train, samples, test, own_seed, columns=embedded)

    @cached_property
    def many_valued(self) -> tuple[int, ...]:
        """The columns that may be embedded, the same for all folds, which then train together."""
        return tuple(many_valued(self.samples.X).tolist())

    def statistics(self, fold: int | None, request: FitRequest) -> dict[str, np.ndarray]:
        """Return what the inputs of a network need to know, computed once for all alike.

        `fold` is None for a network that is trained on all samples.
        """
        class_weight = repr(request.parameters["class_weight"])  # which may leave samples out
        key = fold, request.architecture.inputs, class_weight
        if key not in self._statistics:
            self._statistics[key] = request.statistics()
        return self._statistics[key]

    def request_on_all(
        self, parameters: dict[str, Any], seed: int, n_epochs: int, columns: tuple[int, ...]
    ) -> FitRequest:
        """Request a fit to all samples, for a number of epochs of the schedule."""
        index = np.arange(len(self.samples.y), dtype=np.int32)
        samples = self.samples
        return request_on(parameters, samples, index, samples, None, seed, n_epochs, columns)

    def part(self, subset: Subset) -> Part:
        """Return a subset of the samples as training takes it."""
        weight = None if subset.weight is None else torch.from_numpy(subset.weight)
        return Part(self._rows, self._targets, subset.index, weight)

    def _sample_losses(self, logits: Tensor, weight: Tensor | None) -> Tensor:
        losses = self.objective.sample_losses(logits, self._held_out_targets)
        return losses if weight is None else losses * weight

    def losses(self, logits: Tensor, weight: Tensor | None) -> np.ndarray:
        """Return the held-out loss of each fold, or of blocks of few folds, ``(n_blocks,)``.

        Logits are ``(n_held_out, n_outputs)``, weights ``(n_held_out,)``.
        """
        losses, n_blocks = (
            self._sample_losses(logits, weight).numpy(),
            -(-_FEWEST_BLOCKS // len(self)),
        )
        blocks = [b for own in self.slices for b in np.array_split(losses[own], n_blocks)]
        return np.array([block.mean() for block in blocks if len(block)])

    def temperature(self, logits: Tensor, weight: Tensor | None) -> float:
        """Return the temperature that gives the lowest held-out loss, drawn towards 1."""
        return most_probable_temperature(
            lambda t: float(self._sample_losses(logits / t, weight).sum())
        )

    def by_sample(self, values: np.ndarray) -> np.ndarray:
        """Spread ``(n_held_out, n)`` over the samples: means, NaN for what was never held out."""
        totals = np.zeros((len(self.samples.y), values.shape[1]))
        np.add.at(totals, self.held_out, values)
        counts = np.bincount(self.held_out, minlength=len(totals))[:, None]
        return np.divide(totals, counts, out=np.full_like(totals, np.nan), where=counts > 0)
