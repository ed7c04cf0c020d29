"""Everything that fits through joblib gives the same scores fused as alone."""

import warnings

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler

from sknethp import DeepNetClassifier, fused
from sknethp.training.threads import Pace, most_threads
from tests.helpers import scaled_net as net


def grid(estimator=None, **parameters):
    names = {"deepnetclassifier__" + name: values for name, values in parameters.items()}
    return GridSearchCV(estimator or net(), names, cv=3, error_score=np.nan)


def fitted_scores(search, data):
    return search.fit(*data).cv_results_["mean_test_score"]


GRIDS = {
    "numbers": {"lr": [1e-3, 1e-2], "momentum": [0.5, 0.9], "dropout": [0.0, 0.3]},
    "units": {"hidden_units": [3, 8, (16, 4)]},
    "layers": {"hidden_layers": [0, 1, 3]},
    "optimizers": {"optimizer": ["sgd", "adam", "adamw", "nadam", "rmsprop"]},
    "activations": {"activation": ["relu", "tanh", "gelu", "softmax", ("relu", "sigmoid")]},
    "norms": {"normalization": [None, "batch", "layer"], "residual": [False, True]},
    "schedules": {"lr_schedule": ["constant", "one_cycle", "plateau"], "max_epochs": [2, 4]},
    "batches": {"batch_size": [16, 50, 10_000]},
    "stopping": {"early_stopping": [False, True], "patience": [1, 5], "max_epochs": [6]},
    "weights": {"class_weight": [None, "balanced"], "label_smoothing": [0.0, 0.1]},
    "seeds": {"random_state": [0, 1, 2]},
}


@pytest.mark.parametrize("name", GRIDS)
def test_grid_search(data, name):
    """Whatever the candidates differ in, each scores as it does alone."""
    alone = fitted_scores(grid(**GRIDS[name]), data)
    with fused(silent=True) as summary:
        together = fitted_scores(grid(**GRIDS[name]), data)
    assert np.isfinite(alone).all()
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)
    assert summary.fused > 0


def test_another_seed_is_noticed(data):
    """Negative control: the scores above would differ if networks were mixed up."""
    probabilities = [
        cross_val_predict(net(random_state=seed), *data, cv=3, method="predict_proba")
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(probabilities[0], probabilities[1])
    assert np.abs(probabilities[0] - probabilities[2]).max() > 1e-2


def test_probabilities_agree(data):
    """Not only scores: each sample's probability agrees to float32 accuracy."""
    alone = cross_val_predict(net(dropout=0.2), *data, cv=4, method="predict_proba")
    with fused(silent=True):
        together = cross_val_predict(net(dropout=0.2), *data, cv=4, method="predict_proba")
    np.testing.assert_allclose(together, alone, atol=1e-5)


def _search(kind):
    lr = "deepnetclassifier__lr"
    if kind == "random":
        return RandomizedSearchCV(net(), {lr: loguniform(1e-4, 1e-1)}, n_iter=4, random_state=0)
    if kind == "halving_grid":
        return HalvingGridSearchCV(
            net(), {lr: [1e-3, 1e-2, 1e-1]}, cv=2, random_state=0, min_resources=40
        )
    if kind == "halving_grid_epochs":
        return HalvingGridSearchCV(
            DeepNetClassifier(hidden_units=8, random_state=0),
            {"lr": [1e-3, 1e-2, 1e-1]},
            cv=2,
            random_state=0,
            resource="max_epochs",
            max_resources=6,
            min_resources=2,
        )
    epochs = {"resource": "deepnetclassifier__max_epochs", "max_resources": 6, "min_resources": 2}
    return HalvingRandomSearchCV(
        net(), {lr: loguniform(1e-4, 1e-1)}, cv=2, random_state=0, **epochs
    )


@pytest.mark.parametrize(
    "kind", ["random", "halving_grid", "halving_grid_epochs", "halving_epochs"]
)
@pytest.mark.filterwarnings("ignore::sknethp.UnscaledInputWarning")
def test_other_searches(data, kind):
    """Random and halving searches, over samples or epochs."""
    alone = fitted_scores(_search(kind), data)
    with fused(silent=True) as summary:
        together = fitted_scores(_search(kind), data)
    np.testing.assert_allclose(together, alone, atol=1e-12)
    assert summary.largest > 2


def test_bayes_search(data):
    """Scikit-optimize's search, several points at a time."""
    from skopt import BayesSearchCV
    from skopt.space import Real

    def search():
        space = {"deepnetclassifier__lr": Real(1e-4, 1e-1, prior="log-uniform")}
        return BayesSearchCV(
            net(),
            space,
            n_iter=8,
            n_points=4,
            cv=2,
            random_state=0,
            optimizer_kwargs={"n_initial_points": 4},
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = fitted_scores(search(), data)
        with fused(silent=True) as summary:
            together = fitted_scores(search(), data)
    np.testing.assert_allclose(together, alone, atol=1e-12)
    assert summary.largest >= 8


CALLS = {
    "cross_validate": lambda X, y: np.r_[
        tuple(
            scores
            for name, scores in cross_validate(
                net(), X, y, cv=3, scoring=["accuracy", "roc_auc"], return_train_score=True
            ).items()
            if name.startswith(("test_", "train_"))
        )
    ],
    "learning_curve": lambda X, y: learning_curve(net(), X, y, cv=3, train_sizes=[0.3, 1.0])[2],
    "validation_curve": lambda X, y: validation_curve(
        net(), X, y, cv=3, param_name="deepnetclassifier__lr", param_range=[1e-3, 1e-2]
    )[1],
    "permutation_test_score": lambda X, y: permutation_test_score(
        net(), X, y, cv=2, n_permutations=3, random_state=0
    )[1],
    "bagging": lambda X, y: (
        BaggingClassifier(net(), n_estimators=4, random_state=0).fit(X, y).predict_proba(X)
    ),
    "voting": lambda X, y: (
        VotingClassifier([("a", net()), ("b", net(lr=0.01))], voting="soft")
        .fit(X, y)
        .predict_proba(X)
    ),
    "stacking": lambda X, y: (
        StackingClassifier([("a", net()), ("b", LogisticRegression(max_iter=5000))], cv=3)
        .fit(StandardScaler().fit_transform(X), y)
        .predict_proba(StandardScaler().fit_transform(X))
    ),
    "nested": lambda X, y: cross_val_score(grid(lr=[1e-3, 1e-2]), X, y, cv=3),
    "own_parallel": lambda X, y: np.stack(
        [
            model.predict_proba(X)
            for model in Parallel()(delayed(net(lr=lr).fit)(X, y) for lr in (1e-3, 1e-2, 1e-1))
        ]
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_other_calls(data, name):
    """Cross-validation, curves, meta-estimators, nested searches and plain joblib."""
    alone = CALLS[name](*data)
    with fused(silent=True) as summary:
        together = CALLS[name](*data)
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert summary.fused >= 2


def test_nested_search_trains_all_inner_fits_together(data):
    """The inner searches of all outer folds meet."""
    with fused(silent=True) as summary:
        cross_val_score(grid(lr=[1e-3, 1e-2]), *data, cv=3)
    assert summary.largest == 2 * 3 * 3


def test_one_vs_rest_on_strings():
    """Several classes with text labels, one net each."""
    X, y = load_iris(return_X_y=True)
    y = np.array(["setosa", "versicolor", "virginica"])[y]
    model = OneVsRestClassifier(net())
    alone = clone(model).fit(X, y).predict_proba(X)
    with fused(silent=True) as summary:
        together = clone(model).fit(X, y).predict_proba(X)
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert summary.largest == 3


def test_a_thousand_classes():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2000, 10)), np.arange(2000) % 1000
    alone = cross_val_predict(net(max_epochs=1), X, y, cv=2, method="predict_proba")
    with fused(silent=True) as summary:
        together = cross_val_predict(net(max_epochs=1), X, y, cv=2, method="predict_proba")
    np.testing.assert_array_equal(together, alone)
    assert together.shape == (2000, 1000)
    assert summary.fused == 2


def test_sample_weight_and_metrics(data):
    """Sample weights, several metrics and refit go through."""
    weight = np.random.default_rng(0).random(len(data[1]))
    search = GridSearchCV(
        net(),
        {"deepnetclassifier__lr": [1e-3, 1e-2]},
        cv=3,
        scoring=["accuracy", "neg_log_loss"],
        refit="neg_log_loss",
        return_train_score=True,
    )
    fits = []
    for context in (None, fused(silent=True)):
        model = clone(search)
        if context is None:
            model.fit(*data, deepnetclassifier__sample_weight=weight)
        else:
            with context:
                model.fit(*data, deepnetclassifier__sample_weight=weight)
        fits.append(model)
    for key in ("mean_test_accuracy", "mean_train_accuracy", "mean_test_neg_log_loss"):
        np.testing.assert_allclose(fits[1].cv_results_[key], fits[0].cv_results_[key], atol=1e-5)
    np.testing.assert_allclose(
        fits[1].predict_proba(data[0]), fits[0].predict_proba(data[0]), atol=1e-5
    )


def test_frames_and_strings(data):
    """Tables with named columns and text labels, in a search."""
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame(data[0]).add_prefix("column ")
    y = pd.Series(np.where(data[1] == 1, "benign", "malignant"))
    alone = grid(lr=[1e-3, 1e-2]).fit(X, y)
    with fused(silent=True) as summary:
        together = grid(lr=[1e-3, 1e-2]).fit(X, y)
    for name in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(together.cv_results_[name], alone.cv_results_[name])
    np.testing.assert_array_equal(together.predict(X), alone.predict(X))
    assert summary.fused == 6


def test_another_meta_estimator(data):
    """A search inside a calibration inside a cross-validation."""
    model = CalibratedClassifierCV(grid(lr=[1e-3, 1e-2]), cv=2)
    alone = cross_val_score(model, *data, cv=2, scoring="neg_log_loss")
    with fused(silent=True) as summary:
        together = cross_val_score(model, *data, cv=2, scoring="neg_log_loss")
    np.testing.assert_allclose(together, alone, rtol=1e-4)
    assert summary.largest >= 2 * 2 * 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", ["numbers", "units", "optimizers", "norms", "stopping"])
def test_on_a_gpu(data, name):
    """The same code on a GPU: fused equals alone, and both equal the CPU but for rounding."""
    on_gpu = net(device="cuda")
    alone = fitted_scores(grid(on_gpu, **GRIDS[name]), data)
    with fused(silent=True) as summary:
        together = fitted_scores(grid(on_gpu, **GRIDS[name]), data)
    a_few_samples = 3.01 / len(data[1])
    np.testing.assert_allclose(together, alone, atol=a_few_samples)
    np.testing.assert_allclose(alone, fitted_scores(grid(**GRIDS[name]), data), atol=0.03)
    assert summary.fused > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_probabilities_on_a_gpu(data):
    """Each sample's probability agrees to float32 accuracy, and another seed's does not."""

    def probabilities(seed):
        model = net(device="cuda", dropout=0.2, random_state=seed)
        return cross_val_predict(model, *data, cv=4, method="predict_proba")

    alone = probabilities(0)
    with fused(silent=True) as summary:
        together, other = probabilities(0), probabilities(1)
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert np.abs(other - alone).max() > 1e-2
    assert summary.largest == 4


def test_backend_by_name(data):
    """``joblib.parallel_config("sknethp")`` does without the context manager."""
    alone = cross_val_score(net(), *data, cv=3)
    with parallel_config("sknethp"):
        together = cross_val_score(net(), *data, cv=3)
    np.testing.assert_allclose(together, alone)


def test_little_memory_gives_the_same(data):
    """With memory for one waiting fit, networks train one after another."""
    alone = fitted_scores(grid(lr=[1e-3, 1e-2]), data)
    with fused(silent=True, max_memory=1) as summary:
        together = fitted_scores(grid(lr=[1e-3, 1e-2]), data)
    np.testing.assert_allclose(together, alone)
    assert summary.largest == 1


def test_waiting_networks_count_as_memory(data):
    """Networks much larger than the data wait in small numbers, too."""
    search = grid(lr=[1e-4, 1e-3], dropout=[0.0, 0.1])
    search.set_params(estimator__deepnetclassifier__hidden_units=256)
    alone = fitted_scores(clone(search), data)
    with fused(silent=True, max_memory="8MB") as summary:
        together = fitted_scores(clone(search), data)
    np.testing.assert_allclose(together, alone)
    with fused(silent=True) as unlimited:
        fitted_scores(clone(search), data)
    assert 1 < summary.largest < unlimited.largest


def test_waiting_tasks_leave_all_threads_to_the_training(data, monkeypatch):
    """Each task limits itself to one thread of torch's, which is not the population's limit."""
    seen = []
    steps = Pace.steps

    def noted(self, indices):
        seen.append(most_threads())
        return steps(self, indices)

    monkeypatch.setattr(Pace, "steps", noted)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with fused(silent=True):
            GridSearchCV(net(), {"deepnetclassifier__lr": [1e-3, 1e-2]}, cv=2, refit=False).fit(
                *data
            )
        assert set(seen) == {2}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
