"""From a fitted module to logits and probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from sknethp.training.threads import torch_threads_for

_ROWS_AT_A_TIME = 8192


def forward_in_double(module: nn.Module, X: Any) -> Tensor:
    """Return the logits of samples in float64.

    In float32 a sample's logits would depend, in the last digits, on how many others are
    predicted with it.

    Parameters
    ----------
    module : nn.Module
    X : ndarray or CSR matrix of shape (n_samples, n_features)

    Returns
    -------
    Tensor of shape (n_samples, n_outputs)
    """
    module.eval()
    state = {
        name: value.detach().double() if value.is_floating_point() else value
        for name, value in (*module.named_parameters(), *module.named_buffers())
    }
    n_rows = min(X.shape[0], _ROWS_AT_A_TIME)
    work = n_rows * max(value.numel() for value in state.values())
    with torch.inference_mode(), torch_threads_for(work):
        chunks = range(0, X.shape[0], _ROWS_AT_A_TIME)
        return torch.cat(
            [functional_call(module, state, (_double(X[i : i + _ROWS_AT_A_TIME]),)) for i in chunks]
        )


def _double(X: Any) -> Tensor:
    dense = X if isinstance(X, np.ndarray) else X.toarray()
    # In C order, since products of matrices round by layout on some processors.
    return torch.from_numpy(dense.astype(np.float64, order="C"))


def probabilities(logits: Tensor) -> np.ndarray:
    """Return class probabilities ``(n_samples, n_classes)`` of logits ``(n_samples, n_outputs)``.

    They are in float64 and sum to one within its accuracy.
    """
    logits = logits.double()
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], 1)
    return torch.softmax(logits, 1).numpy()
