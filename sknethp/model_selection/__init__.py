"""Searches whose fits train together, with default spaces, progress and memory."""

from sknethp.model_selection.bayesian import BayesSearchCV
from sknethp.model_selection.growth import LayerGrowthSearchCV
from sknethp.model_selection.manual import ManualSearchCV
from sknethp.model_selection.searches import (
    GridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
)
from sknethp.model_selection.spaces import search_space

__all__ = [
    "BayesSearchCV",
    "GridSearchCV",
    "HalvingRandomSearchCV",
    "LayerGrowthSearchCV",
    "ManualSearchCV",
    "RandomizedSearchCV",
    "search_space",
]
