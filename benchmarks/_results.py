"""Fits of classifiers on splits of data sets, kept in a file from which a later run goes on."""

import functools
import pathlib
import sys
import time
from dataclasses import replace

import _report as report
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, zero_one_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

MEASURES = ("error", "log_loss")


class Results:
    """Rows of finished fits, in memory and, where a path is given, in a CSV file."""

    def __init__(self, path=None):
        self.path = path and pathlib.Path(path)
        self.rows = []
        self.read()

    def read(self):
        """Read the file again, to which another run may have added."""
        if self.path and self.path.exists():
            text = dict.fromkeys(("model", "settings", "inputs", "version"), str)
            self.rows = pd.read_csv(self.path, dtype=text).to_dict("records")

    def find(self, key, timed):
        """Return the latest row of a key, or None; a version of None stands for any."""
        for row in reversed(self.rows):
            fits = all(value is None or row[name] == value for name, value in key.items())
            if fits and not (timed and np.isnan(row["seconds"])):
                return row
        return None

    def add(self, row):
        """Add a row and write the file."""
        self.read()
        self.rows.append(row)
        if self.path:
            report.write_file(self.path, pd.DataFrame(self.rows).to_csv(index=False))


def make_preprocessing(raw):
    """Return a transformer that imputes and, unless raw, scales numbers, and one-hot encodes."""
    numbers = [SimpleImputer(strategy="median"), *([] if raw else [StandardScaler()])]
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(*numbers), make_column_selector(dtype_include="number")),
            ("categories", categories, make_column_selector(dtype_exclude="number")),
        ]
    )


def split(X, y, seed, options, raw):
    """Return prepared X_train, X_test, y_train, y_test; the training part is cut to max_rows."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=options.test_share, stratify=y, random_state=seed
    )
    if len(X_train) > options.max_rows:
        X_train, _, y_train, _ = train_test_split(
            X_train, y_train, train_size=options.max_rows, stratify=y_train, random_state=seed
        )
    preprocessing = make_preprocessing(raw)
    X_train = preprocessing.fit_transform(X_train)
    return X_train, preprocessing.transform(X_test), y_train, y_test


@functools.cache
def warm_up(model):
    """Fit a model once on a few rows, so that no fit pays for imports and thread pools."""
    X = np.random.default_rng(0).standard_normal((80, 4))
    model.warm_up(X, (X[:, 0] > 0).astype(int))


def evaluate(model, seed, parts, timed):
    """Fit a model and return its test error in %, its log-loss and its times in seconds."""
    X_train, X_test, y_train, y_test = parts
    cpu = time.process_time()
    fitted, seconds = report.timed(model.make(seed).fit, X_train, y_train)
    cpu = time.process_time() - cpu
    probabilities = np.asarray(fitted.predict_proba(X_test), dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {
        "error": 100 * zero_one_loss(y_test, np.ravel(fitted.predict(X_test))),
        "log_loss": log_loss(y_test, probabilities, labels=np.unique(y_train)),
        "seconds": seconds if timed else np.nan,
        "cpu_seconds": cpu if timed else np.nan,
        "threads": torch.get_num_threads(),
    }


def fit(model, key, parts, timed, results):
    """Fit a model and add its row to the results; a fit that fails is printed."""
    start = None
    try:
        if timed:
            warm_up(model)
        start = time.perf_counter()
        results.add({**key, **evaluate(model, key["seed"], parts, timed)})
    except Exception as error:
        print(f"{model.label} failed on {key['data']}, seed {key['seed']}: {error!r}", flush=True)
        if model.counts_if_failed and start is not None:
            failed = {"seconds": time.perf_counter() - start, "failure": repr(error)}
            prior = replace(model, make=lambda seed: DummyClassifier(strategy="prior"))
            results.add({**key, **evaluate(prior, key["seed"], parts, timed), **failed})


def fit_together(fits):
    """Run untimed fits of DeepNetClassifier, which train as one population."""
    from sknethp import fused

    with fused(silent=True):
        Parallel()(delayed(fit)(*arguments) for arguments in fits)


def measure(models, data_sets, options, results, fuse=False):
    """Return a frame with a row per data set, split and model.

    What `results` holds is not fitted again. With `fuse` only the first split is fitted one model
    at a time, and timed; the fits of the other splits train together.
    """
    wanted = []
    for data_name, (X, y) in data_sets.items():
        start, together = time.perf_counter(), []
        for seed in range(options.splits):
            parts = {raw: split(X, y, seed, options, raw) for raw in {m.raw for m in models}}
            timed = seed == 0 or not fuse
            for model in models:
                here = parts[model.raw]
                key = {"data": data_name, "seed": seed}
                key |= {"n_train": len(here[0]), "n_test": len(here[1]), **model.key()}
                wanted.append((model.label, key, timed))
                if model.make is None or results.find(key, timed):
                    continue
                if timed:
                    fit(model, key, here, timed, results)
                else:
                    together.append((model, key, here, timed, results))
        if together:
            fit_together(together)
        print(f"{data_name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    found = ((label, results.find(key, timed)) for label, key, timed in wanted)
    return pd.DataFrame([{**row, "label": label} for label, row in found if row])
