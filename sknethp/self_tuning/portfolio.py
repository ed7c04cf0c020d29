"""Hyperparameters that complement the defaults well, best first.

Found by ``benchmarks/make_portfolio.py``.
"""

from __future__ import annotations

from typing import Any

PORTFOLIO: tuple[dict[str, Any], ...] = ()
