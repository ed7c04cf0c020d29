"""Names that are not public in their packages, with the releases in which they exist."""

# scikit-learn 1.6 to 1.9. It documents how to derive searches, but exports no base for them.
from sklearn.model_selection._search import BaseSearchCV

# scikit-learn 1.6 to 1.9. The public way, enable_halving_search_cv, changes
# sklearn.model_selection for everybody.
from sklearn.model_selection._search_successive_halving import HalvingRandomSearchCV

# scikit-learn 1.6 to 1.9.
from sklearn.utils.validation import _num_samples

# scikit-learn 1.9, in whose earlier releases estimators have no callbacks.
try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Nothing."""

    def with_callbacks(method):
        """Return the method."""
        return method


# scikit-optimize 0.10.2.
from skopt.space.space import check_dimension
from skopt.utils import cook_estimator, eval_callbacks

__all__ = [
    "BaseSearchCV",
    "CallbackSupportMixin",
    "HalvingRandomSearchCV",
    "_num_samples",
    "check_dimension",
    "cook_estimator",
    "eval_callbacks",
    "with_callbacks",
]
