"""From a request to a trained net."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sknethp.estimator.calibration import LeftOut
from sknethp.estimator.net import EpochNet, FitPlan, new_net
from sknethp.estimator.prediction import forward_in_double
from sknethp.estimator.request import FitRequest, Subset
from sknethp.estimator.stopping import Monitor, Progress, is_measured
from sknethp.session import current_session
from sknethp.training.module import build_ensemble, detach, members_of, read
from sknethp.training.network import Network, new_network
from sknethp.training.rows import Part
from sknethp.training.slots import views
from sknethp.training.trainer import Trainer


@dataclass(frozen=True)
class Fitted:
    """A trained net and what is needed to train it further."""

    net: EpochNet
    networks: list[Network]
    best_epoch: int


def _parts(request: FitRequest, trainer: Trainer) -> tuple[Part, Part | None]:
    """Return the training part and the validation part."""

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
    networks, net = _start(request, earlier)
    stops = parameters["early_stopping"] and valid is not None
    progress = Progress(
        patience=parameters["patience"] if stops else np.inf,
        min_improvement=parameters["min_improvement"],
        drop_epochs=parameters["lr_drop_epochs"],
        keep_best=parameters["restore_best"] and valid is not None,
        epoch=len(net.history),
    )
    left_out = None
    if request.left_out and earlier is None:  # which has seen all samples
        left_out = LeftOut(train, request.left_out, request.n_epochs_left_out)
    net.train_epochs(
        FitPlan(
            request=request,
            trainer=trainer,
            networks=networks,
            train=train,
            valid=valid,
            left_out=left_out,
            monitor=_monitor(request),
            progress=progress,
        )
    )
    return Fitted(net, networks, progress.best_epoch)


def _start(request: FitRequest, earlier: Fitted | None) -> tuple[list[Network], EpochNet]:
    """Return new networks and a net, or copies of those to continue from."""
    networks = new_networks(request) if earlier is None else _continued(earlier.networks, request)
    net = new_net(networks, request)
    if earlier is not None:
        net.history.extend(list(earlier.net.history))
    return networks, net


def new_networks(
    request: FitRequest, statistics: dict[str, np.ndarray] | None = None
) -> list[Network]:
    """Return the networks that a fit starts with; the first one does not depend on the others.

    `statistics` are the request's, if they are known.
    """
    schemes = request.parameters["weight_init"]
    statistics = request.statistics() if statistics is None else statistics
    networks = []
    for i in range(request.ensemble_size):
        seed = (request.seed, i) if i else request.seed
        network = new_network(request.architecture, request.settings, schemes, seed)
        own = views(network.statistics, network.architecture.statistics)
        for name, values in statistics.items():
            own[name].copy_(torch.from_numpy(values))
        networks.append(network)
    return networks


def _continued(earlier: list[Network], request: FitRequest) -> list[Network]:
    """Return copies of trained networks that can be trained further under other settings."""
    sizes = len(earlier), request.ensemble_size
    if earlier[0].architecture != request.architecture or sizes[0] != sizes[1]:
        raise ValueError(
            "The previous fit had another structure, so this one cannot continue from it: keep the "
            "features, the classes, hidden_layers, hidden_units, activation, normalization, "
            "residual, ensemble_size, and the scaling and embedding of the inputs, or start anew "
            "with warm_start=False or a clone."
        )
    return [_with_settings_of(network, request) for network in earlier]


def _with_settings_of(earlier: Network, request: FitRequest) -> Network:
    """Return a copy of a trained network with the settings of another fit."""
    architecture, settings = request.architecture, request.settings
    network = copy.deepcopy(earlier)
    schemes = ("zero",) * len(architecture.weights)
    fresh = new_network(architecture, settings, schemes, request.seed)
    if network.settings.optimizer != settings.optimizer:
        network.moments, network.n_steps = fresh.moments, 0
    network.moments = network.moments or fresh.moments
    if any(settings.dropout) and not any(network.settings.dropout):
        network.streams = fresh.streams
    network.settings = settings
    return network


def rebuilt(
    request: FitRequest, networks: list[Network], history: list[dict[str, Any]], best_epoch: int
) -> Fitted:
    """Return the fit of networks that were trained before, and have no moments.

    `history` has a row per epoch.
    """
    net = new_net(networks, request)
    net.history.extend(history)
    net.take_module(networks)
    detach(net.module_, networks[0].n_steps)
    return Fitted(net, networks, best_epoch)


def fitted_as_it_is(net: EpochNet, networks: list[Network], best_epoch: int) -> Fitted:
    """Return a fit with the weights that its module has now, which may have been edited.

    What else the module may have been given (layers, hooks, other activations) would be lost in
    training, so that it is a ValueError.
    """
    members = members_of(net.module_)
    if len(members) != len(networks):
        raise ValueError(
            f"module_ cannot be trained on: it should have {len(networks)} members, but has "
            f"{len(members)}. Keep its structure as it was fitted, or start anew with a clone."
        )
    copies = [read(*each) for each in zip(members, networks, strict=True)]
    twin = build_ensemble([module for _, module in copies], net.objective_)
    rows = np.random.default_rng(0).standard_normal((4, networks[0].architecture.n_features))
    theirs, own = (forward_in_double(module, rows) for module in (net.module_, twin))
    if theirs.shape != own.shape or not torch.allclose(theirs, own, equal_nan=True):
        raise ValueError(
            "module_ cannot be trained on: it computes something other than a net of its weights. "
            "Give it the layers that it was fitted with (torch.nn.utils.prune.remove and "
            "parametrize.remove_parametrizations make weights plain), or start anew with a clone."
        )
    return Fitted(net, [network for network, _ in copies], best_epoch)
