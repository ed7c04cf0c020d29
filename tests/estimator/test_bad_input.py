"""What is wrong is said in plain words, before any training."""

import datetime
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.datasets import load_iris, load_wine
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import scale
from skorch.callbacks import Freezer, Initializer, InputShapeSetter, LRScheduler

from sknethp import DeepNetClassifier, DivergenceError, classifier
from sknethp import model_selection as ours
from sknethp.estimator import memory
from sknethp.hyperparameters import TABLE
from sknethp.hyperparameters.constraints import AnyOf, Choice, Flag, Number, PerLayer, Predicate

X, y = load_wine(return_X_y=True)
X = scale(X)
NAMES = np.array(["barolo", "grignolino", "barbera"])


@pytest.fixture
def no_training(monkeypatch):
    """Make a fit that gets as far as training fail in another way."""

    def train(*args, **kwargs):
        raise AssertionError("training has begun")

    monkeypatch.setattr(memory, "fit_network", train)
    monkeypatch.setattr(classifier, "fit_network", train)


def message(error):
    """Return a message that a person can read: one line, no array or object in it."""
    text = str(error.value)
    assert "\n" not in text
    assert not re.search(r"array\(|np\.|<.* at 0x", text), text
    assert text.endswith((".", "?")), text
    assert text[0] != " "
    return text


def wrong_values(constraint):
    """Return values that a constraint does not allow."""
    match constraint:
        case Number(low, high, integer):
            edges = [low] if constraint.low_open else [low - 1]
            edges += [high] if constraint.high_open else [high + 1]
            wrong = [edge for edge in edges if np.isfinite(edge)]
            return [*wrong, *([1.5] if integer else []), float("nan"), float("inf"), "1", True]
        case Choice():
            return ["no such name", 3]
        case Flag():
            return ["yes", 2, None]
        case PerLayer(each):
            return [*wrong_values(each), (), *[(value, value) for value in wrong_values(each)]]
        case AnyOf(parts):
            both = [value for part in parts for value in wrong_values(part)]
            return [value for value in both if not constraint.allows(value)]
        case Predicate():
            return [3.5]
    return []


WRONG = [
    (name, value)
    for name, entry in TABLE.items()
    for value in (*wrong_values(entry.allowed), [[1]], {"a"})
]


def test_every_parameter_has_wrong_values():
    assert {name for name, _ in WRONG} == set(TABLE)
    assert len(WRONG) > 3 * len(TABLE)


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: str(value))
@pytest.mark.usefixtures("no_training")
def test_wrong_values(name, value):
    model = DeepNetClassifier(**{name: value})
    for train in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=rf"^{name}=") as error:
            train(X, y)
        text = message(error)
        assert repr(value) in text
        assert TABLE[name].allowed.describe() in text


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("activation", "rleu", "relu"),
        ("activation", "LeakyReLU", "leaky_relu"),
        ("activation", ("relu", "tahn"), "tanh"),
        ("optimizer", "Adam", "adam"),
        ("optimizer", "SGD", "sgd"),
        ("lr_schedule", "cosin", "cosine"),
        ("weight_init", "he-normal", "he_normal"),
        ("normalization", "bacth", "batch"),
        ("class_weight", "Balanced", "balanced"),
        ("monitor", "valid_los", "valid_loss"),
        ("monitor", "roc-auc", "roc_auc"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_misspelt_names(name, value, nearest):
    with pytest.raises(ValueError, match=f"^{name}=") as error:
        DeepNetClassifier(**{name: value}).fit(X, y)
    assert message(error).endswith(f"Did you mean '{nearest}'?")


@pytest.mark.usefixtures("no_training")
def test_a_name_that_is_like_none_gets_no_hint():
    with pytest.raises(ValueError, match=r"^optimizer=") as error:
        DeepNetClassifier(optimizer="quasi-newton").fit(X, y)
    assert "Did you mean" not in message(error)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"nesterov": True}, "nesterov=True works only with optimizer='sgd', but .*'adam'"),
        ({"nesterov": True, "optimizer": "sgd", "momentum": 0}, "nesterov=True needs momentum"),
        ({"residual": True, "hidden_units": (8, 4)}, r"hidden_units=\(8, 4\) has no two equal"),
        ({"residual": True, "hidden_units": [8, 4, 8], "hidden_layers": 3}, "no two equal"),
        ({"hidden_units": (8, 4, 2)}, r"hidden_units=.* has length 3, but hidden_layers=2"),
        ({"dropout": [0.1]}, r"dropout=\[0.1\] has length 1, but hidden_layers=2"),
        ({"weight_init": ("zero",) * 4}, "weight_init=.* 2 or 3 values"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_contradictions(settings, words):
    with pytest.raises(ValueError, match=words) as error:
        DeepNetClassifier(**settings).fit(X, y)
    message(error)


@pytest.mark.parametrize(
    "callback",
    [
        LRScheduler(),
        LRScheduler,
        ("named", Freezer("linear_0.*")),
        Initializer("*", fn=print),
        InputShapeSetter(),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_callbacks_without_effect(callback):
    with pytest.raises(ValueError, match=r"callbacks has \w+, which has no effect") as error:
        DeepNetClassifier(callbacks=[callback]).fit(X, y)
    message(error)


def with_cell(value, X=X):
    changed = np.array(X, dtype=object if isinstance(value, str) else float)
    changed[3, 2] = value
    return changed


def with_column(values):
    return pd.DataFrame({"number": X[:, 0], "other": np.resize(values, len(X))})


BAD_X = {
    "nan": (with_cell(np.nan), "X contains NaN in column 2, .* impute"),
    "nan in csr": (sparse.csr_matrix(with_cell(np.nan)), "X contains NaN"),
    "missing in frame": (pd.DataFrame(X).mask(X > 2), "X contains NaN"),
    "infinity": (with_cell(np.inf), "X contains infinity"),
    "a whole number beyond floats": (
        with_column([10**400] + [1] * (len(X) - 1)),
        "X contains infinity, or .* column 'other'",
    ),
    "beyond float32": (X * 1e300, "X contains infinity, or .* float32"),
    "text": (with_cell("red"), "X contains text in column 2, such as 'red', .*OneHotEncoder"),
    "text in frame": (
        with_column(["red", "blue"]),
        "X contains text in column 'other', such as 'red'",
    ),
    "categories": (
        with_column(["a", "b"]).astype({"other": "category"}),
        "X contains text in column 'other', such as 'a'",
    ),
    "NA": (with_column([1.0, None]).convert_dtypes(), "X contains pandas.NA in column 'other'"),
    "None": ([[*row[:5], None] for row in X], "X contains NaN in column 5"),
    "null of polars": (pl.DataFrame({"a": [None, *X[1:, 0]]}), "X contains NaN in column 'a'"),
    "text of polars": (pl.DataFrame({"a": NAMES[y].tolist()}), "X contains text in column 'a'"),
    "nothing at all": (with_column(np.nan), "X contains NaN in column 'other'"),
    "date objects": (with_column([datetime.date(2020, 1, 1)]), "X contains dates in column 'oth"),
    "intervals": (with_column(pd.cut(X[:, 0], 3)), "X contains intervals in column 'other'"),
    "lists": (with_column(pd.Series([[1, 2]] * len(X))), "cells of type list in column 'other'"),
    "dates": (with_column(pd.to_datetime(["2020-01-01"]).to_numpy()), "X contains dates"),
}


@pytest.mark.parametrize(("bad", "words"), BAD_X.values(), ids=BAD_X)
@pytest.mark.usefixtures("no_training")
def test_cells_that_are_no_numbers(bad, words):
    for train in (DeepNetClassifier().fit, DeepNetClassifier().partial_fit):
        with pytest.raises(ValueError, match=words) as error:
            train(bad, y)
        message(error)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(len(y), int), "y has only one class, 0:"),
        (np.full(len(y), "a"), "y has only one class, 'a':"),
        (y[:-1], f"X has {len(y)} samples, but y has {len(y) - 1}: give one label"),
        (X[:, 0], "Unknown label type: continuous"),
        (np.where(y == 0, np.nan, y), "y contains missing labels"),
    ],
)
def test_labels(labels, words):
    with pytest.raises(ValueError, match=words) as error:
        DeepNetClassifier().fit(X, labels)
    message(error)


@pytest.mark.parametrize("labels", [np.arange(3), NAMES], ids=["int", "str"])
def test_class_too_small_for_validation(labels):
    few = np.r_[np.flatnonzero(y != 2), np.flatnonzero(y == 2)[:1]]
    with pytest.raises(ValueError, match=f"Class {labels.tolist()[2]!r} has 1 sample") as error:
        DeepNetClassifier(early_stopping=True).fit(X[few], labels[y][few])
    assert "early_stopping=False" in message(error)
    model = DeepNetClassifier(early_stopping=True, max_epochs=1)
    model.fit(X[few], labels[y][few], X_val=X, y_val=labels[y])


@pytest.mark.parametrize("fraction", [0.984, 0.999])
@pytest.mark.usefixtures("no_training")
def test_validation_that_leaves_nothing_to_train_on(fraction):
    with pytest.raises(
        ValueError, match=rf"^validation_fraction={fraction} .* leaves \d+"
    ) as error:
        DeepNetClassifier(early_stopping=True, validation_fraction=fraction).fit(X, y)
    message(error)


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("hidden_layer_sizes", "hidden_units"),
        ("learning_rate", "lr"),
        ("learning_rate_init", "lr"),
        ("max_iter", "max_epochs"),
        ("epochs", "max_epochs"),
        ("droput", "dropout"),
    ],
)
def test_names_of_other_libraries(name, here):
    with pytest.raises(TypeError, match=f"has no parameter '{name}': did you mean '{here}'"):
        DeepNetClassifier(**{name: 1})
    net = DeepNetClassifier()
    with pytest.raises(ValueError, match=f"has no parameter '{name}': did you mean '{here}'"):
        net.set_params(**{name: 1})
    with pytest.raises(ValueError, match=f"has no parameter '{name}': did you mean '{here}'"):
        make_pipeline(net).set_params(**{f"deepnetclassifier__{name}": 1})
    for model, prefix in ((net, ""), (make_pipeline(net), "deepnetclassifier__")):
        search = ours.GridSearchCV(model, {prefix + name: [1]})
        with pytest.raises(ValueError, match=f"names '{prefix}{name}'.* mean '{prefix}{here}'"):
            search.fit(X, y)


@pytest.mark.parametrize("estimator", [None, DeepNetClassifier(max_epochs=1)])
@pytest.mark.parametrize("search", [ours.RandomizedSearchCV, ours.BayesSearchCV])
def test_searches_on_such_a_table_say_it_in_a_line(search, estimator):
    table = with_column(["red", "blue"])
    with pytest.raises(ValueError, match="'red'") as error:
        search(estimator, n_iter=2, cv=3).fit(table, y)
    assert "\n" not in str(error.value)


def test_a_name_like_none_lists_all():
    with pytest.raises(ValueError, match=r"has no parameter 'zzz': it has activation, .*\.$"):
        DeepNetClassifier().set_params(zzz=1)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "score"])
def test_predict_another_table(method):
    model = DeepNetClassifier(max_epochs=1).fit(X, y)
    rest = (y,) if method == "score" else ()
    with pytest.raises(
        ValueError, match=r"X has 3 features, but DeepNet.* is expecting 13"
    ) as error:
        getattr(model, method)(X[:, :3], *rest)
    message(error)
    with pytest.raises(ValueError, match="X contains NaN"):
        getattr(model, method)(with_cell(np.nan), *rest)


@pytest.mark.parametrize("device", ["gpu", "Cuda", "cuda:99", "cpu:1", "cuda:-1", "tpu", ""])
def test_unknown_device(device):
    with pytest.raises(ValueError, match=f"device={device!r} is not available: .*'cpu'") as error:
        DeepNetClassifier(device=device).fit(X, y)
    message(error)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("validation", "words"),
    [
        ({"X_val": X}, "X_val and y_val go together"),
        ({"y_val": y}, "X_val and y_val go together"),
        ({"X_val": X, "y_val": y + 2}, "y_val has labels .* 0, 1, 2: 3, 4"),
        ({"X_val": X, "y_val": NAMES[y]}, "y_val has labels .* 0, 1, 2: 'barbera'"),
        ({"X_val": X, "y_val": y.astype(str)}, "y_val has labels"),
        ({"X_val": X, "y_val": y.astype(str).astype(object)}, "y_val has labels"),
        ({"X_val": X[:, :2], "y_val": y}, "X_val has 2 features, but .* 13"),
        ({"X_val": X[:5], "y_val": y}, "X_val has 5 samples, but y_val has 178"),
        ({"X_val": with_cell(np.nan), "y_val": y}, "X_val contains NaN"),
    ],
)
def test_validation_part(validation, words):
    with pytest.raises(ValueError, match=words) as error:
        DeepNetClassifier().fit(X, y, **validation)
    message(error)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (-np.ones(len(y)), "Negative values"),
        (np.zeros(len(y)), "at least one non-zero"),
        (np.full(len(y), np.nan), "sample_weight contains NaN"),
        (np.ones(5), r"sample_weight.shape == \(5,\)"),
    ],
)
@pytest.mark.usefixtures("no_training")
def test_sample_weight(weight, words):
    with pytest.raises(ValueError, match=words):
        DeepNetClassifier().fit(X, y, weight)


@pytest.mark.parametrize(
    ("class_weight", "words"),
    [
        ({0: -1}, "gives class 0 the weight -1: a weight must be a number at least 0"),
        ({0: "much"}, "gives class 0 the weight 'much'"),
        ({"barolo": 1}, "class_weight has labels that are not in y, 'barolo': use .* 0, 1, 2"),
        ({0: 0, 1: 0, 2: 0}, "weights of all samples in the training part are zero"),
    ],
)
def test_class_weight(class_weight, words):
    with pytest.raises(ValueError, match=words) as error:
        DeepNetClassifier(class_weight=class_weight).fit(X, y)
    message(error)


def test_validation_part_without_weight():
    weight = np.zeros(len(y))
    weight[0] = 1
    with pytest.raises(ValueError, match=r"all samples in the (training|validation) part are zero"):
        DeepNetClassifier(early_stopping=True, random_state=0).fit(X, y, weight)


@pytest.mark.parametrize("monitor", ["neg_log_loss", "f1", "top_k_accuracy"])
def test_monitor_that_does_not_fit_the_labels(monitor):
    model = DeepNetClassifier(monitor=monitor, max_epochs=2)
    some = y != 2
    with pytest.raises(ValueError, match=f"monitor='{monitor}' cannot be computed"):
        model.fit(X[some], NAMES[y][some], X_val=X[y == 0], y_val=NAMES[y][y == 0])


@pytest.mark.filterwarnings(
    "ignore:Only one class is present:sklearn.exceptions.UndefinedMetricWarning"
)
def test_monitor_that_is_nan():
    some = y != 2
    with pytest.raises(ValueError, match=r"monitor='roc_auc' cannot be computed .*NaN") as error:
        DeepNetClassifier(monitor="roc_auc", max_epochs=2).fit(
            X[some], y[some], X_val=X[y == 0], y_val=y[y == 0]
        )
    message(error)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_divergence(optimizer):
    model = DeepNetClassifier(lr=1e9, optimizer=optimizer, max_epochs=20, random_state=0)
    with pytest.raises(DivergenceError, match=r"in epoch \d+: .*learning rate") as error:
        model.fit(X, y)
    assert "lr=1e+09" in message(error)


@pytest.mark.filterwarnings("ignore::sknethp.UnscaledInputWarning")
def test_divergence_in_the_last_update():
    model = DeepNetClassifier(
        lr=3e38,
        optimizer="sgd",
        dropout=0,
        max_epochs=1,
        batch_size=178,
        input_scaling=None,
        embedding=None,
    )
    with pytest.raises(DivergenceError, match="The weights became infinite in epoch 1"):
        model.fit(1e3 * X, y)


def test_divergence_spoils_one_candidate_alone():
    search = GridSearchCV(
        DeepNetClassifier(optimizer="sgd", max_epochs=3, random_state=0),
        {"lr": [0.1, 1e9]},
        cv=2,
        error_score=np.nan,
    )
    with (
        pytest.warns(FitFailedWarning, match="DivergenceError"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    good, bad = search.cv_results_["mean_test_score"]
    assert good > 0.8
    assert np.isnan(bad)
    assert search.best_params_ == {"lr": 0.1}


def partial(**settings):
    return DeepNetClassifier(random_state=0, **settings).partial_fit(X, y)


@pytest.mark.parametrize(
    ("go_on", "words"),
    [
        (lambda: partial().partial_fit(X, y + 1), "y has labels .*classes 0, 1, 2: 3"),
        (lambda: partial().partial_fit(X, y, classes=[0, 1]), "differ from those of the first"),
        (lambda: partial().set_params(hidden_units=3).partial_fit(X, y), "another structure"),
        (lambda: partial().partial_fit(X[:, :2], y), "X has 2 features"),
        (lambda: DeepNetClassifier().partial_fit(X[:9], y[:9]), "y has only one class, 0"),
        (
            lambda: partial(class_weight="balanced").partial_fit(X[:9], y[:9]),
            "class_weight='balanced' needs .* none of 1, 2",
        ),
        (lambda: partial().set_params(warm_start=True).fit(X, y + 1), "warm_start=True continues"),
        (
            lambda: partial().set_params(warm_start=True, normalization="layer").fit(X, y),
            "another structure",
        ),
    ],
)
def test_going_on_with_something_else(go_on, words):
    with pytest.raises(ValueError, match=words) as error:
        go_on()
    message(error)


HOURS = np.arange(150, dtype="timedelta64[h]")
DATES = np.datetime64("2020-01-01", "ns") + HOURS
TIMES = {
    "dates alone": lambda table: pd.DataFrame({"t": DATES}),
    "durations alone": lambda table: pd.DataFrame({"t": HOURS.astype("timedelta64[ns]")}),
    "dates with a zone": lambda table: table.assign(t=pd.to_datetime(DATES, utc=True)),
    "durations beside numbers": lambda table: table.assign(t=HOURS.astype("timedelta64[ns]")),
    "dates of arrow": lambda table: pd.DataFrame({"t": DATES}).astype("timestamp[ns][pyarrow]"),
    "a table of arrow": lambda table: pa.table({"t": DATES}),
    "periods": lambda table: table.assign(t=pd.period_range("2020", periods=150)),
    "dates of polars": lambda table: pl.DataFrame({"t": DATES}),
    "dates as categories": lambda table: pd.DataFrame({"t": pd.Categorical(DATES)}),
    "durations of numpy as objects": lambda table: table.assign(
        t=pd.Series(list(HOURS.astype("timedelta64[h]")), dtype=object)
    ),
    "durations of polars": lambda table: pl.DataFrame({"t": HOURS.astype("timedelta64[us]")}),
}


@pytest.mark.parametrize("cells", TIMES.values(), ids=TIMES)
def test_dates_and_durations_are_no_numbers(cells):
    """A column of them is named, also where it is alone and numpy would make numbers of it."""
    X, y = load_iris(return_X_y=True, as_frame=True)
    with pytest.raises(ValueError, match=r"X contains (dates|durations) in column 't'"):
        DeepNetClassifier(max_epochs=1).fit(cells(X), y)
    with pytest.raises(ValueError, match=r"X contains dates, but"):
        DeepNetClassifier(max_epochs=1).fit(DATES[:, None], y)


@pytest.mark.parametrize("kind", [list, lambda cells: np.array(cells, object)])
@pytest.mark.parametrize(
    ("cell", "words"), [(np.datetime64("2020"), "dates"), (np.timedelta64(1, "h"), "durations")]
)
def test_times_of_numpy_among_objects_are_no_numbers(cell, words, kind):
    """numpy makes numbers of them where they stand by themselves."""
    y = load_iris().target
    for others in ([], [1.0]):
        with pytest.raises(ValueError, match=f"X contains {words}"):
            DeepNetClassifier(max_epochs=1).fit(kind([[cell, *others]] * 150), y)


TWO = np.arange(150) < 2
SPECIES = np.array(["setosa", "versi", "virgin"])[load_iris().target]
LABELS = {
    "None among strings": (np.where(np.arange(150) == 3, None, SPECIES.astype(object)), "missing"),
    "NaN among strings": (pd.Series(SPECIES).mask(np.arange(150) == 3), "missing"),
    "NA among strings": ([pd.NA, *SPECIES[1:]], "missing"),
    "strings and numbers": (np.array([0, "a", 1], object)[load_iris().target], "several kinds"),
    "intervals": (pd.cut(load_iris().data[:, 0], 3), "intervals"),
    "NA among numbers": (pd.Series(load_iris().target).astype("Int64").mask(TWO), "missing"),
    "null of polars": (pl.Series([None, *load_iris().target[1:].tolist()]), "missing"),
    "dates with a zone": (pd.Series(pd.to_datetime(DATES, utc=True)), "dates"),
    "durations in a list": ([datetime.timedelta(i % 3) for i in range(150)], "durations"),
    "decimals": ([Decimal(i % 3) for i in range(150)], "objects of type Decimal"),
}


@pytest.mark.parametrize(("labels", "said"), LABELS.values(), ids=LABELS)
def test_odd_labels_are_named(labels, said):
    """What cannot be a label is said of y, in one sentence."""
    with pytest.raises(ValueError, match=f"y contains .*{said}"):
        DeepNetClassifier(max_epochs=1).fit(load_iris().data, labels)
