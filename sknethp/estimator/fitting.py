"""From a request to a trained net."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sknethp.estimator.net import EpochNet, FitPlan, new_net
from sknethp.estimator.prediction import forward_in_double
from sknethp.estimator.request import FitRequest, Subset
from sknethp.estimator.stopping import Monitor, Progress, is_measured
from sknethp.session import current_session
from sknethp.training.module import detach, read
from sknethp.training.network import Network, new_moments, new_network
from sknethp.training.rows import Part
from sknethp.training.slots import views
from sknethp.training.trainer import Trainer


@dataclass(frozen=True)
class Fitted:
    """A trained net and what is needed to train it further."""

    net: EpochNet
    network: Network
    best_epoch: int


def _parts(request: FitRequest, trainer: Trainer) -> tuple[Part, Part | None]:
    """Return the training and the validation part."""

    def part(subset: Subset) -> Part:
        rows = trainer.rows(subset.samples.X)
        targets = trainer.targets(request.objective.encode(subset.samples.y))
        return Part(rows, targets, subset.index, weight(subset))

    def weight(subset: Subset) -> torch.Tensor | None:
        return None if subset.weight is None else torch.from_numpy(subset.weight)

    train, valid = part(request.train), request.valid
    if valid is None:
        return train, None
    if valid.samples is request.train.samples:
        return train, replace(train, index=valid.index, weight=weight(valid))
    return train, part(valid)


def _monitor(request: FitRequest) -> Monitor | None:
    if request.valid is None:
        return None
    name, samples, index = request.parameters["monitor"], request.valid.samples, request.valid.index
    X = None if is_measured(name) else samples.X[index]
    return Monitor(name, request.objective, samples.classes, X, samples.classes[samples.y[index]])


def fit_network(request: FitRequest, earlier: Fitted | None) -> Fitted:
    """Train a net, or train an earlier one further; may raise a DivergenceError."""
    parameters, trainer = request.parameters, current_session()
    train, valid = _parts(request, trainer)
    network, net = _start(request, earlier)
    stops = parameters["early_stopping"] and valid is not None
    progress = Progress(
        patience=parameters["patience"] if stops else np.inf,
        min_improvement=parameters["min_improvement"],
        drop_epochs=parameters["lr_drop_epochs"],
        keep_best=parameters["restore_best"] and valid is not None,
        epoch=len(net.history),
    )
    net.train_epochs(
        FitPlan(
            request=request,
            trainer=trainer,
            network=network,
            train=train,
            valid=valid,
            monitor=_monitor(request),
            progress=progress,
        )
    )
    return Fitted(net, network, progress.best_epoch)


def _start(request: FitRequest, earlier: Fitted | None) -> tuple[Network, EpochNet]:
    """Return a new network and net, or copies of those to continue from."""
    network = first_network(request) if earlier is None else _continued(earlier.network, request)
    net = new_net(network, request)
    if earlier is not None:
        net.history.extend(list(earlier.net.history))
    return network, net


def first_network(request: FitRequest) -> Network:
    """Return a new network, which knows what its inputs need of the training samples."""
    schemes = request.parameters["weight_init"]
    network = new_network(request.architecture, request.settings, schemes, request.seed)
    own = views(network.statistics, network.architecture.statistics)
    for name, values in request.statistics().items():
        own[name].copy_(torch.from_numpy(values))
    return network


def _continued(earlier: Network, request: FitRequest) -> Network:
    """Return a copy of a trained network that can be trained further under other settings."""
    architecture, settings = request.architecture, request.settings
    if earlier.architecture != architecture:
        raise ValueError(
            "The previous fit had another structure, so this one cannot continue from it: keep the "
            "features, the classes, hidden_layers, hidden_units, activation, normalization and "
            "residual, or start anew with warm_start=False or a clone."
        )
    network = copy.deepcopy(earlier)
    schemes = ("zero",) * len(architecture.weights)
    fresh = new_network(architecture, settings, schemes, request.seed)
    if network.settings.optimizer != settings.optimizer:
        network.moments, network.n_steps = fresh.moments, 0
    if any(settings.dropout) and not any(network.settings.dropout):
        network.streams = fresh.streams
    network.settings = settings
    return network


def rebuilt(
    request: FitRequest, network: Network, history: list[dict[str, Any]], best_epoch: int
) -> Fitted:
    """Return the fit of a network that was trained before, with its optimizer reset.

    `network` has no moments; `history` has a row per epoch.
    """
    network.moments = new_moments(network.settings, network.parameters)
    net = new_net(network, request)
    net.history.extend(history)
    detach(net.module_, network.n_steps)
    return Fitted(net, network, best_epoch)


def fitted_as_it_is(net: EpochNet, network: Network, best_epoch: int) -> Fitted:
    """Return a fit with the weights that its module has now, which may have been edited.

    What else the module may have been given (layers, hooks, other activations) would be lost in
    training, so that it is a ValueError.
    """
    network, twin = read(net.module_, network)
    rows = np.random.default_rng(0).standard_normal((4, network.architecture.n_features))
    theirs, own = (forward_in_double(module, rows) for module in (net.module_, twin))
    if theirs.shape != own.shape or not torch.allclose(theirs, own, equal_nan=True):
        raise ValueError(
            "module_ cannot be trained on: it computes something other than a net of its weights. "
            "Give it the layers that it was fitted with (torch.nn.utils.prune.remove and "
            "parametrize.remove_parametrizations make weights plain), or start anew with a clone."
        )
    return Fitted(net, network, best_epoch)
