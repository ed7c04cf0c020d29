"""Time nets that tune themselves in one process and in several.

How much faster does DeepNetClassifierCV train the same candidates with `n_jobs`, and does it find
the same?

Each data set is fitted with a number of candidates (without a limit of time) on one torch
thread, on all of them, and in --jobs processes, whose start of some seconds is part of their
time unless --warm has them ready. Nets on all samples are left out. Printed are the seconds of
`fit`, how many times as fast processes are as one thread and as all threads, and whether the
held-out predictions are the same bit for bit.
"""

import functools

import _report as report
import numpy as np
import torch
from _results import split

from sknethp import DeepNetClassifierCV


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    add = parser.add_argument
    add("folder", help="CSV files, gzipped or plain, with a column named target")
    add("--only", nargs="+", metavar="NAME", help="data sets, by file name")
    add("--candidates", type=int, default=8)
    add("--max-rows", type=int, default=2000, help="rows to train on, at most")
    add("--jobs", type=int, default=-1, help="processes, -1 for one per core")
    add("--warm", action="store_true", help="start the processes beforehand")
    options = parser.parse_args()
    options.test_share = 0.25
    return options


def fit(X, y, options, n_jobs, n_threads):
    """Return the seconds of a fit, and its held-out predictions."""
    nets = DeepNetClassifierCV(
        n_candidates=options.candidates, n_jobs=n_jobs, refit=False, random_state=0
    )
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        nets, seconds = report.timed(nets.fit, X, y)
    finally:
        torch.set_num_threads(before)
    return seconds, nets.oof_proba_


def main():
    """Fit, and print a table."""
    options = parse_arguments()
    report.print_environment()
    n_threads = torch.get_num_threads()
    rows = []
    for name, X, y in report.load_folder(options.folder):
        if options.only and name not in options.only:
            continue
        X, _, y, _ = split(X, y, 0, options, raw=False)
        run = functools.partial(fit, X, y, options)
        if options.warm:
            run(options.jobs, n_threads)
        (one, expected), (threads, _), (processes, found) = (
            run(1, 1),
            run(1, n_threads),
            run(options.jobs, n_threads),
        )
        same = "yes" if np.array_equal(expected, found, equal_nan=True) else "NO"
        seconds = [f"{value:.1f}" for value in (one, threads, processes)]
        ratios = [f"{one / processes:.2f}", f"{threads / processes:.2f}"]
        rows.append([f"{name}, {X.shape[0]} x {X.shape[1]}", *seconds, *ratios, same])
    if not rows:
        raise SystemExit("No data set of these names.")
    report.print_table(
        f"Seconds of {options.candidates} candidates, threads: {n_threads}, n_jobs={options.jobs}",
        ["data", "1 thread", "threads", "processes", "/ 1 thread", "/ threads", "same"],
        rows,
    )


if __name__ == "__main__":
    main()
