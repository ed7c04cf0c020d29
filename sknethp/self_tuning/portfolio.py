"""Hyperparameters that complement the defaults well, the best first.

Made by ``benchmarks/make_portfolio.py``.
"""

from __future__ import annotations

from typing import Any

PORTFOLIO: tuple[dict[str, Any], ...] = (
    {"embedding_size": 16, "lr": 0.00961, "beta2": 0.959},
    {"input_dropout": 0.0939},
    {"frequency_scale": 0.237},
    {"frequency_scale": 1.88, "embedding_bins": 16, "lr": 0.00194, "residual": True},
    {"optimizer": "adamw", "input_scaling": "standard", "l1": 9.05e-06, "embedding_size": 16},
    {
        "hidden_layers": 3,
        "lr_final": 0.00149,
        "gradient_clip": 0.198,
        "l1": 1.26e-05,
        "weight_decay": 0.000917,
        "dropout": 0.221,
    },
    {"frequency_scale": 0.409, "max_norm": 4.9, "momentum": 0.986},
    {"embedding": "periodic", "max_norm": 4.51},
)
