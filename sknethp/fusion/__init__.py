"""The joblib backend and ``fused()``."""

from sknethp.fusion.backend import FusedBackend
from sknethp.fusion.context import fused
from sknethp.fusion.summary import Summary

__all__ = ["FusedBackend", "Summary", "fused"]
