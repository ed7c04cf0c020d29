"""With a memory, a search that was made or killed is not made again."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score

from sknethp import DeepNetClassifier
from sknethp.model_selection import (
    BayesSearchCV,
    HalvingRandomSearchCV,
    LayerGrowthSearchCV,
    ManualSearchCV,
)

X, y = load_iris(return_X_y=True)


def net():
    return DeepNetClassifier(hidden_units=8, max_epochs=3, random_state=0)


def kept(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("output.pkl")}


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
    assert further.fused_summary_.fits == alone.fused_summary_.fits - 2 * 3
    assert further.growth_ == alone.growth_


def test_tries_by_hand_are_kept(tmp_path):
    """A script with tries, run twice, trains once; a new try trains its own folds."""
    for run in range(2):
        search = SEARCHES["manual"](tmp_path).fit(X, y)
        search.try_("faster", lr=0.01)
        search.keep("faster").try_("faster, deeper", hidden_layers=3)
        # Four candidates on three folds; refits of the best, and of the one that was kept.
        if run == 0:
            files = kept(tmp_path)
        assert search.fused_summary_.fits == (3 if run == 0 else 0)
    assert kept(tmp_path) == files
    assert 12 < len(files) <= 12 + 4
    search.try_("faster, deepest", hidden_layers=4)
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


FULL_DISK = """
import resource, signal, sys, warnings
from sklearn.datasets import load_iris
from sklearn.exceptions import FitFailedWarning
from sknethp import DeepNetClassifier, fused
from sknethp.model_selection import GridSearchCV

def run():
    net = DeepNetClassifier(max_epochs=3, random_state=0, memory=sys.argv[1])
    search = GridSearchCV(net, {"hidden_units": [8, 256]}, cv=3, refit=False)
    with fused(silent=True) as summary, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(*load_iris(return_X_y=True))
    for warning in caught:
        if warning.category is FitFailedWarning:
            print(warning.message)
    print(summary.fits, *search.cv_results_["mean_test_score"])

enough = resource.getrlimit(resource.RLIMIT_FSIZE)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, enough[1]))
run()
resource.setrlimit(resource.RLIMIT_FSIZE, enough)
run()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk(tmp_path):
    """What could not be kept is marked as failed, and made when there is room."""
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True
    )
    told, first, again = run.stdout[:-1].rsplit("\n", 2)
    assert "OSError: memory=" in told
    assert "most likely the disk is full" in told
    small, large = (
        DeepNetClassifier(hidden_units=units, max_epochs=3, random_state=0) for units in (8, 256)
    )
    scores = [cross_val_score(model, X, y, cv=3).mean() for model in (small, large)]
    assert first.split() == ["6", str(scores[0]), "nan"]
    assert again.split() == ["3", *map(str, scores)]


KILLED = """
import json, os, random, signal, sys, time
from pathlib import Path

import psutil
from sklearn.datasets import load_iris
from sknethp import DeepNetClassifier, fused
from sknethp.model_selection import BayesSearchCV, GridSearchCV

X, y = load_iris(return_X_y=True)
folder, kind, n_kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
net = DeepNetClassifier(hidden_units=8, random_state=0)

def run(memory, workers=None):
    options = dict(cv=3, memory=memory, refit=False)
    if kind == "bayes":
        space = {"max_epochs": (5, 60), "lr": (1e-3, 1e-1, "log-uniform")}
        search = BayesSearchCV(net, space, n_iter=24, random_state=0, **options)
    else:
        space = {"max_epochs": list(range(5, 65, 5)), "lr": [1e-3, 3e-3, 1e-2]}
        search = GridSearchCV(net, space, **options)
    with fused(workers, silent=True) as summary:
        search.fit(X, y)
    scores = search.cv_results_["mean_test_score"].tolist()
    return {"scores": scores, "best": search.best_params_, "fits": summary.fits}

def in_a_child(*args):
    # Forked before torch has made threads.
    child = os.fork()
    if child == 0:
        (folder / "result.json").write_text(json.dumps(run(*args), default=int))
        os._exit(0)
    return child

def kept():
    return len(list(folder.rglob("output.pkl")))

def result(*args):
    os.waitpid(in_a_child(*args), 0)
    told = json.loads((folder / "result.json").read_text())
    (folder / "result.json").unlink()
    return told

def lives(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

told = {"expected": result(None), "counts": [], "workers": [], "survivors": 0}
moments = random.Random(0)
as_killed = (folder / "kept", 2 if kind == "workers" else None)
for _ in range(n_kills):
    wanted = kept() + moments.randint(1, 12)
    child = in_a_child(*as_killed)
    while kept() < wanted:
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "ended before it was killed"
        time.sleep(0.002)
    time.sleep(moments.uniform(0, 0.1))
    workers = psutil.Process(child).children(recursive=True)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    end = time.monotonic() + 20
    while any(map(lives, workers)) and time.monotonic() < end:
        time.sleep(0.1)
    told["counts"].append(kept())
    told["workers"].append(len(workers))
    told["survivors"] += sum(map(lives, workers))
told["found"] = result(*as_killed)
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(("kind", "n_kills"), [("bayes", 3), ("workers", 1)])
def test_a_killed_search_goes_on(tmp_path, kind, n_kills):
    """It ends as if it had not been killed, and its worker processes do not outlive it."""
    pytest.importorskip("psutil")
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, tmp_path, kind, str(n_kills)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["found"]["scores"] == told["expected"]["scores"]
    assert told["found"]["best"] == told["expected"]["best"]
    assert sorted(told["counts"]) == told["counts"]
    assert told["found"]["fits"] == told["expected"]["fits"] - told["counts"][-1] > 0
    assert all(told["workers"]) == (kind == "workers")
    assert told["survivors"] == 0
