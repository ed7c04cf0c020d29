"""The request for a fit: the samples of each part, their weights, and the hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight

from sknethp.estimator.batches import follows_batches
from sknethp.estimator.data_checks import listed
from sknethp.estimator.devices import resolve_device
from sknethp.estimator.fit_tasks import FitTasks
from sknethp.hyperparameters.automatic import AUTO, resolve
from sknethp.hyperparameters.constraints import Number
from sknethp.training.architecture import Architecture
from sknethp.training.inputs import Inputs, many_valued, measured
from sknethp.training.network import Settings
from sknethp.training.objectives import Objective, classification
from sknethp.training.schedules import Schedule

_WEIGHT = Number(0)
# With fewer epochs, to leave a tenth of the samples out of half of them costs accuracy.
_FEWEST_EPOCHS = 20


@dataclass(frozen=True)
class Samples:
    """Checked data: `X`, ``(n_samples, n_features)`` in float32, as an array or a CSR matrix.

    `y` holds indices of `classes`, ``(n_samples,)``; `weight` is ``(n_samples,)`` or None.
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    classes: np.ndarray


@dataclass(frozen=True)
class Subset:
    """Some of the samples; their weights ``(n_samples,)`` have mean one over the subset."""

    samples: Samples
    index: np.ndarray
    weight: np.ndarray | None

    def counted(self) -> np.ndarray | None:
        """Return the samples whose weights are not zero; None if these are all."""
        index = self.index if self.weight is None else self.index[self.weight[self.index] > 0]
        return None if len(index) == self.samples.X.shape[0] else index


@dataclass(frozen=True)
class FitRequest:
    """A fit that has passed all checks.

    `parameters` are as returned by ``check_hyperparameters``, without "auto"; `n_epochs` may
    differ from the schedule's. `tasks` are scikit-learn's, if the estimator has callbacks.
    """

    parameters: dict[str, Any]
    objective: Objective
    train: Subset
    valid: Subset | None
    embedded_columns: tuple[int, ...]
    device: torch.device
    seed: int
    n_epochs: int
    tasks: FitTasks | None = None

    @cached_property
    def architecture(self) -> Architecture:
        """The structure that the parameters define."""
        return _architecture(
            n_features=self.train.samples.X.shape[1],
            activations=self.parameters["activation"],
            n_outputs=self.objective.n_outputs,
            inputs=self._inputs,
            frequency_scale=self._inputs.frequency_scale,
            **_named(self.parameters, "hidden_units", "normalization", "residual"),
        )

    @cached_property
    def _inputs(self) -> Inputs:
        """How the parameters scale and embed the inputs."""
        p = self.parameters
        periodic = p["embedding"] in ("periodic", "both")
        piecewise_linear = p["embedding"] in ("piecewise_linear", "both")
        return Inputs(
            scaling=p["input_scaling"],
            columns=self.embedded_columns,
            size=p["embedding_size"] * periodic,
            n_frequencies=p["embedding_frequencies"] * periodic,
            frequency_scale=p["frequency_scale"] * periodic,
            n_bins=p["embedding_bins"] * piecewise_linear,
        )

    @cached_property
    def left_out(self) -> list[np.ndarray]:
        """The samples that new networks leave out of their first epochs, to be calibrated on them.

        They are stratified, and as far as possible have no sample in common. With a validation part
        there are none.
        """
        index = self.train.index
        n_shares = max(2, round(1 / self.parameters["validation_fraction"]))
        is_wanted = self.parameters["calibrate"] and self.valid is None
        if not is_wanted or not self.n_epochs_left_out or len(index) < n_shares:
            return []
        drawn = np.random.default_rng(self.seed).random(len(index))
        share = np.empty(len(index), int)
        share[np.lexsort((drawn, self.train.samples.y[index]))] = np.arange(len(index)) % n_shares
        return [index[share == i % n_shares] for i in range(self.ensemble_size)]

    @property
    def n_epochs_left_out(self) -> int:
        """Number of epochs without what is left out."""
        return self.n_epochs // 2 if self.n_epochs >= _FEWEST_EPOCHS else 0

    @property
    def ensemble_size(self) -> int:
        """Number of networks to train."""
        return self.parameters["ensemble_size"]

    def statistics(self) -> dict[str, np.ndarray]:
        """Return what the network's inputs need to know of the training samples, by slot."""
        return measured(self.architecture.inputs, self.train.samples.X, self.train.counted())

    @cached_property
    def settings(self) -> Settings:
        """The training settings that the parameters define."""
        given = _named(self.parameters, *(field.name for field in fields(Settings)))
        given["dropout"] = (self.parameters["input_dropout"], *self.parameters["dropout"])
        given["batch_size"] = min(self.parameters["batch_size"], len(self.train.index))
        return Settings(**given)

    @cached_property
    def schedule(self) -> Schedule:
        """The learning rates that the parameters define."""
        return Schedule(**_named(self.parameters, *(field.name for field in fields(Schedule))))


@lru_cache(256)
def _architecture(frequency_scale: float, **structure: Any) -> Architecture:
    """Return an architecture, the same for equal fits: its slots are found once for all of them.

    (To its inputs' comparison the `frequency_scale` makes no difference.)
    """
    return Architecture(**structure)


def _named(parameters: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: parameters[name] for name in names}


def fit_request(
    parameters: dict[str, Any],
    samples: Samples,
    validation: Samples | None,
    seed: int,
    n_epochs: int | None = None,
    inputs: Inputs | None = None,
) -> FitRequest:
    """Split and weight the samples, and check everything that depends on them.

    `inputs` are those of a net to continue from, which keeps its scaling and its embedding.
    """
    _check_callbacks(parameters)
    index, held_out = np.arange(len(samples.y), dtype=np.int32), None
    if validation is not None:
        held_out = np.arange(len(validation.y), dtype=np.int32)
    elif parameters["early_stopping"]:
        index, held_out = _split(parameters["validation_fraction"], samples, index, seed)
    source = samples if validation is None else validation
    if inputs is not None and parameters["embedding"] == AUTO:
        parameters = {**parameters, "embedding": inputs.embedding}
    columns = None if inputs is None else inputs.columns
    return request_on(parameters, samples, index, source, held_out, seed, n_epochs, columns)


def request_on(
    parameters: dict[str, Any],
    samples: Samples,
    index: np.ndarray,
    source: Samples,
    held_out: np.ndarray | None,
    seed: int,
    n_epochs: int | None = None,
    columns: tuple[int, ...] | None = None,
) -> FitRequest:
    """Request a fit on the samples of `index`, validated on those of `held_out` in `source`.

    `columns` are those to embed, if they are known.
    """
    by_class = _class_weights(samples, index, parameters["class_weight"])
    train = Subset(samples, index, _weight(samples, index, by_class, "training"))
    valid = None
    if held_out is not None:
        valid = Subset(source, held_out, _weight(source, held_out, by_class, "validation"))
    columns = _embedded_columns(parameters, train) if columns is None else columns
    parameters = resolve(parameters, len(train.index), len(columns))
    return FitRequest(
        parameters=parameters,
        objective=classification(len(samples.classes)),
        train=train,
        valid=valid,
        embedded_columns=columns if parameters["embedding"] else (),
        device=resolve_device(parameters["device"]),
        seed=seed,
        n_epochs=n_epochs or parameters["max_epochs"],
    )


def _embedded_columns(parameters: Mapping[str, Any], train: Subset) -> tuple[int, ...]:
    """Return the columns that an embedding embeds."""
    if not parameters["embedding"]:
        return ()
    return tuple(many_valued(train.samples.X, train.counted()).tolist())


def _check_callbacks(parameters: Mapping[str, Any]) -> None:
    """Reject callbacks that follow batches where these are not those of one network on the CPU."""
    for entry in parameters["callbacks"] or ():
        callback = entry[-1] if isinstance(entry, tuple) else entry
        callback = callback() if isinstance(callback, type) else callback
        if not follows_batches(callback):
            continue
        n_networks, device = parameters["ensemble_size"], resolve_device(parameters["device"])
        if n_networks > 1:
            reason = f"the {n_networks} networks of the ensemble each have their own"
            instead = "ensemble_size=1"
        elif device.type != "cpu":
            reason, instead = f"on {device.type} they stay there", "device='cpu'"
        else:
            continue
        raise ValueError(
            f"{type(callback).__name__} in callbacks follows single batches, but {reason}: set "
            f"{instead}, or leave the callback out."
        )


def _split(
    fraction: float, samples: Samples, index: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and the validation samples, stratified by class."""
    size = _validation_size(samples.y, samples.classes, fraction)
    train, valid = train_test_split(index, test_size=size, random_state=seed, stratify=samples.y)
    return np.sort(train), np.sort(valid)


def _validation_size(encoded: np.ndarray, classes: np.ndarray, fraction: float) -> int:
    """Return how many samples to hold out: the share asked for, at least as many as classes.

    It is a ValueError if a class is too small to be in both parts, or if too few samples are left
    to train on.
    """
    counts = np.bincount(encoded, minlength=len(classes))
    smallest = int(counts.argmin())
    if counts[smallest] < 2:
        raise ValueError(
            f"Class {listed(classes[[smallest]])} has {counts[smallest]} sample, too few to be in "
            "both the training and the validation part: give X_val and y_val to fit, set "
            "early_stopping=False, or leave out the class."
        )
    wanted = max(int(np.ceil(fraction * len(encoded))), len(classes))
    left = len(encoded) - wanted
    if left < len(classes):
        raise ValueError(
            f"validation_fraction={fraction} holds out {wanted} of {len(encoded)} samples, which "
            f"leaves {left} to train on, fewer than the {len(classes)} classes: lower it, or give "
            "X_val and y_val to fit."
        )
    return wanted


def _check_class_weight(class_weight: Any, classes: np.ndarray) -> None:
    """Reject a dict with labels that are not in the data, or with invalid weights."""
    if not isinstance(class_weight, Mapping):
        return
    labels = set(classes.tolist())
    unknown = [label for label in class_weight if label not in labels]
    if unknown:
        raise ValueError(
            f"class_weight has labels that are not in y, {', '.join(map(repr, unknown))}: use y's "
            f"labels, {listed(classes)}."
        )
    for label, weight in class_weight.items():
        if not _WEIGHT.allows(weight):
            raise ValueError(
                f"class_weight={class_weight!r} gives class {label!r} the weight {weight!r}: a "
                f"weight must be {_WEIGHT.describe()}."
            )


def _class_weights(samples: Samples, train: np.ndarray, class_weight: Any) -> np.ndarray | None:
    """Return the weight of each class, ``(n_classes,)``, or None if all are equal."""
    if class_weight is None:
        return None
    _check_class_weight(class_weight, samples.classes)
    present = np.unique(samples.y[train])
    if class_weight == "balanced" and len(present) < len(samples.classes):
        missing = np.delete(samples.classes, present)
        raise ValueError(
            f"class_weight='balanced' needs training samples of all classes, but there are none of "
            f"{listed(missing)}: give class_weight as a dict."
        )
    labels = samples.classes[samples.y[train]]
    return compute_class_weight(class_weight, classes=samples.classes, y=labels)


def _weight(
    samples: Samples, index: np.ndarray, by_class: np.ndarray | None, part: str
) -> np.ndarray | None:
    """Return weights of mean one over the samples of `index`, or None if all are equal."""
    if samples.weight is None and by_class is None:
        return None
    weight = np.ones(len(samples.y)) if samples.weight is None else samples.weight.copy()
    if by_class is not None:
        weight *= by_class[samples.y]
    mean = weight[index].mean()
    if mean == 0:
        raise ValueError(
            f"The weights of all samples in the {part} part are zero: give at least one of them a "
            "positive sample_weight and class_weight."
        )
    return (weight / mean).astype(np.float32)
