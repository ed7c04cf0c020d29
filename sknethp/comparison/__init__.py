"""Classifiers compared on identical folds, in the same time."""

from sknethp.comparison.models import MODELS
from sknethp.comparison.result import Comparison
from sknethp.comparison.run import compare

__all__ = ["MODELS", "Comparison", "compare"]
