"""Bayesian search: scikit-optimize's class, patched, and proposals of our own."""

from sknethp.model_selection.bayesian.search import BayesSearchCV

__all__ = ["BayesSearchCV"]
