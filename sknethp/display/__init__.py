"""Plots of trainings and searches, in the style of scikit-learn's displays."""

from sknethp.display.candidates import Candidates
from sknethp.display.comparison import ComparisonDisplay
from sknethp.display.growth import LayerGrowthDisplay
from sknethp.display.importance import Importance, hyperparameter_importance
from sknethp.display.importance_bars import ImportanceDisplay
from sknethp.display.search import SearchDisplay
from sknethp.display.training import TrainingDisplay

__all__ = [
    "Candidates",
    "ComparisonDisplay",
    "Importance",
    "ImportanceDisplay",
    "LayerGrowthDisplay",
    "SearchDisplay",
    "TrainingDisplay",
    "hyperparameter_importance",
]
