"""Finished fits outlive the process: what was killed goes on where it was."""

import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from joblib import Memory
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score

from sknethp import fused
from tests.helpers import small_net

X, y = load_iris(return_X_y=True)


net = partial(small_net, max_epochs=4)


def results_kept(folder):
    return sorted(folder.rglob("*.pkl"))


def search(folder, **parameters):
    grid = {"lr": [1e-3, 1e-2], "dropout": [0.0, 0.3]}
    return GridSearchCV(net(memory=folder, **parameters), grid, cv=3, refit=False)


def scores(found):
    return found.cv_results_["mean_test_score"]


@pytest.mark.parametrize("together", [True, False])
def test_a_search_is_made_once(tmp_path, together):
    """Every fit is kept; the second search finds them all, fused or not."""
    alone = scores(search(None).fit(X, y))
    for _ in range(2):
        if together:
            with fused(silent=True) as summary:
                again = search(tmp_path).fit(X, y)
        else:
            again = search(tmp_path).fit(X, y)
        np.testing.assert_array_equal(scores(again), alone)
        assert len(results_kept(tmp_path)) == 12
    if together:
        assert summary.fits == 0


def test_fits_that_are_missing_train_together(tmp_path):
    """Those found return at once; the others are fused."""
    search(tmp_path).fit(X, y)
    for path in results_kept(tmp_path)[:5]:
        path.unlink()
    with fused(silent=True) as summary:
        again = search(tmp_path).fit(X, y)
    assert (summary.fits, summary.fused) == (5, 5)
    np.testing.assert_array_equal(scores(again), scores(search(None).fit(X, y)))


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "something else"])
def test_a_damaged_file_costs_one_fit(tmp_path, damage):
    """A fit whose file cannot be read is made again, with a warning; the others stay."""
    search(tmp_path).fit(X, y)
    damaged = results_kept(tmp_path)[7]
    whole = damaged.read_bytes()
    others = {
        "truncated": whole[: len(whole) // 2],
        "garbage": b"\x80xyz",
        "empty": b"",
        "something else": pickle.dumps([1, 2]),
    }
    damaged.write_bytes(others[damage])
    with (
        fused(silent=True) as summary,
        pytest.warns(UserWarning, match=f"made again, since '{damaged}' cannot be read"),
    ):
        again = search(tmp_path).fit(X, y)
    assert (summary.found, summary.fits) == (11, 1)
    np.testing.assert_array_equal(scores(again), scores(search(None).fit(X, y)))
    with fused(silent=True) as summary:
        search(tmp_path).fit(X, y)
    assert summary.fits == 0


def test_what_is_kept_is_small(tmp_path):
    """A file is not much larger than the parameters."""
    model = net(memory=tmp_path, hidden_units=128, max_epochs=2).fit(X, y)
    n_bytes = 4 * sum(p.numel() for p in model.module_.parameters())
    (kept,) = results_kept(tmp_path)
    assert n_bytes < kept.stat().st_size < 1.3 * n_bytes


def test_found_and_fresh_fits_go_on_alike(tmp_path):
    """Further training does not depend on whether the fit was trained or found."""
    models = [net(memory=tmp_path).fit(X, y).partial_fit(X, y) for _ in range(2)]
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in models))
    assert models[0].n_iter_ == models[1].n_iter_ == 5


def test_fits_that_go_on_are_found(tmp_path):
    """Where a net is trained further, too, in another process as in this one."""
    probabilities = []
    for _ in range(2):
        model = net(memory=tmp_path, warm_start=True, max_epochs=2, dropout=0.2)
        for max_epochs in (2, 4, 6):
            model.set_params(max_epochs=max_epochs).fit(X, y)
        probabilities.append(model.predict_proba(X))
        assert len(results_kept(tmp_path)) == 3
    np.testing.assert_array_equal(*probabilities)
    run = "import numpy as np; from sklearn.datasets import load_iris; from sknethp import *\n"
    run += f"X, y = load_iris(return_X_y=True); net = DeepNetClassifier(**{model.get_params()!r})\n"
    run += "for n in (2, 4, 6): net.set_params(max_epochs=n).fit(X, y)"
    run = run.replace(repr(tmp_path), repr(str(tmp_path)))
    subprocess.run([sys.executable, "-c", run], check=True)
    assert len(results_kept(tmp_path)) == 3
    net(memory=tmp_path, warm_start=True, max_epochs=2).fit(X, y).set_params(lr=0.1).fit(X, y)
    assert len(results_kept(tmp_path)) == 5  # other states are told apart


def test_printing_is_no_other_fit(tmp_path, capsys):
    """What has no part in the result has none in the key."""
    net(memory=tmp_path).fit(X, y)
    net(memory=tmp_path, verbose=1).fit(X, y)
    assert len(results_kept(tmp_path)) == 1
    assert capsys.readouterr().out == ""


def test_a_memory_that_is_switched_off(tmp_path):
    """joblib's Memory(None) keeps nothing, and is no error."""
    model = net(memory=Memory(None)).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), net().fit(X, y).predict(X))


def test_a_path_that_cannot_be_written(tmp_path, monkeypatch):
    """One sentence, before any training."""
    monkeypatch.setattr("sknethp.memory.fit_network", None)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"memory='.*file' cannot be written .*: give a folder"):
        net(memory=str(tmp_path / "file")).fit(X, y)
    assert (tmp_path / "file").read_text() == "mine"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OSError, match=r"Permission denied.*: give a folder"):
        net(memory=tmp_path).fit(X, y)


@pytest.mark.parametrize("place", [str, Path, Memory, "~"])
def test_the_same_folder_is_the_same_memory(tmp_path, monkeypatch, place):
    """However it is named."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    with fused(silent=True) as summary:
        for memory in (tmp_path / "kept", "~/kept" if place == "~" else place(tmp_path / "kept")):
            cross_val_score(net(memory=memory), X, y, cv=3)
    assert (summary.fits, summary.found) == (3, 3)


FULL_DISK = """
import resource, sys
from sklearn.datasets import load_iris
from sknethp import DeepNetClassifier
X, y = load_iris(return_X_y=True)
def fit(units):
    return DeepNetClassifier(
        hidden_units=units, max_epochs=1, random_state=0, memory=sys.argv[1]
    ).fit(X, y)
fit(8)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    fit(256)
except OSError as error:
    print(error)
fit(8)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk(tmp_path):
    """What does not fit in is an error that says so; what was kept is whole."""
    run = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True
    )
    assert "could not keep a finished fit (File too large)" in run.stdout
    assert len(results_kept(tmp_path)) == 1
    with fused(silent=True) as summary:
        net(memory=tmp_path, max_epochs=1).fit(X, y)
    assert summary.fits == 0
