"""From hyperparameters and data to a trained net."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from sklearn.utils.class_weight import compute_class_weight
from skorch.dataset import Dataset

from sknethp.constraints import is_sequence
from sknethp.hyperparameters import as_limit
from sknethp.net import EpochNet, Lesson, new_net
from sknethp.stopping import Monitor, Progress
from sknethp.training.architecture import Architecture
from sknethp.training.module import detach
from sknethp.training.network import Network, Settings, new_moments, new_network
from sknethp.training.rows import Part
from sknethp.training.schedules import Schedule
from sknethp.training.trainer import Trainer, current_trainer
from sknethp.validation import check_class_weight, listed, resolve_device, validation_size


@dataclass(frozen=True)
class Samples:
    """Checked data.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features), float32
    y : ndarray of shape (n_samples,)
        Positions among the classes.
    weight : ndarray of shape (n_samples,) or None
    classes : ndarray of shape (n_classes,)
    """

    X: Any
    y: np.ndarray
    weight: np.ndarray | None
    classes: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """A trained net and what is needed to go on training it."""

    net: EpochNet
    network: Network
    best_epoch: int


def per_layer(value: Any, n_layers: int) -> tuple:
    """Return one entry per layer, given one value for all or one per layer."""
    return tuple(value) if is_sequence(value) else (value,) * n_layers


def architecture_of(parameters: Mapping[str, Any], n_features: int, n_classes: int) -> Architecture:
    """Return the structure that parameters ask for."""
    n_layers = int(parameters["hidden_layers"])
    return Architecture(
        n_features,
        tuple(int(units) for units in per_layer(parameters["hidden_units"], n_layers)),
        tuple(str(name) for name in per_layer(parameters["activation"], n_layers)),
        1 if n_classes == 2 else n_classes,
        parameters["normalization"],
        bool(parameters["residual"]),
    )


def settings_of(parameters: Mapping[str, Any]) -> Settings:
    """Return the training settings that parameters ask for."""
    n_layers = int(parameters["hidden_layers"])
    dropout = per_layer(parameters["dropout"], n_layers)
    return Settings(
        parameters["optimizer"],
        float(parameters["momentum"]),
        bool(parameters["nesterov"]),
        float(parameters["beta2"]),
        float(parameters["weight_decay"]),
        float(parameters["l1"]),
        as_limit(parameters["max_norm"]),
        as_limit(parameters["gradient_clip"]),
        float(parameters["label_smoothing"]),
        int(parameters["batch_size"]),
        bool(parameters["shuffle"]),
        (float(parameters["input_dropout"]), *map(float, dropout)),
    )


def _schedule(parameters: Mapping[str, Any]) -> Schedule:
    return Schedule(
        parameters["lr_schedule"],
        float(parameters["lr"]),
        int(parameters["max_epochs"]),
        float(parameters["warmup_fraction"]),
        float(parameters["lr_final"]),
        float(parameters["lr_drop_factor"]),
        int(parameters["lr_drop_epochs"]),
    )


def _targets(y: np.ndarray, n_classes: int) -> np.ndarray:
    """Return 0 and 1, ``(n_samples, 1)``, for two classes, else one-hot ones, one per class."""
    if n_classes == 2:
        return y.astype(np.float32)[:, None]
    return np.eye(n_classes, dtype=np.float32)[y]


def _class_weights(samples: Samples, train: np.ndarray, class_weight: Any) -> np.ndarray | None:
    """Return the weight of each class, ``(n_classes,)``, or None if all are equal."""
    if class_weight is None:
        return None
    check_class_weight(class_weight, samples.classes)
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
) -> torch.Tensor | None:
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
    return torch.from_numpy((weight / mean).astype(np.float32))


def _split(
    parameters: Mapping[str, Any], samples: Samples, seed: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the training and the validation samples, stratified by class."""
    everything = np.arange(len(samples.y), dtype=np.int32)
    if not parameters["early_stopping"]:
        return everything, None
    size = validation_size(samples.y, samples.classes, parameters["validation_fraction"])
    train, valid = train_test_split(
        everything, test_size=size, random_state=seed, stratify=samples.y
    )
    return np.sort(train), np.sort(valid)


def _parts(
    parameters: Mapping[str, Any],
    samples: Samples,
    validation: Samples | None,
    seed: int,
    trainer: Trainer,
) -> tuple[Part, Part | None]:
    """Return the training and the validation part."""
    n_classes = len(samples.classes)
    rows = trainer.rows(samples.X)
    targets = trainer.targets(_targets(samples.y, n_classes))
    if validation is not None:
        train, valid_index = np.arange(len(samples.y), dtype=np.int32), None
    else:
        train, valid_index = _split(parameters, samples, seed)
    by_class = _class_weights(samples, train, parameters["class_weight"])
    weight = _weight(samples, train, by_class, "training")
    valid = None
    if validation is not None:
        index = np.arange(len(validation.y), dtype=np.int32)
        valid_weight = _weight(validation, index, by_class, "validation")
        valid_targets = trainer.targets(_targets(validation.y, n_classes))
        valid = Part(trainer.rows(validation.X), valid_targets, index, valid_weight)
    elif valid_index is not None:
        valid_weight = _weight(samples, valid_index, by_class, "validation")
        valid = Part(rows, targets, valid_index, valid_weight)
    return Part(rows, targets, train, weight), valid


def _monitor(
    parameters: Mapping[str, Any],
    samples: Samples,
    validation: Samples | None,
    valid: Part | None,
) -> Monitor | None:
    if valid is None:
        return None
    source = samples if validation is None else validation
    name = parameters["monitor"]
    X = source.X[valid.index] if name not in ("valid_loss", "valid_accuracy") else None
    return Monitor(name, samples.classes, X, samples.classes[source.y[valid.index]])


def fit_network(
    parameters: Mapping[str, Any],
    samples: Samples,
    validation: Samples | None,
    seed: int,
    earlier: Fitted | None = None,
    *,
    n_epochs: int | None = None,
) -> Fitted:
    """Train a net.

    Parameters
    ----------
    parameters : mapping
        Hyperparameters, already checked.
    samples : Samples
    validation : Samples or None
        A validation part from outside.
    seed : int
    earlier : Fitted or None
        A net to go on from.
    n_epochs : int or None
        Fewer or more than the schedule's.

    Returns
    -------
    Fitted

    Raises
    ------
    DivergenceError
    """
    device = resolve_device(parameters["device"])
    trainer = current_trainer()
    architecture = architecture_of(parameters, samples.X.shape[1], len(samples.classes))
    train, valid = _parts(parameters, samples, validation, seed, trainer)
    settings = settings_of(parameters)
    settings = replace(settings, batch_size=min(settings.batch_size, len(train)))
    network, net = _start(parameters, architecture, settings, seed, earlier)
    stops = parameters["early_stopping"] and valid is not None
    progress = Progress(
        patience=parameters["patience"] if stops else np.inf,
        min_improvement=parameters["min_improvement"],
        drop_epochs=parameters["lr_drop_epochs"],
        keep_best=parameters["restore_best"] and valid is not None,
        epoch=len(net.history),
    )
    lesson = Lesson(
        trainer,
        network,
        train,
        valid,
        _schedule(parameters),
        _monitor(parameters, samples, validation, valid),
        progress,
        device,
        n_epochs or int(parameters["max_epochs"]),
        lambda: _datasets(samples, validation, train, valid),
    )
    net.learn(lesson)
    return Fitted(net, network, progress.best_epoch)


def _start(
    parameters: Mapping[str, Any],
    architecture: Architecture,
    settings: Settings,
    seed: int,
    earlier: Fitted | None,
) -> tuple[Network, EpochNet]:
    """Return a new network and net, or copies of those to go on from."""
    if earlier is None:
        n_layers = len(architecture.hidden_units)
        schemes = per_layer(parameters["weight_init"], n_layers + 1)
        if len(schemes) == n_layers:
            schemes = (*schemes, "auto")
        network = new_network(architecture, settings, schemes, seed)
    else:
        network = _continued(earlier.network, architecture, settings, seed)
    net = _net_around(network, parameters)
    if earlier is not None:
        net.history.extend(list(earlier.net.history))
    return network, net


def _net_around(network: Network, parameters: Mapping[str, Any]) -> EpochNet:
    return new_net(
        network,
        float(parameters["lr"]),
        int(parameters["max_epochs"]),
        parameters["callbacks"],
        bool(parameters["verbose"]),
    )


def _continued(
    earlier: Network, architecture: Architecture, settings: Settings, seed: int
) -> Network:
    """Return a copy of a trained network that can go on under other settings."""
    if earlier.architecture != architecture:
        raise ValueError(
            "The fit before had another structure, so that this one cannot go on from it: keep the "
            "features, the classes, hidden_layers, hidden_units, activation, normalization and "
            "residual, or start anew with warm_start=False or a clone."
        )
    network = copy.deepcopy(earlier)
    fresh = new_network(architecture, settings, ("zero",) * len(architecture.weight_shapes), seed)
    if network.settings.optimizer != settings.optimizer:
        network.moments, network.n_steps = fresh.moments, 0
    if any(settings.dropout) and not any(network.settings.dropout):
        network.streams = fresh.streams
    network.settings = settings
    return network


def rebuilt(
    parameters: Mapping[str, Any], network: Network, history: list[dict[str, Any]], best_epoch: int
) -> Fitted:
    """Return the fit of a network that was trained before, its optimizer as at the start.

    Parameters
    ----------
    parameters : mapping
        Those that it was trained with.
    network : Network
        Without moments.
    history : list of dict
        A row per epoch.
    best_epoch : int

    Returns
    -------
    Fitted
    """
    network.moments = new_moments(network.settings, network.parameters)
    net = _net_around(network, parameters)
    net.history.extend(history)
    detach(net.module_)
    return Fitted(net, network, best_epoch)


def continue_fit(
    parameters: Mapping[str, Any], samples: Samples, seed: int, earlier: Fitted | None
) -> Fitted:
    """Train for one more epoch on all samples, at a constant learning rate."""
    constant = {**parameters, "lr_schedule": "constant", "warmup_fraction": 0.0}
    constant["early_stopping"] = False
    return fit_network(constant, samples, None, seed, earlier, n_epochs=1)


def _datasets(
    samples: Samples, validation: Samples | None, train: Part, valid: Part | None
) -> tuple[Dataset, Dataset | None]:
    """Return skorch's data sets, for callbacks that look at the data."""
    first = Dataset(samples.X[train.index], samples.y[train.index])
    if valid is None:
        return first, None
    source = samples if validation is None else validation
    return first, Dataset(source.X[valid.index], source.y[valid.index])
