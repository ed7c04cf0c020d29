"""From a fitted module to logits and probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from sknethp.training.module import members_of
from sknethp.training.objectives import Objective
from sknethp.training.threads import one_torch_thread

# At most this many numbers of the widest layer at a time.
_NUMBERS_AT_A_TIME = 2**18
_ROWS_AT_A_TIME = 16, 8192
# Products round the last few rows of a block, beyond a multiple, in another way.
_ALIGNED = 16
# Sparse rows with more features are multiplied without making them dense.
_WIDE = 1024


def forward_in_double(module: nn.Module, X: Any) -> Tensor:
    """Return the logits of samples in float64, ``(n_samples, n_outputs)``.

    In float32 the last digits of a sample's logits would depend on how many samples are predicted
    together. The module is only read: any number of threads may predict with it.
    """
    # Rounding depends on the number of torch's threads, which a forked child does not have.
    with one_torch_thread(), torch.inference_mode():
        return _forward(_in_double(module), X)


def _forward(twin: nn.Module, X: Any) -> Tensor:
    """Return the logits of samples, computed in blocks of rows."""
    members = members_of(twin)
    if len(members) > 1:
        average: Any = twin.get_submodule("average")
        return average(torch.stack([_forward(member, X) for member in members]))
    forward: Callable[[Any], Tensor] = lambda rows: twin(_dense(rows))  # noqa: E731
    buffers = dict(twin.named_buffers())
    stays_sparse = False
    is_wide = sparse.issparse(X) and X.shape[1] > _WIDE
    if is_wide and isinstance(twin, nn.Sequential) and "inputs.columns" not in buffers:
        forward, stays_sparse = _sparse_forward(twin), True
    # The units of each layer, or the cosines of all columns.
    sizes = (prod(p.shape[: max(1, p.ndim - 1)]) for p in twin.parameters())
    width = max(0 if stays_sparse else X.shape[1], *sizes)
    n_bins = buffers["inputs.start"].numel() if "inputs.start" in buffers else 0
    logits: Tensor | None = None
    for rows in _blocks(X.shape[0], _rows_at_a_time(width), _rows_at_a_time(max(width, n_bins))):
        own = forward(X[rows])
        if logits is None:  # filled in place: small results between large ones would waste memory
            logits = own.new_empty(X.shape[0], own.shape[1])
        logits[rows] = own
    assert logits is not None
    return logits


def _rows_at_a_time(width: int) -> int:
    return int(np.clip(_NUMBERS_AT_A_TIME // width, *_ROWS_AT_A_TIME))


def _blocks(n_rows: int, most: int, within: int) -> Iterator[slice]:
    """Yield blocks of at most so many rows, each in pieces of `within` of them, rounded alike."""
    for start in range(0, n_rows, most):
        stop = min(start + most, n_rows)
        step = most if within >= most else max(_ALIGNED, within // _ALIGNED * _ALIGNED)
        for first in range(start, stop, step):
            yield slice(first, min(first + step, stop))


def _in_double(module: nn.Module) -> nn.Module:
    """Return a module that computes the same in float64, in evaluation mode, hooks included."""
    if not (module._parameters or module._buffers or module._modules or module.training):
        return module
    twin = object.__new__(type(module))
    own = {
        "_parameters": {name: _double(value) for name, value in module._parameters.items()},
        "_buffers": {name: _double(value) for name, value in module._buffers.items()},
        "_modules": {
            name: part if part is None else _in_double(part)
            for name, part in module._modules.items()
        },
        "training": False,
    }
    twin.__dict__ = module.__dict__ | own
    return twin


def _double(value: Tensor | None) -> Tensor | None:
    if value is None or not value.is_floating_point():
        return value
    return value.detach().to("cpu", torch.float64)


def _dense(X: Any) -> Tensor:
    dense = X if isinstance(X, np.ndarray) else X.toarray()
    # In C order, since on some processors rounding of matrix products depends on the layout.
    return torch.from_numpy(dense.astype(np.float64, order="C"))


def _sparse_forward(twin: nn.Sequential) -> Callable[[Any], Tensor]:
    """Return the forward pass for sparse rows, whose first product is sparse."""
    layers: list[Any] = list(twin)
    at = next(i for i, layer in enumerate(layers) if isinstance(layer, nn.Linear))
    weight, bias = layers[at].weight.t().numpy(), layers[at].bias
    rest = nn.Sequential(*layers[at + 1 :])
    scaling: Any = dict(twin.named_children()).get("inputs")
    if scaling is not None:
        zeros = scaling(torch.zeros(1, len(weight), dtype=torch.float64, device="cpu"))[0]
        bias = bias + zeros @ layers[at].weight.t()

    def forward(rows: Any) -> Tensor:
        rows = rows.astype(np.float64)
        if scaling is not None:
            # What each stored value adds to a row of zeros.
            columns = torch.from_numpy(rows.indices).long()
            values = _of_columns(scaling, columns)(torch.from_numpy(rows.data).unsqueeze(0))[0]
            rows.data = (values - zeros[columns]).numpy()
        return rest(torch.from_numpy(rows @ weight) + bias)

    return forward


def _of_columns(scaling: Any, columns: Tensor) -> nn.Module:
    """Return a module that scales some columns, possibly several times the same."""
    part = object.__new__(type(scaling))
    buffers = {name: values[columns] for name, values in scaling._buffers.items()}
    part.__dict__ = scaling.__dict__ | {"_buffers": buffers}
    return part


def probabilities(objective: Objective, logits: Tensor) -> np.ndarray:
    """Return class probabilities ``(n_samples, n_classes)`` of logits ``(n_samples, n_outputs)``.

    They are in float64 and sum to one within its accuracy.
    """
    with one_torch_thread():
        return objective.probabilities(logits.double()).numpy()


def log_probabilities(objective: Objective, logits: Tensor) -> np.ndarray:
    """Return the logarithms of class probabilities."""
    with one_torch_thread():
        return objective.log_probabilities(logits.double()).numpy()
