"""scikit-learn's own suite of checks for estimators."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknethp import DeepNetClassifier

_MINIBATCHES = (
    "minibatches: removing a sample, where the check compares it with weight zero, or repeating "
    "one, compared with weight two, changes which samples are in all later batches"
)
IMPOSSIBLE = {
    "check_sample_weight_equivalence_on_dense_data": _MINIBATCHES,
    "check_sample_weight_equivalence_on_sparse_data": _MINIBATCHES,
}
VARIANTS = [
    DeepNetClassifier(),
    DeepNetClassifier(early_stopping=True),
    DeepNetClassifier(
        hidden_layers=3, hidden_units=32, normalization="batch", residual=True, embedding="both"
    ),
]


@pytest.mark.slow
@parametrize_with_checks(VARIANTS, expected_failed_checks=lambda estimator: IMPOSSIBLE)
def test_sklearn_checks(estimator, check):
    check(estimator)
