"""Compare classifiers at their defaults on real data.

How good is the default DeepNetClassifier, and how long does it take?

On every file of a folder (CSV, gzipped or plain, label in the column `target`)
the default DeepNetClassifier stands beside MLPClassifier, histogram gradient
boosting, a random forest and, where pytabkit is installed, RealMLP-TD. All run
at their defaults, on the same scaled and one-hot encoded columns and the same
stratified splits, with all cores. Printed per data set: test error, log-loss and
time to fit; at the end means, mean ranks and wins against MLPClassifier.
"""

import logging
import sys
import warnings

import _report as report
import numpy as np
import pandas as pd
from _contenders import MLP, OURS, silence_expected_warnings
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss, zero_one_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

TEST_SHARE = 0.25
MEASURES = ("error", "log_loss")
TIE = {"error": 0.1, "log_loss": 0.005}


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parser.add_argument("folder", nargs="?", default="../shared/data")
    parser.add_argument("--splits", type=int, default=3, help="stratified splits, 75%% to train")
    parser.add_argument("--max-rows", type=int, default=10_000, help="rows to train on, at most")
    parser.add_argument("--only", nargs="+", default=[], help="names of data sets and models")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of DeepNetClassifier, e.g. --set dropout=0.1; may be repeated",
    )
    parser.add_argument("--csv", help="write a row per data set, split and model to this file")
    return parser.parse_args()


def make_models(settings):
    """Return {name: function from a seed to an unfitted classifier}."""
    models = {
        MLP: lambda seed: MLPClassifier(random_state=seed),
        "HistGradientBoosting": lambda seed: HistGradientBoostingClassifier(random_state=seed),
        "RandomForest": lambda seed: RandomForestClassifier(n_jobs=-1, random_state=seed),
    }
    try:
        from sknethp import DeepNetClassifier
    except ImportError as error:
        print(f"DeepNetClassifier is left out: {error}")
    else:
        ours = {OURS: lambda seed: DeepNetClassifier(**{"random_state": seed, **settings})}
        models = {**ours, **models}
    try:
        from pytabkit import RealMLP_TD_Classifier
    except ImportError:
        print("RealMLP-TD is left out: pytabkit is not installed.")
    else:
        silence_lightning()
        models["RealMLP-TD"] = lambda seed: RealMLP_TD_Classifier(
            device="cpu", random_state=seed, verbosity=0
        )
    return models


def silence_lightning():
    """Hide what Lightning, which trains RealMLP, logs and warns about."""
    for name in ("pytorch_lightning", "lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")


def choose(names, models, data_sets):
    """Return the models and data sets that --only names, and all where it names none."""
    unknown = [name for name in names if name not in models and name not in data_sets]
    if unknown:
        allowed = ", ".join([*models, *data_sets])
        raise SystemExit(f"--only: {', '.join(unknown)} is none of {allowed}.")
    return (
        {name: models[name] for name in models if name in names} or models,
        {name: data_sets[name] for name in data_sets if name in names} or data_sets,
    )


def make_preprocessing():
    """Return a transformer that imputes and scales numbers and one-hot encodes the rest."""
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            ("categories", categories, make_column_selector(dtype_exclude="number")),
        ]
    )


def split(X, y, seed, max_rows):
    """Return prepared X_train, X_test, y_train, y_test; the training part is cut to max_rows."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=TEST_SHARE, stratify=y, random_state=seed
    )
    if len(X_train) > max_rows:
        X_train, _, y_train, _ = train_test_split(
            X_train, y_train, train_size=max_rows, stratify=y_train, random_state=seed
        )
    preprocessing = make_preprocessing()
    X_train = preprocessing.fit_transform(X_train)
    return X_train, preprocessing.transform(X_test), y_train, y_test


def evaluate(model, X_train, X_test, y_train, y_test):
    """Fit a model and return its test error in %, its log-loss and its time in seconds."""
    fitted, seconds = report.timed(model.fit, X_train, y_train)
    probabilities = np.asarray(fitted.predict_proba(X_test), dtype=np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return {
        "error": 100 * zero_one_loss(y_test, fitted.predict(X_test)),
        "log_loss": log_loss(y_test, probabilities, labels=np.unique(y_train)),
        "seconds": seconds,
    }


def warm_up(models):
    """Fit every model once on a few rows, so that no fit pays for imports and thread pools."""
    X = np.random.default_rng(0).standard_normal((80, 4))
    for make_model in models.values():
        make_model(0).fit(X, (X[:, 0] > 0).astype(int))


def measure(models, data_sets, options):
    """Return a frame with a row per data set, split and model; a failed fit is left out."""
    rows = []
    for data_name, (X, y) in data_sets.items():
        for seed in range(options.splits):
            parts = split(X, y, seed, options.max_rows)
            for name, make_model in models.items():
                key = {"data": data_name, "seed": seed, "model": name, "n_train": len(parts[0])}
                try:
                    rows.append({**key, **evaluate(make_model(seed), *parts)})
                except Exception as error:
                    print(f"{name} failed on {data_name}, seed {seed}: {error!r}", flush=True)
        print(f"measured {data_name}", file=sys.stderr, flush=True)
    return pd.DataFrame(rows)


def print_by_data_set(results, names):
    """Print the three tables with a row per data set and a column per model."""
    titles = {
        "error": ("Test error in %, mean of the splits", "mean", "{:.2f}"),
        "log_loss": ("Log-loss, mean of the splits", "mean", "{:.4f}"),
        "seconds": ("Seconds to fit, median of the splits", "median", "{:.2f}"),
    }
    for measure_name, (title, statistic, form) in titles.items():
        table = results.pivot_table(
            index="data", columns="model", values=measure_name, aggfunc=statistic
        )
        rows = [
            [data_name, *(form.format(row[name]) if name in row else None for name in names)]
            for data_name, row in table.iterrows()
        ]
        report.print_table(title, ["data set", *names], rows)


def print_summary(results, names):
    """Print each model's means, its mean rank over both measures and its time in all."""
    means = results.groupby(["data", "model"])[list(MEASURES)].mean()
    ranks = {measure: means[measure].unstack().rank(axis=1).mean() for measure in MEASURES}
    by_model = means.groupby("model").mean()
    seconds = results.groupby("model")["seconds"].sum()
    counts = means["error"].groupby("model").count()
    rows = [
        [
            name,
            str(counts[name]),
            f"{by_model.loc[name, 'error']:.2f}",
            f"{by_model.loc[name, 'log_loss']:.4f}",
            *(f"{ranks[measure][name]:.2f}" for measure in MEASURES),
            f"{np.mean([ranks[measure][name] for measure in MEASURES]):.2f}",
            f"{seconds[name]:.1f}",
        ]
        for name in names
        if name in by_model.index
    ]
    header = ["model", "data sets", "mean error %", "mean log-loss"]
    header += ["rank by error", "by log-loss", "mean rank", "seconds to fit, all"]
    report.print_table("Over all data sets", header, rows)
    print_wins(means)


def print_wins(means):
    """Print on how many data sets DeepNetClassifier beats MLPClassifier."""
    if not {OURS, MLP} <= set(means.index.get_level_values("model")):
        return
    for measure, tie in TIE.items():
        table = means[measure].unstack()
        difference = (table[OURS] - table[MLP]).dropna()
        wins, losses = int((difference < -tie).sum()), int((difference > tie).sum())
        print(
            f"{OURS} against {MLP} by {measure}: {wins} wins, {len(difference) - wins - losses} "
            f"ties (within {tie}), {losses} losses; mean difference {difference.mean():+.4f}"
        )


def main():
    """Measure, print and, where asked to, write the raw results."""
    options = parse_arguments()
    silence_expected_warnings()
    report.print_environment("pytabkit")
    data_sets = {name: (X, y) for name, X, y in report.load_folder(options.folder)}
    settings = report.parse_settings(options.set)
    models, data_sets = choose(options.only, make_models(settings), data_sets)
    print(f"{options.splits} splits, at most {options.max_rows} rows to train on")
    if settings:
        print(f"DeepNetClassifier is not at its defaults: {settings}")
    warm_up(models)
    results = measure(models, data_sets, options)
    if options.csv:
        results.to_csv(options.csv, index=False)
    if results.empty:
        raise SystemExit("No fit succeeded.")
    print_by_data_set(results, list(models))
    print_summary(results, list(models))


if __name__ == "__main__":
    main()
