"""Tables of numbers, text, categories, dates and gaps, made ready for any model in the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import FunctionTransformer

# A column with fewer gaps has values in every training fold, so that none is dropped.
_FEW_GAPS = 0.25
_FLOATS = {"dtype": "float32"}


def encoder(X: Any) -> Any:
    """Return a transformer of a table to numbers, in which gaps stay: skrub's TableVectorizer.

    Its date parts are periodic, as skrub has them before models that are not trees. Tables of
    numbers are only converted, since the vectorizer would do no more, slowly; that keeps the
    columns' names, too, by which the next step of a pipeline notices another order.
    """
    if not hasattr(X, "dtypes"):
        return FunctionTransformer(np.asarray, kw_args=_FLOATS)
    import pandas

    if _needs_only_conversion(X):
        return FunctionTransformer(pandas.DataFrame.astype, kw_args=_FLOATS)
    from skrub import DatetimeEncoder, TableVectorizer

    return TableVectorizer(datetime=DatetimeEncoder(periodic_encoding="spline"))


def imputer() -> SimpleImputer:
    """Return what fills gaps by means, and adds a column that says where they were."""
    return SimpleImputer(add_indicator=True)


def _needs_only_conversion(X: Any) -> bool:
    """Whether skrub's TableVectorizer, which is slow, would do no more than convert to float32.

    It also drops empty columns; of one with few gaps, every training fold has values.
    """
    are_numbers = all(isinstance(t, np.dtype) and t.kind in "iuf" for t in X.dtypes)
    are_names = all(isinstance(name, str) for name in X.columns)
    return are_numbers and are_names and bool(X.isna().mean().max() < _FEW_GAPS)
