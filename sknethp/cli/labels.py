"""The column of labels: what can be classified, and in a sentence what cannot."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.utils.multiclass import type_of_target

from sknethp.cli.columns import check_complete, has_infinity
from sknethp.cli.errors import CommandError

# With more distinct numbers than this share of the rows, they are a quantity.
_MANY = 0.2


def checked_labels(column: pd.Series) -> np.ndarray:
    """Return labels (n_samples,): numbers as they are, all else as text."""
    name = str(column.name)
    check_complete(column, "label")
    numeric = pd.api.types.is_numeric_dtype(column.dtype)
    labels = column.to_numpy() if numeric else column.astype(str).to_numpy(dtype=object)
    if (numeric and has_infinity(column)) or type_of_target(labels) == "continuous":
        raise CommandError(
            f"column {name!r} holds fractional or infinite numbers, not classes; "
            "name a label column with --target"
        )
    _check_counts(labels, name, numeric=numeric and column.dtype.kind != "b")
    return labels


def _check_counts(labels: np.ndarray, name: str, *, numeric: bool) -> None:
    n_rows, (classes, counts) = len(labels), np.unique(labels, return_counts=True)
    if len(classes) < 2:
        raise CommandError(f"all {n_rows} rows have the same label in {name!r}; two are needed")
    if len(classes) == n_rows:
        raise CommandError(
            f"all {n_rows} labels in {name!r} are different, so that it names the rows and not "
            "classes; name a label column with --target"
        )
    if numeric and len(classes) > _MANY * n_rows:
        raise CommandError(
            f"column {name!r} has {len(classes)} different numbers in {n_rows} rows, which makes "
            "it a quantity and not classes; name a label column with --target, or divide it "
            "into classes"
        )
    if counts.min() == 1:
        rare = str(classes[counts.argmin()])
        raise CommandError(
            f"class {rare!r} in {name!r} has 1 of {n_rows} rows, but a class needs rows to learn "
            "from and others to test on; remove it or collect more"
        )
