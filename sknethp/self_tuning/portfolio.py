"""Hyperparameters that complement the defaults well, the best first.

Made by ``benchmarks/make_portfolio.py``.
"""

from __future__ import annotations

from typing import Any

PORTFOLIO: tuple[dict[str, Any], ...] = (
    {"dropout": 0.1, "lr": 0.005, "max_epochs": 120},
    {"dropout": 0.1},
    {"dropout": 0.1, "lr": 0.005, "frequency_scale": 0.5, "embedding_size": 16},
    {"dropout": 0.15, "lr": 0.005, "beta2": 0.95},
    {"dropout": 0.0, "lr": 0.003},
    {"hidden_layers": 4, "residual": True, "dropout": 0.1, "lr": 0.003},
    {"hidden_units": 512, "dropout": 0.4},
    {"embedding": "piecewise_linear", "embedding_bins": 32, "lr": 0.003, "dropout": 0.2},
)
