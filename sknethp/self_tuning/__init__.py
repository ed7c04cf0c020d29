"""An estimator that tunes itself: candidates race, and the best of them predict together."""

from sknethp.self_tuning.estimator import DeepNetClassifierCV

__all__ = ["DeepNetClassifierCV"]
