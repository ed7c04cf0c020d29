"""Measure how long a search's preprocessing takes.

The steps before a net are the same for all candidates: does a search take longer for them than to
fit them, and to transform the rows to score on, once for each fold?

GridSearchCV of a net that trains for one epoch, on a table with text columns (adult): 40 candidates
x 5 folds, skrub's TableVectorizer and a StandardScaler in front. The processor's seconds in the
steps are counted, and those to find out which rows are the same. With --without, a search that
fits them for each candidate is measured, too; its scores must be the same.
"""

import time
from contextlib import contextmanager

import _report as report
import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skrub import StringEncoder, TableVectorizer

from sknethp import DeepNetClassifier
from sknethp.model_selection import GridSearchCV, preprocessing

WANTED = 1.2


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parser.add_argument("file", help="adult.csv.gz: a CSV file with a column named target")
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--without", action="store_true", help="also fit for each candidate")
    return parser.parse_args()


def steps():
    """Return what is in front of the net; with a seed, or it could not be shared."""
    return [TableVectorizer(high_cardinality=StringEncoder(random_state=0)), StandardScaler()]


class Stopwatch:
    """Counts processor time in what runs under it, once where it is nested."""

    def __init__(self):
        self.seconds = 0.0
        self._depth = 0

    @contextmanager
    def running(self):
        """Count what is inside."""
        self._depth += 1
        start = time.process_time()
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.process_time() - start


def timed(stopwatch, function):
    """Return a function that runs under a stopwatch."""

    def run(*args, **kwargs):
        with stopwatch.running():
            return function(*args, **kwargs)

    return run


def search(X, y, options, folds, *, is_shared):
    """Return a fitted search, the seconds in its steps, and those in all."""
    stopwatch = Stopwatch()

    class Cache(preprocessing.PreprocessingCache):
        def cache(self, function, ignore=None):
            return timed(stopwatch, super().cache(function, ignore))

        def _transform(self, transform, is_kept):
            return timed(stopwatch, super()._transform(transform, is_kept))

    net = DeepNetClassifier(hidden_units=16, batch_size=1024, max_epochs=1, random_state=0)
    grid = {"deepnetclassifier__lr": np.geomspace(1e-4, 1e-1, options.candidates).tolist()}
    search = GridSearchCV(make_pipeline(*steps(), net), grid, cv=folds, refit=False)
    given = preprocessing.PreprocessingCache, preprocessing._key
    preprocessing.PreprocessingCache = Cache
    if not is_shared:
        preprocessing._key = lambda step: None
    start = time.process_time()
    try:
        search.fit(X, y)
    finally:
        preprocessing.PreprocessingCache, preprocessing._key = given
    return search, stopwatch.seconds, time.process_time() - start


def once_per_fold(X, y, folds):
    """Return the seconds to fit the steps in each fold and transform the rows to score on."""
    seconds = 0.0
    for train, test in folds:
        X_train, X_test = X.iloc[train], X.iloc[test]
        preprocessor = make_pipeline(*steps())
        start = time.process_time()
        preprocessor.fit_transform(X_train, y[train])
        preprocessor.transform(X_test)
        seconds += time.process_time() - start
    return seconds


def main():
    """Measure, and print a line for each."""
    options = parse_arguments()
    report.print_environment()
    frame = pd.read_csv(options.file)
    y = frame.pop("target").to_numpy()
    folds = list(StratifiedKFold(options.folds, shuffle=True, random_state=0).split(frame, y))
    once_per_fold(frame, y, folds[:1])  # warm-up
    alone = once_per_fold(frame, y, folds)
    print(f"fitted by themselves, {options.folds} times: {alone:.2f} s")
    shared, seconds, total = search(frame, y, options, folds, is_shared=True)
    print(
        f"in a search of {options.candidates} candidates: {seconds:.2f} s of {total:.2f} s, "
        f"{seconds / alone:.2f} x (wanted: at most {WANTED} x)"
    )
    if options.without:
        other, seconds, total = search(frame, y, options, folds, is_shared=False)
        print(f"fitted for each: {seconds:.2f} s of {total:.2f} s, {seconds / alone:.2f} x")
        name = "mean_test_score"
        same = (shared.cv_results_[name] == other.cv_results_[name]).all()
        print(f"the scores are {'the same' if same else 'NOT THE SAME'}")


if __name__ == "__main__":
    main()
