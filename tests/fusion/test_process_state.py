"""What a task sets around a fit is its own, and gone with it."""

import asyncio
import contextlib
import io
import os
import sys
from unittest import mock

import pytest
import torch
from joblib import Parallel, delayed
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from sknethp import DeepNetClassifier, fused

X, y = load_iris(return_X_y=True)
X = scale(X)


def in_a_folder(i, folder):
    place = folder / str(i)
    place.mkdir()
    with contextlib.chdir(place):
        fit(i)
        return os.getcwd() == str(place.resolve())


def with_a_variable(i, folder):
    with mock.patch.dict(os.environ, {"SKNETHP_TEST": str(i), f"SKNETHP_TEST_{i}": "here"}):
        fit(i)
        names = sorted(name for name in os.environ if name.startswith("SKNETHP_TEST"))
        return names == ["SKNETHP_TEST", f"SKNETHP_TEST_{i}"] and os.environ[names[0]] == str(i)


def with_output_of_its_own(i, folder):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        fit(i)
        print("out", i)
        print("err", i, file=sys.stderr)
    return out.getvalue() == f"out {i}\n" and err.getvalue() == f"err {i}\n"


def with_gradients_on_or_off(i, folder):
    with torch.set_grad_enabled(i % 2 == 0):
        fit(i)
        return torch.is_grad_enabled() == (i % 2 == 0)


def in_inference_mode_or_not(i, folder):
    with torch.inference_mode(i % 2 == 0):
        fit(i)
        return torch.is_inference_mode_enabled() == (i % 2 == 0)


def in_an_event_loop(i, folder):
    async def work():
        await asyncio.sleep(0)
        fit(i)
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    return asyncio.run(work()).is_closed()


def fit(i):
    DeepNetClassifier(max_epochs=3 + i % 2, hidden_units=8, random_state=i).fit(X, y)


SETTINGS = [
    in_a_folder,
    with_a_variable,
    with_output_of_its_own,
    with_gradients_on_or_off,
    in_inference_mode_or_not,
    in_an_event_loop,
]


def now():
    streams = sys.stdin, sys.stdout, sys.stderr
    return streams, os.getcwd(), dict(os.environ), torch.is_grad_enabled()


@pytest.mark.parametrize("task", SETTINGS)
def test_each_task_has_its_own_and_leaves_nothing(task, tmp_path):
    """Tasks that wait within such contexts go on in their own, and outside all is as before."""
    before = now()
    with fused(silent=True) as summary:
        assert all(Parallel()(delayed(task)(i, tmp_path) for i in range(6)))
    assert summary.fused == 6
    assert now() == before
