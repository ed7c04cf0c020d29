"""Finished fits outlive the process: what was killed goes on where it was."""

import os
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from joblib import Memory, Parallel, delayed
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score

from sknethp import DeepNetClassifier, fused
from tests.helpers import no_large_files, small_net

X, y = load_iris(return_X_y=True)


net = partial(small_net, max_epochs=4)


def results_kept(folder):
    return sorted(folder.rglob("*.npz"))


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


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_permissions(tmp_path):
    """The folder is the user's own; a group may be let in, and nobody else."""
    net(memory=tmp_path / "new" / "place").fit(X, y)
    folder = tmp_path / "new" / "place" / "sknethp"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o775)
    with fused(silent=True) as summary:
        net(memory=tmp_path / "new" / "place").fit(X, y)
    assert summary.found == 1
    folder.chmod(0o707)
    with pytest.raises(OSError, match=r"is not safe, since any user .*sknethp' or put another"):
        net(memory=tmp_path / "new" / "place").fit(X, y)
    search_with_memory = search(tmp_path / "new" / "place")
    with fused(silent=True), pytest.raises(OSError, match="is not safe"):
        search_with_memory.fit(X, y)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_folder_that_others_may_have_put_there(tmp_path, monkeypatch):
    """In a place where everybody may write, the folder must be the user's own."""
    tmp_path.chmod(0o1777)
    net(memory=tmp_path).fit(X, y)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(OSError, match="is not safe"):
        net(memory=tmp_path).fit(X, y)
    tmp_path.chmod(0o755)
    net(memory=tmp_path).fit(X, y)  # somebody has made it for this user to read


def test_a_folder_that_can_only_be_read(tmp_path, monkeypatch):
    """What is complete is recalled; what is missing ends with a sentence, before any training."""
    search(tmp_path).fit(X, y)
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK and access(path, mode))
    with fused(silent=True) as summary:
        again = search(tmp_path).fit(X, y)
    assert (summary.found, summary.fits) == (12, 0)
    np.testing.assert_array_equal(scores(again), scores(search(None).fit(X, y)))
    monkeypatch.setattr("sknethp.estimator.memory.fit_network", None)
    with pytest.raises(OSError, match=r"cannot be written \(Permission denied\): give a folder"):
        net(memory=tmp_path, lr=0.5).fit(X, y)


def test_files_of_earlier_versions_are_left_alone(tmp_path):
    net(memory=tmp_path).fit(X, y)
    (kept,) = results_kept(tmp_path)
    old = kept.rename(kept.with_suffix(".pkl"))
    old.write_bytes(b"from an earlier version")
    net(memory=tmp_path).fit(X, y)
    assert old.read_bytes() == b"from an earlier version"
    assert results_kept(tmp_path) == [kept]


SAME_FIT = """
import sys, torch
import numpy as np
from sklearn.datasets import load_iris
from sknethp import DeepNetClassifier
others = [torch.zeros(n) for n in range(50)]
X, y = load_iris(return_X_y=True)
net = DeepNetClassifier(
    max_epochs=3, random_state=0, memory=sys.argv[1], early_stopping=True, class_weight="balanced"
)
net.fit(X, y, sample_weight=np.arange(1.0, 151.0))
"""


@pytest.mark.slow
def test_two_processes_make_one_fit(tmp_path):
    """With weights, and in the other with other tensors around: one file, and whole."""
    subprocess.run([sys.executable, "-c", SAME_FIT, tmp_path], check=True)
    assert len(list(tmp_path.rglob("*.*"))) == len(results_kept(tmp_path)) == 1
    parameters = {"max_epochs": 3, "early_stopping": True, "class_weight": "balanced"}
    models = [DeepNetClassifier(**parameters, random_state=0, memory=m) for m in (tmp_path, None)]
    with fused(silent=True) as summary:
        fitted = [model.fit(X, y, sample_weight=np.arange(1.0, 151.0)) for model in models]
    assert (summary.found, summary.fits) == (1, 1)
    np.testing.assert_array_equal(*(model.predict_proba(X) for model in fitted))


def test_what_is_kept_is_small(tmp_path):
    """A file is not much larger than the parameters."""
    model = net(memory=tmp_path, hidden_units=128, max_epochs=2).fit(X, y)
    n_bytes = 4 * sum(p.numel() for p in model.module_.parameters())
    (kept,) = results_kept(tmp_path)
    assert n_bytes < kept.stat().st_size < 1.3 * n_bytes


KINDS = {
    "plain": {},
    "in order": {"shuffle": False},
    "dropout": {"dropout": 0.3, "optimizer": "sgd"},
    "normalised": {"normalization": "batch", "hidden_units": [8, 4], "early_stopping": True},
    "monitored": {"early_stopping": True, "monitor": "f1_macro", "input_dropout": 0.1},
}


@pytest.mark.parametrize("kind", KINDS)
def test_recalled_fits_are_like_fresh_ones(tmp_path, kind):
    """To the last bit, history and further training included, alone or fused."""

    def fit(memory, function):
        model = function(net(memory=memory, **KINDS[kind]).fit(X, y))
        return model, model.predict_proba(X).tobytes(), list(model.history_)

    def same(model):
        return model

    def further(model):
        return model.partial_fit(X, y).partial_fit(X, y)

    def warm(model):
        return model.set_params(warm_start=True, max_epochs=3).fit(X, y)

    assert fit(tmp_path, same)[1] == fit(None, same)[1]
    for function in (same, further, warm):
        fresh, *made = fit(tmp_path / function.__name__, function)
        recalled, *recalled_made = fit(tmp_path / function.__name__, function)
        assert recalled_made[0] == made[0]
        assert [list(row) for row in recalled_made[1]] == [list(row) for row in made[1]]
        times = {"seconds", "dur"}
        for row, other in zip(made[1], recalled_made[1], strict=True):
            assert {k: v for k, v in row.items() if k not in times} == {
                k: v for k, v in other.items() if k not in times
            }
            assert [type(value) for value in row.values()] == [
                type(value) for value in other.values()
            ]
        assert recalled.best_epoch_ == fresh.best_epoch_
        assert recalled.n_iter_ == fresh.n_iter_
    with fused(silent=True) as summary:
        together = Parallel()(delayed(fit)(tmp_path / "further", further) for _ in range(2))
    assert summary.found == 2
    reference = fit(tmp_path / "further", further)[1]
    assert [probabilities for _, probabilities, _ in together] == [reference] * 2


@pytest.mark.slow
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
    monkeypatch.setattr("sknethp.estimator.memory.fit_network", None)
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


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk(tmp_path):
    """What does not fit in is an error that says so; what was kept is whole."""
    net(memory=tmp_path).fit(X, y)
    message = r"could not keep a finished fit \(File too large\)"
    with no_large_files(), pytest.raises(OSError, match=message):
        net(memory=tmp_path, hidden_units=256).fit(X, y)
    assert len(results_kept(tmp_path)) == 1
    with fused(silent=True) as summary:
        net(memory=tmp_path).fit(X, y)
    assert summary.fits == 0
