"""Deep nets in scikit-learn, with every hyperparameter an estimator parameter."""

from sknethp.classifier import DeepNetClassifier
from sknethp.exceptions import DivergenceError
from sknethp.fusion import fused

__version__ = "0.1.0"
__all__ = ["DeepNetClassifier", "DivergenceError", "__version__", "fused"]
