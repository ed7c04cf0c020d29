"""The one table of hyperparameters and the estimator say the same."""

import inspect
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.preprocessing import scale

from sknethp import DeepNetClassifier
from sknethp.hyperparameters import TABLE, Options, Range
from sknethp.hyperparameters.constraints import PerLayer
from tests.helpers import BREAST_CANCER

SIGNATURE = inspect.signature(DeepNetClassifier).parameters


def test_signature_equals_table():
    assert list(SIGNATURE) == list(TABLE)
    assert {name: p.default for name, p in SIGNATURE.items()} == {
        name: entry.default for name, entry in TABLE.items()
    }


def test_all_parameters_are_keywords_alone():
    assert {p.kind for p in SIGNATURE.values()} == {inspect.Parameter.KEYWORD_ONLY}
    with pytest.raises(TypeError, match="positional"):
        DeepNetClassifier(2)


@pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE)
def test_docstring_lists_parameter(entry):
    doc = inspect.getdoc(DeepNetClassifier)
    section = doc[doc.index("Parameters\n---") : doc.index("Attributes\n---")]
    described = re.search(
        rf"^{entry.name} : (.*), default=(.*)\n((?:    \S.*\n?)+)", section, re.MULTILINE
    )
    assert described, section
    kind, default, meaning = described.groups()
    assert kind == entry.allowed.describe()
    assert default == repr(entry.default)
    assert " ".join(meaning.split()) == entry.meaning


@pytest.mark.parametrize("entry", TABLE.values(), ids=TABLE)
def test_default_is_allowed(entry):
    assert entry.allowed.allows(entry.default)
    assert entry.meaning.endswith(".")


@pytest.mark.parametrize(
    "entry", [entry for entry in TABLE.values() if entry.search], ids=lambda entry: entry.name
)
def test_places_to_search_are_allowed(entry):
    assert entry.source
    match entry.search:
        case Options(values):
            assert len(set(values)) == len(values) > 1
            assert all(entry.allowed.allows(value) for value in values)
            assert entry.default in values or entry.default == "auto"
        case Range(low, high, log, integer):
            assert low < high
            assert not log or low > 0
            kind = int if integer else float
            assert all(entry.allowed.allows(kind(end)) for end in (low, high))
            assert not integer or (low == int(low) and high == int(high))


@pytest.mark.parametrize(
    "entry", [entry for entry in TABLE.values() if entry.search], ids=lambda entry: entry.name
)
def test_what_is_searched_has_an_effect(entry):
    """Two values give two nets, where what the value needs is given."""
    X, y = scale(BREAST_CANCER[0][:150]), BREAST_CANCER[1][:150]
    match entry.search:
        case Options(values):
            pair = values[:2]
        case Range(low, high, integer=True):
            pair = int(low), int(high)
        case Range(low, high):
            pair = low, high
    settings = {"hidden_units": 8, "max_epochs": 8, "patience": 1, "lr_drop_epochs": 1}
    settings |= {"min_improvement": 10.0, "restore_best": False, "random_state": 0}
    settings |= {name: allowed[0] for name, allowed in entry.needs.items()}
    first, second = (DeepNetClassifier(**settings | {entry.name: v}).fit(X, y) for v in pair)
    assert not np.array_equal(first.predict_proba(X), second.predict_proba(X))


@pytest.mark.parametrize("name", [n for n, e in TABLE.items() if isinstance(e.allowed, PerLayer)])
def test_what_may_differ_by_layer(name):
    assert name in {"hidden_units", "activation", "dropout", "weight_init"}


def test_parameters_survive_clone_and_set_params():
    model = DeepNetClassifier(hidden_layers=3, hidden_units=(8, 4, 2))
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(lr=0.5).get_params()["lr"] == 0.5
