"""What a task sets around a fit is its own, and gone with it."""

import asyncio
import contextlib
import io
import os
import sys
import warnings
from contextvars import ContextVar
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


VARIABLE = ContextVar("VARIABLE", default="outside")


def seen_by_a_nested_task(i):
    print("nested", i)
    fit(i)
    return os.getcwd(), os.environ["SKNETHP_TEST"], torch.is_grad_enabled(), VARIABLE.get()


def with_nested_tasks(i, folder):
    place = folder / str(i)
    place.mkdir()
    VARIABLE.set(str(i))
    out = io.StringIO()
    with (
        contextlib.chdir(place),
        mock.patch.dict(os.environ, {"SKNETHP_TEST": str(i)}),
        contextlib.redirect_stdout(out),
        torch.set_grad_enabled(i % 2 == 0),
    ):
        seen = Parallel()(delayed(seen_by_a_nested_task)(n) for n in range(2))
    assert out.getvalue() == "nested 0\nnested 1\n"
    return seen == [(str(place.resolve()), str(i), i % 2 == 0, str(i))] * 2


def test_nested_tasks_find_what_the_task_around_them_has_set(tmp_path):
    """Folder, variables, output, gradient mode and context variables are the outer task's."""
    before = now()
    with fused(silent=True) as summary:
        assert all(Parallel()(delayed(with_nested_tasks)(i, tmp_path) for i in range(3)))
    assert summary.fused == 6
    assert now() == before


def turned_to_an_error():
    fit(0)
    warnings.warn("an error in the outer task", UserWarning, stacklevel=1)


def test_nested_tasks_have_the_warning_filters_of_the_task_around_them():
    """What is an error there is one in them."""

    def task():
        with warnings.catch_warnings(action="error"), pytest.raises(UserWarning):
            Parallel()(delayed(turned_to_an_error)() for _ in range(2))

    with fused(silent=True), warnings.catch_warnings(action="ignore"):
        Parallel()(delayed(task)() for _ in range(2))


def in_inference_mode_with_nested_tasks(i):
    with torch.inference_mode():
        nets = Parallel()(delayed(fitted)(n) for n in range(3))
        return nets, torch.is_inference_mode_enabled()


def fitted(i):
    return DeepNetClassifier(max_epochs=2 + i, hidden_units=8, random_state=i).fit(X, y)


def test_nets_of_a_search_inside_inference_mode_can_be_trained_on():
    """Outside the block and in a task around others; the mode is on again afterwards."""
    with torch.inference_mode():
        with fused(silent=True):
            outer = Parallel()(delayed(fitted)(i) for i in range(4))
        assert torch.is_inference_mode_enabled()
    with fused(silent=True):
        tasks = Parallel()(delayed(in_inference_mode_with_nested_tasks)(i) for i in range(3))
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
    assert all(is_on for _, is_on in tasks)
    for net in [*outer, *(net for nets, _ in tasks for net in nets)]:
        assert not any(parameter.is_inference() for parameter in net.module_.parameters())
