"""Deep nets in scikit-learn, with every hyperparameter an estimator parameter."""

from sknethp.classifier import DeepNetClassifier
from sknethp.fusion import fused
from sknethp.net import DivergenceError

__version__ = "0.1.0"
__all__ = ["DeepNetClassifier", "DivergenceError", "__version__", "fused"]
