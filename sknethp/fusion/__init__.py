"""Where tasks meet: the joblib backend and ``fused()``."""

from sknethp.fusion.backend import FusedBackend, register
from sknethp.fusion.context import fused
from sknethp.fusion.summary import Summary

register()
__all__ = ["FusedBackend", "Summary", "fused"]
