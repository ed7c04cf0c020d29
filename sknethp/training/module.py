"""The plain ``torch.nn`` module that computes the same as a network."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from copy import copy, deepcopy
from dataclasses import replace
from functools import cache
from operator import attrgetter
from typing import Any

import torch
from torch import fx, nn

from sknethp.training.activations import ACTIVATIONS, formula
from sknethp.training.architecture import Architecture
from sknethp.training.inputs import SOFT_LIMIT, Inputs
from sknethp.training.layers import NORMALIZATION_EPS
from sknethp.training.network import Network
from sknethp.training.objectives import Objective
from sknethp.training.slots import views

_Parts = list[tuple[str, nn.Module]]


def _linear(fan_in: int, fan_out: int) -> nn.Linear:
    """Make a layer whose parameters are set by `attach`.

    (The class's own constructor would initialise them, which takes longer than everything else that
    is done for a small network between epochs.)
    """
    linear = nn.Linear.__new__(nn.Linear)
    nn.Module.__init__(linear)
    linear.in_features, linear.out_features = fan_in, fan_out
    for name in ("weight", "bias"):
        linear.register_parameter(name, None)
    return linear


def _normalization(kind: str, units: int) -> nn.Module:
    if kind == "layer":
        return nn.LayerNorm(units, NORMALIZATION_EPS, device="meta")
    return nn.BatchNorm1d(units, NORMALIZATION_EPS, device="meta")


def _inputs(inputs: Inputs) -> nn.Module:
    """Make the module of what happens to the inputs before the first layer."""
    module = _twin(_template(inputs.scaling, inputs.is_trained, inputs.is_encoded))
    if inputs.n_added:
        module.columns = torch.tensor(inputs.columns, device="cpu")
    return module


@cache
def _template(scaling: str | None, is_trained: bool, is_encoded: bool) -> fx.GraphModule:
    """Make such a module for a single column; cached, as torch takes milliseconds for its code."""
    inputs = Inputs(scaling, (0,), is_trained, is_trained, n_bins=is_encoded)
    root, graph = nn.Module(), fx.Graph()
    for slot in inputs.statistics(1):
        root.register_buffer(slot.own_name, torch.empty(0, device="cpu"))
    for slot in inputs.parameters:
        root.register_parameter(slot.own_name, None)
    tracer = fx.proxy.GraphAppendingTracer(graph)

    def own(name: str) -> Any:
        return fx.Proxy(graph.get_attr(name), tracer)

    x: Any = fx.Proxy(graph.placeholder("input"), tracer)
    if inputs.scaling:
        x = (x - own("center")) * own("scale")
    if inputs.scaling == "robust":
        x = x / torch.sqrt(1 + (x / SOFT_LIMIT) ** 2)
    if inputs.n_added:
        root.register_buffer("columns", torch.empty(0, device="cpu"))
        columns = torch.index_select(x, 1, own("columns")).unsqueeze(-1)
        parts: list[Any] = []
        if inputs.is_trained:
            cosines = torch.cos(columns * own("frequency") + own("phase"))
            parts.append(torch.einsum("bcf,cfs->bcs", cosines, own("weight")) + own("bias"))
        if inputs.is_encoded:
            parts.append(torch.clamp((columns - own("start")) * own("slope"), 0, 1))
        added: Any = torch.cat(parts, 2)
        x = torch.cat([x, added.flatten(1)], 1)
    graph.output(x.node)
    module = fx.GraphModule(root, graph)
    for slot in inputs.parameters:  # that are None, which torch copies as other attributes
        delattr(module, slot.own_name)
        module.register_parameter(slot.own_name, None)
    return module


def _own_graph(module: Any) -> fx.Graph:
    """Return a twin's graph, which may be edited: from now on it is not that of the template."""
    if module._graph.owning_module is not module:
        module._graph = deepcopy(module._graph)
        module._graph.owning_module = module
    return module._graph


def _twin(template: fx.GraphModule) -> nn.Module:
    """Return a module with the template's code, and with parameters of its own.

    Torch gives each graph module a class to itself, whose code follows its graph.
    """
    twin = fx.GraphModule.__new__(fx.GraphModule)
    kind: Any = type(twin)
    kind.__name__, kind.forward = type(template).__name__, type(template).forward
    kind.graph = fx.GraphModule.graph.getter(_own_graph)  # type: ignore[attr-defined]
    twin.__dict__ = {
        name: value if name == "_graph" else copy(value) for name, value in vars(template).items()
    }
    return twin


def _hidden_layer(architecture: Architecture, layer: int, dropout: float) -> _Parts:
    fan_in, fan_out = architecture.weight_shapes[layer]
    parts: _Parts = [(architecture.layer_names[layer], _linear(fan_in, fan_out))]
    if architecture.normalization:
        parts.append((f"norm_{layer}", _normalization(architecture.normalization, fan_out)))
    activation = ACTIVATIONS[architecture.activations[layer]]
    if activation.name != "linear":  # would have the name of the layer
        parts.append((f"{activation.name}_{layer}", activation.module()))
    if dropout:
        parts.append((f"dropout_{layer}", nn.Dropout(dropout)))
    return parts


def build_module(architecture: Architecture, dropout: tuple[float, ...]) -> nn.Module:
    """Build a module that returns the logits and needs only torch to run.

    `dropout` has the rate of the inputs and of each hidden layer. The parameters have no values
    until `attach`.
    """
    inputs = architecture.inputs
    first: _Parts = [("inputs", _inputs(inputs))] if inputs.scaling or inputs.n_added else []
    first += [("dropout_input", nn.Dropout(dropout[0]))] if dropout[0] else []
    hidden = [
        _hidden_layer(architecture, layer, dropout[layer + 1])
        for layer in range(len(architecture.hidden_units))
    ]
    last: _Parts = [(architecture.layer_names[-1], _linear(*architecture.weight_shapes[-1]))]
    if not any(architecture.skips):
        named = [part for parts in (first, *hidden, last) for part in parts]
        module: nn.Module = nn.Sequential()
        for name, part in named:
            module.add_module(name, part)
        return module
    return _with_skips(architecture, first, hidden, last)


def _with_skips(
    architecture: Architecture,
    first: _Parts,
    hidden: list[_Parts],
    last: _Parts,
) -> nn.Module:
    """Join layers by residual connections; a graph module needs no class of this package."""
    root = nn.Module()
    for name, part in (part for parts in (first, *hidden, last) for part in parts):
        root.add_module(name, part)
    graph = fx.Graph()
    node = graph.placeholder("input")

    def through(node: fx.Node, parts: _Parts) -> fx.Node:
        for name, _ in parts:
            node = graph.call_module(name, (node,))
        return node

    node = through(node, first)
    for parts, skip in zip(hidden, architecture.skips, strict=True):
        output = through(node, parts)
        node = graph.call_function(operator.add, (node, output)) if skip else output
    graph.output(through(node, last))
    return fx.GraphModule(root, graph)


def build_ensemble(members: Sequence[nn.Module], objective: Objective) -> nn.Module:
    """Build a module that returns the logits of the members' mean probabilities."""
    if len(members) == 1:
        return members[0]
    root, graph = nn.Module(), fx.Graph()
    node = graph.placeholder("input")
    outputs = []
    for i, member in enumerate(members):
        root.add_module(f"member_{i}", member)
        outputs.append(graph.call_module(f"member_{i}", (node,)))
    root.add_module("average", formula(objective.average))
    stacked = graph.call_function(torch.stack, (outputs,))
    graph.output(graph.call_module("average", (stacked,)))
    return fx.GraphModule(root, graph)


def members_of(module: nn.Module) -> list[nn.Module]:
    """Return the members of an ensemble, or else the module itself."""
    members = [part for name, part in module.named_children() if name.startswith("member_")]
    return members or [module]


def attach(module: nn.Module, network: Network) -> None:
    """Make the module's parameters views of the network's, so that it follows the training.

    Its weights are ``(fan_out, fan_in)``.
    """
    architecture = network.architecture
    parameters = views(network.parameters, architecture.parameters)
    for slot, value in zip(architecture.parameters, parameters.values(), strict=True):
        part = module.get_submodule(slot.module)
        part._parameters[slot.own_name] = nn.Parameter(slot.for_module(value))
    statistics = views(network.statistics, architecture.statistics)
    for slot, value in zip(architecture.statistics, statistics.values(), strict=True):
        part = module.get_submodule(slot.module)
        part._buffers[slot.own_name] = value
        if isinstance(part, nn.BatchNorm1d):
            part.num_batches_tracked = torch.tensor(network.n_steps, device="cpu")


def detach(module: nn.Module, n_steps: int) -> None:
    """End the training: give the module parameters of its own, and put it in evaluation mode.

    Batch normalisation counts the steps, too, as it does in torch.
    """
    module.eval()
    with torch.no_grad():
        for part in module.modules():
            for name, parameter in part._parameters.items():
                if parameter is not None:
                    own = parameter.clone(memory_format=torch.contiguous_format)
                    part._parameters[name] = nn.Parameter(own)
            for name, buffer in part._buffers.items():
                part._buffers[name] = None if buffer is None else buffer.clone()
            if isinstance(part, nn.BatchNorm1d):
                part.num_batches_tracked = torch.tensor(n_steps, device="cpu")


def read(module: nn.Module, network: Network) -> tuple[Network, nn.Module]:
    """Return a copy of a network with the current parameters of a module, and its plain module.

    They may have been loaded, edited, pruned or moved since the module was built; a module of
    another structure raises a ValueError.
    """
    architecture = network.architecture
    twin = replace(
        network,
        parameters=torch.empty(architecture.n_parameters, dtype=torch.float32, device="cpu"),
        statistics=torch.empty(architecture.n_statistics, dtype=torch.float32, device="cpu"),
    )
    plain = build_module(architecture, (0.0,) * (1 + len(architecture.hidden_units)))
    attach(plain, twin)
    with torch.no_grad():
        for name, own in (*plain.named_parameters(), *plain.named_buffers()):
            try:
                theirs = attrgetter(name)(module)
            except AttributeError:
                theirs = None
            if theirs is None or theirs.shape != own.shape:
                found = "none" if theirs is None else f"one of shape {tuple(theirs.shape)}"
                raise ValueError(
                    f"module_ cannot be trained on: it should have a {name} of shape "
                    f"{tuple(own.shape)}, but has {found}. Keep its structure as it was fitted, or "
                    "start anew with a clone."
                )
            own.copy_(theirs)
    return twin, plain
