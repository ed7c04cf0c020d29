"""The arguments of ``fused()``."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score

from sknethp import DeepNetClassifier, fused
from sknethp.fusion.arguments import n_bytes

WRONG = [
    *(("n_jobs", value) for value in (0, 1.5, "two", True)),
    *(("backend", value) for value in (5, "", "sknethp", object)),
    *(("max_memory", value) for value in (-1, 0, True, np.nan, "", "2", "much", "-1GB", "infG")),
    *(("progress", value) for value in ("x", 2, [])),
    ("silent", "yes"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_an_argument_that_is_not_valid_is_named_at_once(name, value):
    """Before the block is entered, and with what is allowed."""
    with pytest.raises(ValueError, match=rf"{name}=.* is not valid: {name} must be [\w']"):
        fused(**{name: value})


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, None), (10_000, 10_000), (2e9, 2 * 10**9), (np.int64(5), 5)]
    + [(text, 3 * 2**30 // 2) for text in ("1.5G", "1.5GB", "1.5 GiB", "1536mb", "1572864 K")],
)
def test_sizes_are_read_as_joblib_reads_them(given, expected):
    """Units are powers of 1024; a B, or iB, may follow."""
    assert n_bytes(given) == expected


def test_a_small_memory_given_as_text_bounds_the_waiting_fits():
    """The same scores, in smaller populations."""
    model = DeepNetClassifier(max_epochs=2, hidden_units=8, random_state=0)
    largest, scores = [], []
    for memory in ("1KB", "2GB"):
        with fused(max_memory=memory, silent=True) as summary:
            scores.append(cross_val_score(model, *load_iris(return_X_y=True), cv=4))
        largest.append(summary.largest)
    np.testing.assert_array_equal(*scores)
    assert largest[0] < largest[1] == 4
