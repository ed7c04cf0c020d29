"""With a memory, a search that was made or killed is not made again."""

import json
import os
import shutil
import subprocess
import sys
import warnings
from itertools import accumulate

import numpy as np
import pytest
from joblib import Memory, parallel_config
from sklearn import model_selection as parents
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline
from skopt.space import Categorical

from sknethp import DeepNetClassifier, fused
from sknethp.model_selection import (
    BayesSearchCV,
    GridSearchCV,
    HalvingRandomSearchCV,
    LayerGrowthSearchCV,
    ManualSearchCV,
    RandomizedSearchCV,
)
from tests.helpers import no_large_files
from tests.helpers import small_net as net

X, y = load_iris(return_X_y=True)


def kept(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.npz")}


SEARCHES = {
    "bayes": lambda memory: BayesSearchCV(
        net(), {"lr": (1e-3, 1e-1, "log-uniform")}, n_iter=10, cv=3, random_state=0, memory=memory
    ),
    "halving": lambda memory: HalvingRandomSearchCV(
        net(),
        {"lr": [0.001, 0.003, 0.01, 0.03]},
        n_candidates=4,
        resource="max_epochs",
        max_resources=8,
        factor=2,
        cv=3,
        random_state=0,
        memory=memory,
    ),
    "growth": lambda memory: LayerGrowthSearchCV(
        net(), {"lr": [0.01, 0.1]}, max_layers=3, cv=3, memory=memory
    ),
    "manual": lambda memory: ManualSearchCV(
        net(), {"as it is": {}, "wider": {"hidden_units": 16}}, cv=3, memory=memory
    ),
}


@pytest.mark.parametrize("kind", SEARCHES)
def test_the_second_search_trains_nothing(tmp_path, kind):
    alone = SEARCHES[kind](None).fit(X, y)
    first = SEARCHES[kind](tmp_path).fit(X, y)
    files = kept(tmp_path)
    again = SEARCHES[kind](tmp_path).fit(X, y)
    assert first.fused_summary_.fits == alone.fused_summary_.fits > 0
    assert again.fused_summary_.fits == 0
    assert again.fused_summary_.found == first.fused_summary_.fits
    assert kept(tmp_path) == files
    assert again.best_params_ == alone.best_params_
    for name in ("mean_test_score", "split0_test_score"):
        np.testing.assert_array_equal(again.cv_results_[name], alone.cv_results_[name])
    np.testing.assert_array_equal(again.predict_proba(X), alone.predict_proba(X))


def test_what_grows_further_trains_only_that(tmp_path):
    """What was evaluated before is found, whatever the limits of the search were."""
    SEARCHES["growth"](tmp_path).set_params(max_layers=1).fit(X, y)
    further = SEARCHES["growth"](tmp_path).fit(X, y)
    alone = SEARCHES["growth"](None).fit(X, y)
    assert further.fused_summary_.found == 2 * 3 + 1  # the refit, too
    assert further.fused_summary_.fits == alone.fused_summary_.fits - 2 * 3 - 1
    assert further.growth_ == alone.growth_


def test_tries_by_hand_are_kept(tmp_path):
    """A script with tries, run twice, trains once; a new try trains its own folds."""
    for run in range(2):
        search = SEARCHES["manual"](tmp_path).fit(X, y)
        search.try_candidate("faster", lr=0.01)
        search.keep("faster").try_candidate("faster, deeper", hidden_layers=3)
        # Four candidates on three folds; refits of the best, and of the one that was kept.
        if run == 0:
            files = kept(tmp_path)
        assert search.fused_summary_.fits == (3 if run == 0 else 0)
    assert kept(tmp_path) == files
    assert 12 < len(files) <= 12 + 4
    search.try_candidate("faster, deepest", hidden_layers=4)
    assert search.fused_summary_.fits == 3
    assert len(kept(tmp_path)) == len(files) + 3


@pytest.mark.parametrize("kind", list(SEARCHES))
@pytest.mark.parametrize("place", ["search", "net"])
def test_a_path_that_cannot_be_written(tmp_path, monkeypatch, kind, place):
    """One sentence, before any fit."""
    monkeypatch.setattr(DeepNetClassifier, "fit", None)
    (tmp_path / "file").write_text("mine")
    search = SEARCHES[kind](None)
    name = "memory" if place == "search" else "estimator__memory"
    search.set_params(**{name: str(tmp_path / "file")})
    with pytest.raises(OSError, match=r"^memory='.*file' cannot be written .*: give a folder"):
        search.fit(X, y)
    assert (tmp_path / "file").read_text() == "mine"


def wide_or_not(n_layers=1):
    return {"hidden_units": [8] if n_layers == 1 else [8, 256]}


UNKEPT = {
    "grid": lambda **options: GridSearchCV(net(), wide_or_not(2), **options),
    "bayes": lambda **options: BayesSearchCV(
        net(),
        {"hidden_units": Categorical([8, 256])},
        n_points=1,
        n_iter=2,
        random_state=0,
        **options,
    ),
    "halving": lambda **options: HalvingRandomSearchCV(
        net(),
        wide_or_not(2),
        n_candidates=2,
        resource="max_epochs",
        max_resources=6,
        random_state=0,
        **options,
    ),
    "growth": lambda **options: LayerGrowthSearchCV(
        net(), wide_or_not, speculative=1, max_layers=3, **options
    ),
    "manual": lambda **options: ManualSearchCV(
        net(), {"narrow": {}, "wide": {"hidden_units": 256}}, **options
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("error_score", [np.nan, "raise"])
@pytest.mark.parametrize("kind", UNKEPT)
def test_what_cannot_be_kept_ends_the_search(tmp_path, kind, error_score):
    """A full disk is no failed candidate; what was kept is found when there is room."""
    options = {"cv": 3, "error_score": error_score, "refit": False}
    alone = UNKEPT[kind](**options).fit(X, y)
    search = UNKEPT[kind](memory=tmp_path, **options)
    with no_large_files(), pytest.raises(OSError, match=FULL):
        search.fit(X, y)
    assert not hasattr(search, "cv_results_")
    files = kept(tmp_path)
    assert len(files) == len(list(tmp_path.rglob("*.*"))) >= 3  # no half-written file either
    search.fit(X, y)
    assert search.fused_summary_.found == len(files)
    assert search.fused_summary_.fits == alone.fused_summary_.fits - len(files)
    for column in ("mean_test_score", "rank_test_score"):
        np.testing.assert_array_equal(search.cv_results_[column], alone.cv_results_[column])


FULL = r"^memory='.*' could not keep a finished fit \(File too large\)\. All fits kept before are"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_what_cannot_be_kept_ends_any_fused_block(tmp_path, n_jobs):
    """So it does with scikit-learn's searches, nested ones, and in worker processes."""
    search = parents.GridSearchCV(net(memory=tmp_path), wide_or_not(2), cv=3)
    with no_large_files(), pytest.raises(OSError, match=FULL), fused(n_jobs, silent=True):
        cross_val_score(search, X, y, cv=2)
    assert kept(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
@pytest.mark.parametrize(
    ("backend", "units"),
    [("sequential", [8, 256]), ("threading", [256]), ("loky", [8, 256])],
)
def test_what_cannot_be_kept_ends_a_search_on_any_backend(tmp_path, backend, units):
    """A part of the fits or all: none counts as a candidate that failed."""
    search = GridSearchCV(net(), {"hidden_units": units}, cv=3, memory=tmp_path, n_jobs=2)
    with (
        no_large_files(),
        parallel_config(backend),
        pytest.raises(OSError, match=FULL),
    ):
        search.fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["search", "net", "joblib"])
def test_a_relative_path_means_where_the_search_is(tmp_path, monkeypatch, place):
    """Although worker processes stay where they were started."""
    memory = Memory("kept", verbose=0) if place == "joblib" else "kept"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        search = GridSearchCV(net(), {"lr": [0.01, 0.1]}, cv=3, refit=False)
        search.set_params(**{"estimator__memory" if place == "net" else "memory": memory})
        with fused(2, silent=True):
            search.fit(X, y)
        assert len(kept(tmp_path / folder / "kept")) == 6


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_try_that_cannot_be_kept(tmp_path):
    """The search by hand stays as it was, and can go on."""
    search = ManualSearchCV(net(), {"narrow": {}}, cv=3, memory=tmp_path).fit(X, y)
    with no_large_files(), pytest.raises(OSError, match=FULL):
        search.try_candidate("wide", hidden_units=256)
    assert list(search.cv_results_["candidate"]) == ["narrow"]
    assert list(search.try_candidate("wide", hidden_units=256).cv_results_["candidate"]) == [
        "narrow",
        "wide",
    ]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system")
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="cannot mount a file system")
def test_a_disk_that_fills_up(small_disk):
    """As many fits as there is room for are kept, and found."""
    space = {"hidden_units": [200, 210, 220, 230, 240, 250]}
    search = GridSearchCV(net(), space, cv=3, memory=small_disk, refit=False)
    with pytest.raises(OSError, match=r"could not keep a finished fit \(No space left on device\)"):
        search.fit(X, y)
    files = kept(small_disk)
    assert 0 < len(files) < 18
    assert len(files) == len(list(small_disk.rglob("*.*")))
    with fused(silent=True) as summary, pytest.raises(OSError, match="No space left on device"):
        search.fit(X, y)
    assert summary.found == len(files)


@pytest.mark.parametrize("kind", ["grid", "manual", "bayes"])
def test_nets_that_candidates_bring(tmp_path, kind):
    """A search's memory reaches those, too, and leaves what the user gave as it is."""
    mine = [net(lr=0.01), net(lr=0.1)]
    pipeline = Pipeline([("model", LogisticRegression())])
    options = {"memory": tmp_path, "cv": 3}
    search = {
        "grid": GridSearchCV(pipeline, {"model": mine}, **options),
        "manual": ManualSearchCV(
            pipeline, {"a": {"model": mine[0]}, "b": {"model": mine[1]}}, **options
        ),
        "bayes": BayesSearchCV(pipeline, {"model": mine}, n_iter=2, random_state=0, **options),
    }[kind]
    assert search.fit(X, y).fused_summary_.fits == 7
    assert len(kept(tmp_path)) == 7
    assert clone(search).fit(X, y).fused_summary_.found == 7
    if kind == "manual":
        for _ in range(2):
            search = clone(search).fit(X, y).try_candidate("c", model=net(lr=0.03))
        assert search.fused_summary_.found == 3
    assert {model.memory for model in mine} == {None}


def test_what_is_drawn_anew_is_no_use_to_keep(tmp_path):
    """A net, folds or a search without a seed: a warning names them."""
    net = DeepNetClassifier(hidden_units=8, max_epochs=1)
    folds = StratifiedKFold(3, shuffle=True)
    space = {"lr": [0.01, 0.1]}
    search = RandomizedSearchCV(net, space, n_iter=2, cv=folds, memory=tmp_path)
    with pytest.warns(UserWarning, match="set random_state and random_state of cv and random_st"):
        search.fit(X, y)
    search.set_params(random_state=0, cv=3, estimator__random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(X, y)
        search.set_params(memory=None, random_state=None).fit(X, y)


KILLED = """
import json, os, signal, sys, time
from itertools import count
from pathlib import Path

import psutil
from sklearn.datasets import load_iris
from sknethp import DeepNetClassifier, fused
from sknethp.model_selection import *

X, y = load_iris(return_X_y=True)
folder, kind, kills = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])

def kept():
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".tmp"]

class Stopping(DeepNetClassifier):
    # Ends no fit once there are enough: a worker process that has one waits to be killed.
    def fit(self, X, y):
        super().fit(X, y)
        if (folder.parent / "stop").exists() and len(kept()) >= kills[0]:
            (folder.parent / "stopped").touch()
            time.sleep(600)
        return self

def make_search(net, **options):
    grid = {"max_epochs": list(range(5, 30, 5)), "lr": [1e-3, 1e-2]}
    if kind == "bayes":
        space = {"max_epochs": (5, 30), "lr": (1e-3, 1e-1, "log-uniform")}
        return BayesSearchCV(net, space, n_iter=16, random_state=0, **options)
    if kind == "random":
        space = {"max_epochs": list(range(5, 30)), "lr": [1e-3, 3e-3, 1e-2]}
        return RandomizedSearchCV(net, space, n_iter=12, random_state=0, **options)
    if kind == "halving":
        return HalvingRandomSearchCV(
            net, {"lr": [i / 1000 for i in range(1, 13)]}, n_candidates=12, factor=2,
            resource="max_epochs", max_resources=32, random_state=0, **options,
        )
    if kind == "growth":
        return LayerGrowthSearchCV(net, grid, max_layers=2, **options)
    if kind == "manual":
        named = {str(n): {"max_epochs": n} for n in range(10, 20)}
        return ManualSearchCV(net, named, **options)
    return GridSearchCV(net, grid, **options)

def run(memory, workers):
    net = (Stopping if kind == "workers" else DeepNetClassifier)(hidden_units=8, random_state=0)
    search = make_search(net, cv=3, memory=memory, refit=False)
    with fused(workers, silent=True) as summary:
        search.fit(X, y)
    scores = search.cv_results_["mean_test_score"].tolist()
    best = search.cv_results_["params"][search.best_index_]
    return {"scores": scores, "best": best, "fits": summary.fits}

def in_a_child(memory, prepare=lambda: None, workers=None):
    # Forked before torch has made threads.
    child = os.fork()
    if child == 0:
        prepare()
        (folder.parent / "result.json").write_text(json.dumps(run(memory, workers), default=int))
        os._exit(0)
    return child

def killed(child):
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])

def result(memory):
    assert not killed(in_a_child(memory))
    return json.loads((folder.parent / "result.json").read_text())

def kill_itself(number, before):
    # At a fit that is kept: before its file has its name, or after.
    replace, numbers = os.replace, count(1)
    def replace_or_end(*names):
        last = next(numbers) == number
        if not (last and before):
            replace(*names)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
    os.replace = replace_or_end

def kill_with_its_workers():
    (folder.parent / "stop").touch()
    child = in_a_child(folder, workers=2)
    while not (folder.parent / "stopped").exists():
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "ended before it was killed"
        time.sleep(0.01)
    workers = psutil.Process(child).children(recursive=True)
    os.kill(child, signal.SIGKILL)
    assert killed(child)
    (folder.parent / "stop").unlink()
    return len(workers), len(psutil.wait_procs(workers, timeout=20)[1])

told = {"expected": result(None), "counts": [], "workers": None}
if kind == "workers":
    told["workers"] = kill_with_its_workers()
    told["counts"].append(len(kept()))
else:
    for i, number in enumerate(kills):
        assert killed(in_a_child(folder, lambda: kill_itself(number, before=i % 2 == 0)))
        told["counts"].append(len(kept()))
newest = max(kept(), key=lambda path: path.stat().st_mtime_ns)
newest.write_bytes(newest.read_bytes()[:100])
told["found"] = result(folder)
print(json.dumps(told))
"""

# How many fits a search keeps until it is killed, at its first run, its second, and so on.
KILLS = {
    "random": [1, 12],
    "bayes": [30, 1],  # in the second round
    "halving": [40],  # in the second rung
    "growth": [45],  # of the second depth
    "manual": [7],
    "workers": [5],
}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(("kind", "kills"), KILLS.items(), ids=KILLS)
def test_a_killed_search_goes_on(tmp_path, kind, kills):
    """Killed while it keeps a fit, and with a damaged file, it ends as if it had not been.

    Its worker processes do not outlive it.
    """
    pytest.importorskip("psutil")
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, tmp_path / "kept", kind, json.dumps(kills)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["found"]["scores"] == told["expected"]["scores"]
    assert told["found"]["best"] == told["expected"]["best"]
    if kind == "workers":
        n_workers, n_left = told["workers"]
        assert n_workers >= 2
        assert n_left == 0
        assert told["counts"][0] >= kills[0]
    else:
        # The first kill comes before the file is there.
        assert told["counts"] == list(accumulate([kills[0] - 1, *kills[1:]]))
    # One file was damaged.
    assert told["found"]["fits"] == told["expected"]["fits"] - told["counts"][-1] + 1
