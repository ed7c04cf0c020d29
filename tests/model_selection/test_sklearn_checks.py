"""scikit-learn's own suite of checks for estimators, on our searches."""

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknethp import DeepNetClassifier, model_selection
from sknethp.model_selection import BayesSearchCV, GridSearchCV, HalvingRandomSearchCV
from tests.helpers import SEARCHES as KINDS
from tests.helpers import searching

_WEIGHTS = (
    "folds, and with a net minibatches: removing a sample, where the check compares it with "
    "weight zero, changes which samples are in all others; scikit-learn's own searches fail, too"
)
IMPOSSIBLE = {
    "check_sample_weight_equivalence_on_dense_data": _WEIGHTS,
    "check_sample_weight_equivalence_on_sparse_data": _WEIGHTS,
}
IMPOSSIBLE_HALVING = {
    **IMPOSSIBLE,
    "check_fit2d_1sample": "halving asks for more samples than one before it looks at them, as "
    "scikit-learn's own does",
}
NET = DeepNetClassifier(hidden_units=32, max_epochs=10, lr=0.03, random_state=0)
SEARCHES = [
    *(searching(name, NET, cv=2, error_score="raise") for name in KINDS),
    BayesSearchCV(LogisticRegression(), {"C": (0.1, 1.0)}, n_iter=2, cv=3, random_state=0),
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=3, error_score="raise"),
]


def expected_failures(search):
    return IMPOSSIBLE_HALVING if isinstance(search, HalvingRandomSearchCV) else IMPOSSIBLE


def test_every_search_is_checked():
    names = {name for name in model_selection.__all__ if name[0].isupper()}
    assert {type(search).__name__ for search in SEARCHES} == names


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # of numpy
@parametrize_with_checks(SEARCHES, expected_failed_checks=expected_failures)
def test_sklearn_checks(estimator, check):
    check(estimator)
