"""Files of kept fits: what is stored comes back to the bit, and no other file does any harm."""

import os
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris

from sknethp import DeepNetClassifier, fused
from sknethp.estimator.stored_fit import StoredFit, load, save_arrays
from sknethp.training.architecture import Architecture
from sknethp.training.network import new_network
from tests.helpers import network_settings

X, y = load_iris(return_X_y=True)
ARCHITECTURE = Architecture(4, (3, 2), ("relu", "relu"), 3, normalization="batch")
SETTINGS = network_settings(optimizer="adam", batch_size=8, dropout=(0.0, 0.5, 0.0))
ODD = [np.nan, -np.nan, np.inf, -np.inf, -0.0, 5e-324, 0.1, np.nextafter(1, 2), 1e308]


@pytest.fixture
def network():
    network = new_network(ARCHITECTURE, SETTINGS, ("auto",) * 3, 7)
    network.n_steps = 123
    network.streams.shuffle.permutation(np.arange(9, dtype=np.int32))
    network.streams.noise[1].random_bytes(2, 3, 5)
    return network


def rows(values, start=0):
    others = {"train_loss": 0.5, "seconds": 0.1}
    return [
        {"batches": [], "epoch": start + i + 1, "lr": value, **others}
        for i, value in enumerate(values)
    ]


def test_all_comes_back_to_the_bit(network, tmp_path):
    save_arrays(vars(StoredFit.of([network], rows(ODD, 4), 2)), tmp_path / "fit.npz")
    stored = load(tmp_path / "fit.npz", ARCHITECTURE, SETTINGS)
    (again,) = stored.networks(ARCHITECTURE, SETTINGS)
    assert torch.equal(again.parameters, network.parameters)
    assert torch.equal(again.statistics, network.statistics)
    assert (again.n_steps, stored.best_epoch) == (123, 2)
    assert stored.rows(4)[4:] == rows(ODD, 4)[4:]
    values = [row["lr"] for row in stored.rows(4)]
    assert np.array(values).tobytes() == np.array(ODD).tobytes()
    assert [path.name for path in tmp_path.iterdir()] == ["fit.npz"]


def test_streams_go_on(network):
    (again,) = StoredFit.of([network], rows([1.0]), 1).networks(ARCHITECTURE, SETTINGS)
    index = np.arange(50, dtype=np.int32)
    for _ in range(3):  # an odd number of draws of 32 bits leaves half a word
        np.testing.assert_array_equal(
            again.streams.shuffle.permutation(index), network.streams.shuffle.permutation(index)
        )
        for stream, other in zip(again.streams.noise, network.streams.noise, strict=True):
            np.testing.assert_array_equal(stream.random_bytes(2, 3, 7), other.random_bytes(2, 3, 7))
    fresh = new_network(ARCHITECTURE, SETTINGS, ("auto",) * 3, 7)
    assert not np.array_equal(fresh.streams.states(), again.streams.states())


class Planted:
    """Its pickle makes a folder when it is loaded."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def changed(**arrays):
    """Write another fit's file with other arrays in it."""

    def write(file, _):
        with np.load(file) as old:
            content = {**old, **{name: change(old[name]) for name, change in arrays.items()}}
        np.savez(file, **content)

    return write


def content(make):
    return lambda file, mark: file.write_bytes(make(file.read_bytes(), mark))


def compressed(file, _):
    with np.load(file) as old:
        np.savez_compressed(file, **{**old, "parameters": np.zeros(10**7, np.float32)})


def without_an_array(file, _):
    with np.load(file) as old:
        np.savez(file, **{name: old[name] for name in old if name != "streams"})


def header_of_a_huge_array(file, _):
    with zipfile.ZipFile(file) as old:
        members = {name: old.read(name) for name in old.namelist()}
    whole = members["parameters.npy"]
    shape = whole[whole.index(b"(") : whole.index(b")") + 1]
    huge = shape.replace(b")", b"000000000000)")
    members["parameters.npy"] = whole.replace(shape, huge).replace(b" " * 12, b"", 1)
    with zipfile.ZipFile(file, "w") as new:
        for name, member in members.items():
            new.writestr(name, member)


def object_array(file, mark):
    with np.load(file) as old:
        np.savez(file, **{**old, "parameters": np.array([Planted(mark)], object)})


def single_array(file, mark):
    with file.open("wb") as stream:
        np.save(stream, np.array([Planted(mark)], object), allow_pickle=True)


def fifo(file, _):
    file.unlink()
    os.mkfifo(file)


def link_to_endless_zeros(file, _):
    file.unlink()
    file.symlink_to("/dev/zero")


def fit_of_another_net(file, _):
    folder = file.parent.parent / "other"
    DeepNetClassifier(hidden_units=9, max_epochs=1, random_state=0, memory=folder).fit(X, y)
    (other,) = folder.rglob("*.npz")
    shutil.copy(other, file)


HOSTILE = {
    "empty": content(lambda *_: b""),
    "random": content(lambda *_: np.random.default_rng(0).bytes(5000)),
    "truncated": content(lambda whole, _: whole[: len(whole) // 2]),
    "one bit": content(lambda whole, _: whole[:300] + bytes([whole[300] ^ 1]) + whole[301:]),
    "text": content(lambda *_: b"{}"),
    "pickle": content(lambda _, mark: pickle.dumps(Planted(mark))),
    "pickle in an archive": object_array,
    "pickle in an array": single_array,
    "no archive of arrays": lambda file, _: zipfile.ZipFile(file, "w").close(),
    "compressed": compressed,
    "without an array": without_an_array,
    "huge shape": header_of_a_huge_array,
    "other net": fit_of_another_net,
    "other dtype": changed(parameters=np.float64),
    "other byte order": changed(parameters=lambda array: array.astype(">f4")),
    "no numbers": changed(parameters=lambda array: array * np.float32(np.nan)),
    "other shape": changed(parameters=lambda array: array[None]),
    "a number": changed(history=lambda _: np.array(1.0)),
    "statistics": changed(statistics=lambda _: np.zeros(3, np.float32)),
    "streams too many": changed(streams=lambda array: np.repeat(array, 2, 0)),
    "streams too short": changed(streams=lambda array: array[..., :4]),
    "streams out of range": changed(streams=lambda array: array + np.uint64(2**63)),
    "no epochs": changed(history=lambda array: array[:0]),
    "best epoch": changed(counts=lambda array: array + np.array([0, 50])),
    "steps": changed(counts=lambda array: array - np.array([1000, 0])),
    "columns": changed(columns=lambda array: array[::-1].astype("U2")),
    "columns that are bytes": changed(columns=lambda array: array.astype("S20")),
}
if sys.platform != "win32":
    HOSTILE |= {"pipe": fifo, "device": link_to_endless_zeros}


def fit(memory):
    parameters = {"hidden_units": 8, "max_epochs": 3, "random_state": 0, "memory": memory}
    return DeepNetClassifier(**parameters).fit(X, y)


@pytest.mark.parametrize("kind", HOSTILE)
def test_any_other_file_costs_one_fit(tmp_path, kind):
    """It is not executed, one warning names it, and a good file takes its place."""
    expected = fit(tmp_path / "memory").predict_proba(X)
    (file,) = (tmp_path / "memory").rglob("*.npz")
    HOSTILE[kind](file, tmp_path / "executed")
    message = (
        rf"A finished fit is trained again, since '.*{file.name}' cannot be read \(\w+: .+\)\."
    )
    with pytest.warns(UserWarning, match=message) as warned:
        again = fit(tmp_path / "memory")
    assert len(warned) == 1
    assert "unsafe" not in str(warned[0].message)
    assert not (tmp_path / "executed").exists()
    np.testing.assert_array_equal(again.predict_proba(X), expected)
    with fused(silent=True) as summary:
        np.testing.assert_array_equal(fit(tmp_path / "memory").predict_proba(X), expected)
    assert summary.found == 1
    assert [path for path in file.parent.iterdir() if path.is_file()] == [file]


def test_what_is_planted_would_be_executed_by_pickle(tmp_path):
    """Negative control of the test above."""
    pickle.loads(pickle.dumps(Planted(tmp_path / "executed")))
    assert (tmp_path / "executed").is_dir()


def test_a_directory_in_place_of_a_file(tmp_path):
    """The fit is made, with a warning each time, and what is in the directory stays."""
    expected = fit(tmp_path).predict_proba(X)
    (file,) = tmp_path.rglob("*.npz")
    file.unlink()
    (file / "mine").mkdir(parents=True)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"cannot be read \(ValueError: it is not a regular"):
            np.testing.assert_array_equal(fit(tmp_path).predict_proba(X), expected)
    assert [path.name for path in file.iterdir()] == ["mine"]
    assert list(file.parent.iterdir()) == [file]


def test_a_link_that_leads_nowhere_is_replaced(tmp_path):
    fit(tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    file.unlink()
    file.symlink_to(Path("nowhere"))
    fit(tmp_path)
    assert file.is_file()
    assert not file.is_symlink()
