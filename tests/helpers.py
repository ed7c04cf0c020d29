"""What many tests need: nets that train in milliseconds, real data, and the scores of a search."""

from contextlib import contextmanager

import numpy as np
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sknethp import DeepNetClassifier, model_selection
from sknethp.training.inputs import Inputs
from sknethp.training.network import Settings

try:
    import resource
except ImportError:  # Windows
    resource = None

BREAST_CANCER = tuple(part[::3] for part in load_breast_cancer(return_X_y=True))
DIGITS = tuple(part[:300] for part in load_digits(return_X_y=True))
# What may happen to six inputs before the first layer.
INPUTS = {
    "standard": Inputs("standard"),
    "robust": Inputs("robust"),
    "periodic": Inputs("standard", tuple(range(6)), 3, 16, 0.3),
    "periodic, some columns": Inputs("robust", (1, 4), 2, 5, 0.5),
    "periodic, not scaled": Inputs(None, (0, 1, 2, 5), 5, 2, 0.1),
    "bins": Inputs(None, tuple(range(6)), n_bins=8),
    "bins, some columns": Inputs("robust", (3,), n_bins=5),
    "both": Inputs("standard", (0, 2, 3, 4, 5), 3, 16, 0.1, 8),
}
METRICS = ["accuracy", "neg_log_loss"]
# The least that each search needs to tune a net; tests of what all have in common run over it.
SEARCHES = {
    "GridSearchCV": {"param_grid": {"lr": [0.02, 0.03]}},
    "RandomizedSearchCV": {"param_distributions": {"lr": [0.02, 0.03]}, "n_iter": 2},
    "HalvingRandomSearchCV": {"param_distributions": {"lr": [0.02, 0.03]}, "n_candidates": 2},
    "BayesSearchCV": {"search_spaces": {"lr": (0.02, 0.03)}, "n_iter": 2},
    "LayerGrowthSearchCV": {"max_layers": 2},
    "ManualSearchCV": {"candidates": {"a": {}, "b": {"dropout": 0.1}}},
}


def searching(name, estimator, **settings):
    """Return a search with its least settings, and a seed if it has one."""
    search = getattr(model_selection, name)(estimator, **SEARCHES[name])
    seed = {"random_state": 0} if "random_state" in search.get_params(deep=False) else {}
    return search.set_params(**seed, **settings)


@contextmanager
def no_large_files():
    """Let writes of more than 20 kB fail in this process and those that it starts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    get_reusable_executor().shutdown(wait=True)  # worker processes from before have no limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        get_reusable_executor().shutdown(wait=True)  # and these would keep it


def small_net(**settings) -> DeepNetClassifier:
    return DeepNetClassifier(**{"hidden_units": 8, "max_epochs": 3, "random_state": 0, **settings})


def scaled_net(**settings) -> Pipeline:
    return make_pipeline(StandardScaler(), small_net(**settings))


def scores(search) -> np.ndarray:
    """Return all columns of numbers but the times, ``(n_columns, n_candidates)``."""
    results = search.cv_results_
    return np.stack(
        [results[key] for key in sorted(results) if "_test_" in key or "_train_" in key]
    )


def fold_scores(search, data) -> np.ndarray:
    """Return the test scores in three folds, ``(n_metrics, n_folds, n_candidates)``."""
    results = search.fit(*data).cv_results_
    return np.array([[results[f"split{i}_test_{name}"] for i in range(3)] for name in METRICS])


def assert_same_scores(scores, others) -> None:
    """Accuracies are equal, log-losses agree to the accuracy of float32."""
    np.testing.assert_array_equal(scores[0], others[0])
    np.testing.assert_allclose(scores[1], others[1], rtol=1e-6)


def network_settings(**changes) -> Settings:
    """Return training settings of a network with three rates of dropout."""
    defaults = {
        "optimizer": "sgd",
        "momentum": 0.9,
        "nesterov": False,
        "beta2": 0.99,
        "weight_decay": 0.0,
        "l1": 0.0,
        "max_norm": None,
        "gradient_clip": None,
        "label_smoothing": 0.0,
        "batch_size": 16,
        "shuffle": True,
        "dropout": (0.0, 0.0, 0.0),
    }
    return Settings(**{**defaults, **changes})
