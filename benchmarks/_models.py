"""Classifiers at their defaults, as bench_quality.py compares them."""

import functools
import hashlib
import importlib
import json
import logging
import pathlib
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from _contenders import MLP, OURS
from _report import package_version

REALMLP = "RealMLP-TD"
_TABKIT = {"device": "cpu", "verbosity": 0, "n_threads": torch.get_num_threads()}
_CATBOOST = {"verbose": 0, "allow_writing_files": False, "thread_count": torch.get_num_threads()}

# name: module, class, parameters that change neither the error nor the log-loss
PEERS = {
    REALMLP: ("pytabkit", "RealMLP_TD_Classifier", _TABKIT),
    "TabM-D": ("pytabkit", "TabM_D_Classifier", _TABKIT),
    "CatBoost": ("catboost", "CatBoostClassifier", _CATBOOST),
    MLP: ("sklearn.neural_network", "MLPClassifier", {}),
    "HistGradientBoosting": ("sklearn.ensemble", "HistGradientBoostingClassifier", {}),
    "RandomForest": (
        "sklearn.ensemble",
        "RandomForestClassifier",
        {"n_jobs": torch.get_num_threads()},
    ),
}


@dataclass(frozen=True, eq=False)
class Model:
    """A classifier of the comparison; one that is not installed has no `make` and no `version`."""

    name: str
    make: Callable | None = None  # from a seed to an unfitted classifier
    version: str | None = None
    settings: dict = field(default_factory=dict)  # what is not at its default
    raw: bool = False  # whether it gets the columns unscaled
    label: str = ""  # its name in the tables
    counts_if_failed: bool = False  # whether a fit that fails counts as the classes' shares

    def warm_up(self, X, y):
        """Fit a few rows."""
        self.make(0).fit(X, y)

    def key(self):
        """Return the columns of the results by which a row of this model is found."""
        return {
            "model": self.name,
            "settings": json.dumps(self.settings, sort_keys=True),
            "inputs": "raw" if self.raw else "scaled",
            "version": self.version,
        }


def make_peer(name):
    """Return a peer's model, which can only be found in earlier results if not installed."""
    module, class_name, parameters = PEERS[name]
    try:
        kind = getattr(importlib.import_module(module), class_name)
    except ImportError:
        return Model(name, label=name)
    silence_lightning()
    distribution = {"sklearn": "scikit-learn"}.get(*[module.partition(".")[0]] * 2)
    return Model(
        name,
        lambda seed: kind(random_state=seed, **parameters),
        f"{distribution} {package_version(distribution)}",
        label=name,
    )


@functools.cache
def our_version(name=OURS, module="sknethp"):
    """Return the package's version and a hash of the modules imported, this class's included."""
    import sknethp

    getattr(importlib.import_module(module), name)  # the package imports a class on first use
    names = sorted(name for name in sys.modules if name.partition(".")[0] == "sknethp")
    sources = [pathlib.Path(sys.modules[name].__file__).read_bytes() for name in names]
    return f"sknethp {sknethp.__version__}+{hashlib.sha256(b''.join(sources)).hexdigest()[:8]}"


def make_ours(settings, raw, label=OURS):
    """Return DeepNetClassifier with these parameters."""
    from sknethp import DeepNetClassifier

    def make(seed):
        return DeepNetClassifier(**{"random_state": seed, **settings})

    return Model(OURS, make, our_version(), settings, raw, label)


def silence_lightning():
    """Hide what Lightning, which trains RealMLP, logs and warns about."""
    for name in ("pytorch_lightning", "lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
