"""scikit-learn's own suite of checks for estimators."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sknethp import DeepNetClassifier, DeepNetClassifierCV

_FOLDS = (
    "folds and minibatches: removing a sample, where the check compares it with weight zero, or "
    "repeating one, compared with weight two, changes which samples are in all others"
)
IMPOSSIBLE = {
    "check_sample_weight_equivalence_on_dense_data": _FOLDS,
    "check_sample_weight_equivalence_on_sparse_data": _FOLDS,
}
NET = DeepNetClassifier(hidden_units=32, max_epochs=10, lr=0.03)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Class .* has .* sample:UserWarning")
@parametrize_with_checks(
    [DeepNetClassifierCV(NET, n_candidates=2, cv=3, random_state=0)],
    expected_failed_checks=lambda estimator: IMPOSSIBLE,
)
def test_sklearn_checks(estimator, check):
    check(estimator)
