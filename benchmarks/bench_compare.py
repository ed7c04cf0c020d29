"""Compare what a user would use: sknethp.compare on many data sets.

Is DeepNetClassifierCV first by mean rank, on error and on log-loss, among gradient boosting, a
random forest and logistic regression, each tuned by random search in the same time, and the
default net?

On every file of a folder (CSV, gzipped or plain, label in the column `target`) sknethp.compare
runs with --seconds for each fit, on the first --cores of the cores that the process may use,
with --folds outer folds; at most --max-rows rows of a file are used, stratified. CatBoost,
XGBoost, LightGBM and RealMLP, at their defaults, take part with --with, as far as they are
installed.

With --results FOLDER every finished model and fold is kept, from which the next run goes on; the
comparison of each data set is saved there, as CSV and JSON. Printed per data set: its table, the
verdict and warnings; at the end mean error, mean log-loss, mean ranks and times, with how many
fits overran the time by more than 10 % and a second.
"""

import importlib
import pathlib
import time
import warnings

import _report as report
import numpy as np
import pandas as pd
from bench_minute import confine
from sklearn.model_selection import train_test_split

PEERS = {
    "CatBoost": ("catboost", "CatBoostClassifier", {"verbose": 0, "allow_writing_files": False}),
    "XGBoost": ("xgboost", "XGBClassifier", {}),
    "LightGBM": ("lightgbm", "LGBMClassifier", {"verbose": -1}),
    "RealMLP": ("pytabkit", "RealMLP_TD_Classifier", {"device": "cpu", "verbosity": 0}),
}
UNTIMED = ("DeepNetClassifier", *PEERS)


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    add = parser.add_argument
    add("folder", nargs="?", default="../shared/data")
    add("--seconds", type=float, default=60.0, help="for each fit")
    add("--cores", type=int, default=2, help="cores that each fit may use")
    add("--folds", type=int, default=5, help="outer folds")
    add("--max-rows", type=int, default=10_000, help="rows of a data set, at most")
    add("--only", nargs="+", default=[], metavar="NAME", help="names of data sets")
    add("--with", nargs="+", default=[], choices=PEERS, dest="peers", help="libraries to add")
    add("--results", metavar="FOLDER", help="where results are kept, and where to go on from")
    options = parser.parse_args()
    if not 1 <= options.cores <= report.usable_cores():
        parser.error(f"--cores must be 1 to {report.usable_cores()}, the cores that are usable.")
    return options


def make_models(peers):
    """Return the built-in models, and the libraries wanted."""
    from sknethp.comparison import MODELS

    own = {}
    for name in peers:
        module, kind, settings = PEERS[name]
        own[name] = getattr(importlib.import_module(module), kind)(**settings)
    return [*MODELS, own] if own else list(MODELS)


def compared(name, X, y, options):
    """Compare on one data set, print and save."""
    from sknethp import compare

    if len(X) > options.max_rows:
        X, _, y, _ = train_test_split(X, y, train_size=options.max_rows, stratify=y, random_state=0)
    folder = options.results and pathlib.Path(options.results)
    start = time.perf_counter()
    comparison = compare(
        X,
        y,
        make_models(options.peers),
        max_time=options.seconds,
        cv=options.folds,
        n_jobs=options.cores,
        memory=folder and folder / "unfinished",
        random_state=0,
        progress=True,
    )
    print(f"\n{name}: {X.shape[0]} rows, {X.shape[1]} columns, {len(np.unique(y))} classes, "
          f"{time.perf_counter() - start:.0f} s\n{comparison}", flush=True)  # fmt: skip
    if folder:
        comparison.save(folder / name)
    return comparison.scores_.assign(data=name)


def summarize(scores, seconds):
    """Return header and rows: each model's means, mean ranks, times and overruns."""
    measured = scores.assign(error=100 * (1 - scores["accuracy"]), loss=-scores["neg_log_loss"])
    means = measured.groupby(["data", "model"])[["error", "loss"]].mean()
    ranks = {name: means[name].unstack().rank(axis=1).mean() for name in means}
    by_model, times = means.groupby("model").mean(), scores.groupby("model")["fit_seconds"]
    limit = seconds + max(0.1 * seconds, 1)
    rows = []
    for model in sorted(by_model.index, key=lambda m: ranks["error"][m] + ranks["loss"][m]):
        n_over = "" if model in UNTIMED else str((times.get_group(model) > limit).sum())
        rows.append(
            [
                model,
                f"{by_model.loc[model, 'error']:.2f}",
                f"{by_model.loc[model, 'loss']:.4f}",
                f"{ranks['error'][model]:.2f}",
                f"{ranks['loss'][model]:.2f}",
                f"{times.mean()[model]:.1f}",
                f"{times.max()[model]:.1f}",
                n_over or None,
            ]
        )
    header = ["model", "mean error %", "mean log-loss", "rank by error", "by log-loss"]
    return [*header, "mean s", "max s", "overran"], rows


def main():
    """Compare on each data set, and print the summary."""
    options = parse_arguments()
    confine(options.cores)
    warnings.filterwarnings("ignore", category=UserWarning)
    report.print_environment("pandas", "skrub", *(PEERS[name][0] for name in options.peers))
    data_sets = {name: (X, y) for name, X, y in report.load_folder(options.folder)}
    if unknown := set(options.only) - set(data_sets):
        raise SystemExit(f"--only: {', '.join(unknown)} is none of {', '.join(data_sets)}.")
    wanted = options.only or list(data_sets)
    scores = pd.concat([compared(name, *data_sets[name], options) for name in wanted])
    title = (
        f"{len(wanted)} data sets, {options.folds} folds, {options.seconds:g} s for each fit, "
        f"number of cores: {options.cores}"
    )
    report.print_table(title, *summarize(scores, options.seconds))


if __name__ == "__main__":
    main()
