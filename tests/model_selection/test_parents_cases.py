"""The parents' own test cases, with our searches in the parents' place."""

import importlib.util
import sys
from collections.abc import Callable, Collection
from functools import wraps
from unittest import mock

import pytest
import sklearn.model_selection
from joblib import parallel_config
from sklearn.experimental import enable_halving_search_cv  # noqa: F401

from sknethp import model_selection as ours

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
NAMES = ("GridSearchCV", "RandomizedSearchCV", "HalvingRandomSearchCV")
LEFT_OUT = {
    "test_custom_run_search": "wants every attribute to be in a class of scikit-learn's own, too, "
    "but that has no fused_summary_",
}
# They read the stack of calls, which starts anew in a task of any backend but this one.
NOT_FUSED = ("test_multi_metric_search_forwards_metadata",)


def cases(module: str) -> dict[str, Callable]:
    """Return the test cases of a module of scikit-learn's, made with our classes."""
    try:
        spec = importlib.util.find_spec(f"sklearn.model_selection.tests.{module}")
    except ModuleNotFoundError:  # some distributions leave the tests out
        spec = None
    if spec is None:
        return {}
    # Under a name of its own, so that its classes can be pickled.
    spec = importlib.util.spec_from_file_location(f"parents_{module}", spec.origin)
    sys.modules[spec.name] = made = importlib.util.module_from_spec(spec)
    replaced = {name: getattr(ours, name) for name in NAMES}
    with mock.patch.multiple(sklearn.model_selection, **replaced):
        spec.loader.exec_module(made)
    assert any(getattr(made, name, None) is replaced[name] for name in NAMES)
    return {
        name: not_fused(with_lists(case)) if name in NOT_FUSED else with_lists(case)
        for name, case in vars(made).items()
        if name.startswith("test_") and name not in LEFT_OUT
    }


def with_lists(case: Callable) -> Callable:
    """Put lists in the place of generators of parameters, which pytest no longer takes."""
    marks = getattr(case, "pytestmark", [])
    case.pytestmark = [
        pytest.mark.parametrize(mark.args[0], list(mark.args[1]), **mark.kwargs).mark
        if mark.name == "parametrize" and not isinstance(mark.args[1], Collection)
        else mark
        for mark in marks
    ]
    return case


def not_fused(case: Callable) -> Callable:
    """Run a case one fit after another."""

    @wraps(case)
    def run(*args, **kwargs):
        with parallel_config(backend="sequential"):
            case(*args, **kwargs)

    return run


FOUND = {name: cases(name) for name in ("test_search", "test_successive_halving")}
for found in FOUND.values():
    globals().update(found)


@pytest.mark.parametrize("module", FOUND)
def test_there_are_cases(module):
    if not FOUND[module]:
        pytest.skip("this distribution of scikit-learn is without its tests")
    assert len(FOUND[module]) > 10
