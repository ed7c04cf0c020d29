"""The searches that bench_search.py times, and the two ways to fit one of ours."""

import contextlib
import functools
import time
from unittest import mock

import joblib
import numpy as np
from _contenders import FACTORIES, LR_NAME, MLP, MOMENTUM_NAME, OURS, SKORCH
from _report import interleave, timed
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

FUSED, UNFUSED = "ours, fused", "ours, one at a time"
WORKERS, WORKERS_DROPOUT = "ours, fused, n_jobs=-1", "ours, fused, n_jobs=-1, dropout"
MOMENTA = (0.0, 0.5, 0.8, 0.9, 0.95)
LR_RANGE = (1e-3, 0.3)


def make_grid(library, n_candidates):
    """Return a grid of about `n_candidates`: learning rates x at most five momenta."""
    n_momenta = min(len(MOMENTA), max(1, n_candidates // 2))
    rates = np.geomspace(*LR_RANGE, max(1, n_candidates // n_momenta))
    return {
        f"net__{LR_NAME[library]}": [float(rate) for rate in rates],
        f"net__{MOMENTUM_NAME[library]}": list(MOMENTA[:n_momenta]),
    }


def make_pipeline(library, n_units, n_epochs, **settings):
    """Return a scaler and the network, which is trained with SGD."""
    net = FACTORIES[library](n_units, n_epochs, optimizer="sgd", momentum=0.9, **settings)
    return Pipeline([("scale", StandardScaler()), ("net", net)])


def make_grid_search(library, n_units, n_epochs, n_candidates, n_folds, n_jobs=None, **settings):
    """Return the grid search of one contender."""
    pipeline = make_pipeline(library, n_units, n_epochs, **settings)
    return GridSearchCV(pipeline, make_grid(library, n_candidates), cv=n_folds, n_jobs=n_jobs)


def make_bayes_search(library, search_library, n_units, n_epochs, n_evaluations, n_folds):
    """Return a Bayesian search, ours or scikit-optimize's, that asks for eight points at a time."""
    from skopt.space import Real

    spaces = {
        f"net__{LR_NAME[library]}": Real(*LR_RANGE, prior="log-uniform"),
        f"net__{MOMENTUM_NAME[library]}": Real(MOMENTA[0], MOMENTA[-1]),
    }
    return _bayes_classes(search_library)[0](
        make_pipeline(library, n_units, n_epochs),
        spaces,
        n_iter=n_evaluations,
        n_points=8,
        cv=n_folds,
        n_jobs=None,
        random_state=0,
    )


def _bayes_classes(search_library):
    """Return the search, and the class whose methods propose candidates."""
    if search_library == "skopt":
        from skopt import BayesSearchCV, Optimizer

        return BayesSearchCV, Optimizer
    from sknethp.model_selection import BayesSearchCV
    from sknethp.model_selection.bayesian.proposals import RoundOptimizer

    return BayesSearchCV, RoundOptimizer


def time_proposals(search_library):
    """Add up the seconds in which a Bayesian search learns and proposes; see `time_methods`."""
    return time_methods(_bayes_classes(search_library)[1], "ask", "tell")


def fit_fused(search, X, y, n_jobs=None, silent=False):
    """Fit a search with its nets trained together, in this process or in several."""
    import sknethp

    with sknethp.fused(n_jobs, silent=silent):
        return search.fit(X, y)


fit_in_workers = functools.partial(fit_fused, n_jobs=-1)


def fit_plain(search, X, y):
    """Fit a search as it is."""
    return search.fit(X, y)


def fit_in_processes(search, X, y):
    """Fit a search whose tasks run one by one in as many worker processes as there are cores."""
    with joblib.parallel_config("loky", n_jobs=-1):
        return search.fit(X, y)


def make_contenders(names, n_skorch, dropout, **settings):
    """Return what competes in a grid search.

    Parameters
    ----------
    names : sequence of str
        Those wanted, of FUSED, WORKERS, WORKERS_DROPOUT, UNFUSED, MLP and SKORCH.
    n_skorch : int
        Candidates for skorch, which is slow.
    dropout : float
        Dropout of every layer for WORKERS_DROPOUT.
    **settings
        Passed to `make_grid_search`.

    Returns
    -------
    contenders : dict of str to (callable, callable)
        What makes the search, and what fits it.
    """
    make = functools.partial(make_grid_search, **settings)
    every = {
        FUSED: (functools.partial(make, OURS), fit_fused),
        WORKERS: (functools.partial(make, OURS), fit_in_workers),
        WORKERS_DROPOUT: (functools.partial(make, OURS, dropout=dropout), fit_in_workers),
        UNFUSED: (functools.partial(make, OURS, n_jobs=-1), fit_plain),
        MLP: (functools.partial(make, MLP, n_jobs=-1), fit_plain),
        SKORCH: (functools.partial(make, SKORCH, n_jobs=-1, n_candidates=n_skorch), fit_plain),
    }
    return {name: every[name] for name in names}


def run_contenders(contenders, X, y, n_repeats):
    """Return {name: (last fitted search, seconds of each repeat)}."""

    def run(name):
        make, fit = contenders[name]
        return timed(fit, make(), X, y)

    runs = interleave({name: functools.partial(run, name) for name in contenders}, n_repeats)
    return {
        name: (results[-1][0], [seconds for _, seconds in results])
        for name, results in runs.items()
    }


def best_score(search):
    """Return the best mean test score, failed candidates left out."""
    return float(np.nanmax(search.cv_results_["mean_test_score"]))


def score_difference(first, second):
    """Return the largest difference of mean test scores; infinite if other candidates failed."""
    first, second = (
        np.asarray(search.cv_results_["mean_test_score"], dtype=float) for search in (first, second)
    )
    if not np.array_equal(np.isnan(first), np.isnan(second)):
        return float("inf")
    return float(np.nanmax(np.abs(first - second)))


class Dummy(DummyClassifier):
    """A classifier with the hyperparameters of a grid, of which none has an effect."""

    def __init__(self, lr=0.1, momentum=0.9):
        super().__init__()
        self.lr, self.momentum = lr, momentum


def time_beside_training(net, X, y, n_candidates, n_folds):
    """Return the seconds of processor time per fit of a search, its training left out.

    With a network the search is fused. It is not refitted.
    """
    from sknethp.fusion.rounds import CountedRounds

    pipeline = Pipeline([("scale", StandardScaler()), ("net", net)])
    grid = make_grid(OURS, n_candidates)
    search = GridSearchCV(pipeline, grid, cv=n_folds, refit=False)
    fit = fit_plain if isinstance(net, Dummy) else functools.partial(fit_fused, silent=True)
    with time_methods(CountedRounds, "train_all", clock=time.process_time) as training:
        start = time.process_time()
        fit(search, X, y)
        seconds = time.process_time() - start
    return (seconds - sum(training)) / (len(search.cv_results_["params"]) * n_folds)


@contextlib.contextmanager
def time_methods(owner, *names, clock=time.perf_counter):
    """Add up the time spent in a class's methods; calls inside one another count once.

    Yields
    ------
    seconds : list of float
        One entry per outermost call.
    """
    seconds, depth = [], [0]

    def wrap(method):
        @functools.wraps(method)
        def wrapped(*args, **kwargs):
            depth[0] += 1
            start = clock()
            try:
                return method(*args, **kwargs)
            finally:
                depth[0] -= 1
                if depth[0] == 0:
                    seconds.append(clock() - start)

        return wrapped

    with contextlib.ExitStack() as stack:
        for name in names:
            stack.enter_context(mock.patch.object(owner, name, wrap(getattr(owner, name))))
        yield seconds
