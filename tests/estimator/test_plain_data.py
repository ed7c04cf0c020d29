"""Plain arrays are checked in less time than scikit-learn takes, with the same outcome."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.utils.validation import validate_data

from sknethp import DeepNetClassifier
from sknethp.estimator import data_checks
from sknethp.estimator.data_checks import check_data
from sknethp.training.rows import Rows

X, y = load_iris(return_X_y=True)
PLAIN = {
    "float64": X,
    "float32": X.astype(np.float32),
    "Fortran order": np.asfortranarray(X),
    "every other row": X[::2],
    "read-only": np.lib.stride_tricks.as_strided(X, writeable=False),
}


@pytest.fixture
def seen(monkeypatch):
    """Record what is given to scikit-learn."""
    tables = []

    def spy(estimator, X, *args, **kwargs):
        tables.append(X)
        return validate_data(estimator, X, *args, **kwargs)

    monkeypatch.setattr(data_checks, "validate_data", spy)
    return tables


@pytest.mark.parametrize("name", PLAIN)
def test_same_outcome(seen, name):
    """Numbers, type and layout are those of scikit-learn, and so is what the estimator learns."""
    given, labels = PLAIN[name], y[: len(PLAIN[name])]
    ours, theirs = DeepNetClassifier(), DeepNetClassifier()
    found, found_labels = check_data(ours, given, labels)
    wanted, wanted_labels = validate_data(theirs, given, labels, dtype=np.float32, order="C")
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(found_labels, wanted_labels)
    assert (found.dtype, found.strides) == (wanted.dtype, wanted.strides)
    assert vars(ours) == vars(theirs)
    assert check_data(ours, given, reset=False).strides == found.strides
    assert not seen


@pytest.mark.parametrize("given", [*PLAIN.values(), pd.DataFrame(X)], ids=[*PLAIN, "frame"])
def test_copied_at_most_once(given):
    """What has been checked is trained on as it is, not copied into another order."""
    checked = check_data(DeepNetClassifier(), given, y[: len(given)])[0]
    if checked.flags.writeable:  # torch would warn
        assert np.shares_memory(Rows(checked).dense.numpy(), checked)


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (np.where(X > 6, np.nan, X), y),
        (np.where(X > 6, 1e39, X), y),
        (X[:0], y[:0]),
        (X[:, 0], y),
        (X, y[:-1]),
        (X, y[:, None] + np.zeros(2)),
        (X, np.where(y > 1, np.nan, y)),
    ],
)
def test_scikit_learn_rejects_the_rest(seen, given, labels):
    """What is wrong, or may be, is left to scikit-learn, whose message users know."""
    with pytest.raises(ValueError, match=r"."):
        check_data(DeepNetClassifier(), given, labels)
    assert len(seen) == 1


def test_features_are_compared(seen):
    """A net rejects another number of features, and warns where their names are missing."""
    model = DeepNetClassifier()
    check_data(model, X, y)
    with pytest.raises(ValueError, match="X has 3 features"):
        check_data(model, X[:, :3], reset=False)
    check_data(model, pd.DataFrame(X, columns=list("abcd")), y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        check_data(model, X, reset=False)
    check_data(model, X, y)
    assert not hasattr(model, "feature_names_in_")
    assert len(seen) == 4


def test_large_sums_are_no_infinities(seen):
    """Finite numbers whose sum is not are accepted by scikit-learn."""
    large = np.full((4, 2), 3e38)
    assert np.isfinite(check_data(DeepNetClassifier(), large, y[:4])[0]).all()
    assert len(seen) == 1
