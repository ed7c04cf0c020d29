"""A comparison that is killed goes on where it was; what is kept is for the same question only."""

import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from sknethp import compare
from tests.comparison.conftest import FAST

ROOT = Path(__file__).parents[2]
MODELS = """
import os, signal
from pathlib import Path
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

def counted(kind):
    class Counted(kind):
        def fit(self, X, y):
            with Path(os.environ["LOG"]).open("a") as log:
                log.write(kind.__name__ + "\\n")
            if len(Path(os.environ["LOG"]).read_text().split()) == int(os.environ["KILLED_AT"]):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fit(X, y)
    Counted.__name__ = Counted.__qualname__ = kind.__name__
    return Counted

GaussianNB, DecisionTreeClassifier = counted(GaussianNB), counted(DecisionTreeClassifier)
models = {"bayes": GaussianNB(), "tree": DecisionTreeClassifier(max_depth=3)}
"""
KILLED = """
import sys
from counted_models import models
from sklearn.datasets import load_iris
from sknethp import compare
X, y = load_iris(return_X_y=True, as_frame=True)
compare(X, y, models, cv=4, memory=sys.argv[1], random_state=0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_killed_and_run_again_it_goes_on(tmp_path, monkeypatch):
    log, memory = tmp_path / "log", tmp_path / "memory"
    (tmp_path / "counted_models.py").write_text(MODELS)
    monkeypatch.setenv("LOG", str(log))
    monkeypatch.setenv("KILLED_AT", "6")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{tmp_path}")
    killed = subprocess.run([sys.executable, "-c", KILLED, memory], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert len(log.read_text().split()) == 6
    monkeypatch.syspath_prepend(tmp_path)
    models = importlib.import_module("counted_models").models
    monkeypatch.setenv("KILLED_AT", "-1")
    iris = load_iris(return_X_y=True, as_frame=True)
    found = compare(*iris, models, cv=4, memory=memory, random_state=0)
    # The one that was killed, and two that never started.
    assert len(log.read_text().split()) == 6 + 3
    columns = ["model", "fold", "neg_log_loss", "accuracy"]
    whole = compare(*iris, FAST, cv=4, random_state=0)
    pd.testing.assert_frame_equal(found.scores_[columns], whole.scores_[columns])
    assert not list(tmp_path.rglob("*.tmp"))


def n_kept(folder):
    return len(list(folder.rglob("*.npz")))


def test_only_the_same_question_has_the_same_answer(tmp_path, iris):
    X, y = iris
    first = compare(X, y, FAST, cv=2, memory=tmp_path, random_state=0)
    assert n_kept(tmp_path) == 4
    again = compare(X, y, FAST, cv=2, memory=tmp_path, random_state=0)
    assert n_kept(tmp_path) == 4
    pd.testing.assert_frame_equal(first.scores_, again.scores_)  # the times, too
    pd.testing.assert_frame_equal(first.held_out_, again.held_out_)
    others = [
        (X, y, {"random_state": 1}),
        (X, y, {"cv": 3}),
        (X, y, {"max_time": 30}),
        (X + 1, y, {}),
        (X, np.roll(y, 1), {}),
    ]
    for other_X, other_y, changed in others:
        before = n_kept(tmp_path)
        compare(
            other_X, other_y, FAST, **{"cv": 2, "random_state": 0, "memory": tmp_path, **changed}
        )
        assert n_kept(tmp_path) > before, changed


def test_a_failure_is_not_kept_and_a_damaged_file_is_replaced(tmp_path, iris):
    from sklearn.tree import DecisionTreeClassifier

    models = {"bayes": FAST["bayes"], "broken": DecisionTreeClassifier(max_depth=-1)}
    first = compare(*iris, models, cv=2, memory=tmp_path, random_state=0)
    (one, _) = sorted(tmp_path.rglob("*.npz"))
    one.write_bytes(b"no archive")
    with pytest.warns(UserWarning, match="A model is fitted again"):
        again = compare(*iris, models, cv=2, memory=tmp_path, random_state=0)
    np.testing.assert_array_equal(first.fold_scores()["bayes"], again.fold_scores()["bayes"])
    compare(*iris, models, cv=2, memory=tmp_path, random_state=0)


def test_a_folder_that_cannot_be_used_is_named(tmp_path, iris):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OSError, match=f"memory='{file}' cannot be written"):
        compare(*iris, FAST, cv=2, memory=file, random_state=0)
    with pytest.warns(UserWarning, match="set random_state to a number"):
        compare(*iris, FAST, cv=2, memory=tmp_path / "new")
