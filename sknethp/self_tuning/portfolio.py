"""Hyperparameters that complement the defaults well, the best first.

Made by ``benchmarks/make_portfolio.py``.
"""

from __future__ import annotations

from typing import Any

PORTFOLIO: tuple[dict[str, Any], ...] = (
    {"normalization": "batch", "hidden_units": 64, "batch_size": 128, "lr": 0.01, "dropout": 0.1},
    {"hidden_units": 128, "batch_size": 128, "lr": 0.007, "dropout": 0.1, "max_epochs": 120},
    {
        "hidden_units": 64,
        "embedding_size": 8,
        "optimizer": "adamw",
        "frequency_scale": 2.98,
        "activation": "selu",
        "lr_schedule": "linear",
    },
    {
        "normalization": "batch",
        "hidden_units": 128,
        "batch_size": 128,
        "lr": 0.007,
        "dropout": 0.1,
        "max_epochs": 120,
    },
    {"normalization": "batch", "activation": "relu", "max_epochs": 30},
    {"l1": 0.0, "dropout": 0.1, "lr": 0.005, "max_epochs": 120},
    {
        "embedding": "periodic",
        "frequency_scale": 1.0,
        "embedding_size": 8,
        "normalization": "batch",
        "batch_size": 128,
        "lr": 0.005,
    },
    {"l1": 0.0002, "label_smoothing": 0.0, "lr": 0.003},
)
