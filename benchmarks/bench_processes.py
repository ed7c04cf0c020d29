"""Time nets that tune themselves in one process and in several.

How much faster does DeepNetClassifierCV train the same candidates with `n_jobs`, and does it find
the same?

Each data set is fitted with a number of candidates (without a limit of time) on one torch
thread, on all of them, and in --jobs processes. These join where enough is expected to be left:
more if they must be started, which takes some seconds, than if --warm has them ready. Nets on
all samples are left out. Printed are the seconds of `fit`, how many times as fast processes are
as one thread and as all threads, and whether the held-out predictions are the same bit for bit.
"""

import functools

import _comparison as comparison
import _report as report
import numpy as np
import torch
from _results import split
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score

from sknethp import DeepNetClassifier, DeepNetClassifierCV, fused
from sknethp.training.threads import torch_threads


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    add = parser.add_argument
    add("folder", help="CSV files, gzipped or plain, with a column named target")
    add("--only", nargs="+", default=[], metavar="NAME", help="data sets, by file name")
    add("--test-share", type=float, default=0.25, help="share of the rows to leave out")
    add("--candidates", type=int, default=8)
    add("--max-rows", type=int, default=2000, help="rows to train on, at most")
    add("--jobs", type=int, default=-1, help="processes, -1 for one per core")
    add("--warm", action="store_true", help="start the processes beforehand")
    return parser.parse_args()


def fit(X, y, options, n_jobs, n_threads):
    """Return the seconds of a fit, and its held-out predictions."""
    nets = DeepNetClassifierCV(
        n_candidates=options.candidates, n_jobs=n_jobs, refit=False, random_state=0
    )
    with torch_threads(n_threads):
        _, seconds = report.timed(nets.fit, X, y)
    return seconds, nets.oof_proba_


def start_processes(n_jobs):
    """Have joblib's worker processes import what nets need."""
    X, y = load_iris(return_X_y=True)
    with fused(n_jobs=n_jobs, silent=True):
        cross_val_score(DeepNetClassifier(max_epochs=1), X, y, cv=10)


def main():
    """Fit, and print a table."""
    options = parse_arguments()
    report.print_environment()
    n_threads = torch.get_num_threads()
    rows = []
    if options.warm:
        start_processes(options.jobs)
    data_sets = {name: (X, y) for name, X, y in report.load_folder(options.folder)}
    _, data_sets = comparison.choose(options.only, [], data_sets)
    for name, (X, y) in data_sets.items():
        X, _, y, _ = split(X, y, 0, options, raw=False)
        run = functools.partial(fit, X, y, options)
        one, expected = run(1, 1)
        threads, _ = run(1, n_threads)
        processes, found = run(options.jobs, n_threads)
        same = "yes" if np.array_equal(expected, found, equal_nan=True) else "NO"
        seconds = [f"{value:.1f}" for value in (one, threads, processes)]
        ratios = [f"{one / processes:.2f}", f"{threads / processes:.2f}"]
        rows.append([f"{name}, {X.shape[0]} x {X.shape[1]}", *seconds, *ratios, same])
    report.print_table(
        f"Seconds of {options.candidates} candidates, threads: {n_threads}, n_jobs={options.jobs}",
        ["data", "1 thread", "threads", "processes", "/ 1 thread", "/ threads", "same"],
        rows,
    )


if __name__ == "__main__":
    main()
