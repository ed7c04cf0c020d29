"""Hyperparameters that complement the defaults well, the best first.

Made by ``benchmarks/make_portfolio.py``.
"""

from __future__ import annotations

from typing import Any

PORTFOLIO: tuple[dict[str, Any], ...] = (
    {"hidden_units": 128, "batch_size": 128, "lr": 0.007, "dropout": 0.1, "max_epochs": 120},
    {
        "hidden_units": 64,
        "embedding_size": 8,
        "optimizer": "adamw",
        "frequency_scale": 2.98,
        "activation": "selu",
        "lr_schedule": "linear",
    },
    {"dropout": 0.1, "lr": 0.005, "frequency_scale": 0.5, "embedding_size": 16},
    {"hidden_layers": 3, "hidden_units": 128, "batch_size": 128, "lr": 0.005, "dropout": 0.15},
    {"embedding": "piecewise_linear", "embedding_bins": 32, "lr": 0.003, "dropout": 0.2},
    {
        "embedding": "piecewise_linear",
        "embedding_bins": 16,
        "batch_size": 128,
        "lr": 0.004,
        "max_epochs": 30,
        "label_smoothing": 0.0,
    },
    {"hidden_layers": 4, "residual": True, "dropout": 0.1, "lr": 0.003},
)
