"""``sknethp tune`` that is stopped: by a signal, a closed pipe or a disk that is full."""

import json
import os
import signal
from contextlib import redirect_stdout
from functools import partial

import joblib
import pandas as pd
import pytest

from sknethp.cli import main, output, scoring, search

LINE = ["tune", "iris", "--method", "random", "--candidates", "3", "--cv", "2", "--out"]
N_FITS = 6

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="signals and pipes are otherwise"),
    pytest.mark.usefixtures("few_epochs"),
]


def after_scoring(monkeypatch, n_scored, action):
    """Do something when a number of fits has been scored."""
    scores, n_calls = scoring.Scoring.of, 0

    def score(*args):
        nonlocal n_calls
        n_calls += 1
        result = scores(*args)
        if n_calls == n_scored:
            action()
        return result

    monkeypatch.setattr(scoring.Scoring, "of", score)


def send(name):
    """Send this process a signal."""
    signal.raise_signal(getattr(signal, name))


def full_disk_after(monkeypatch, n_files):
    """Let all but so many files find the disk full when they get their name."""
    rename, n_calls = os.replace, 0

    def limited(*args):
        nonlocal n_calls
        n_calls += 1
        if n_calls > n_files:
            raise OSError(28, "No space left on device")
        return rename(*args)

    monkeypatch.setattr(os, "replace", limited)


def without_times(folder):
    """Return the results of a run but for its times."""
    table = pd.read_csv(folder / "cv_results.csv")
    scores = json.loads((folder / "settings.json").read_text())["scores"]
    return table[[name for name in table if not name.endswith(("_time", "_at"))]], scores


@pytest.fixture(scope="module")
def uninterrupted(few_epochs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert main([*LINE, str(folder)]) == 0
    return without_times(folder)


@pytest.mark.parametrize(
    ("name", "exit_code", "n_scored"),
    [
        ("SIGINT", 130, 1),
        ("SIGTERM", 143, 4),
        ("SIGHUP", 129, N_FITS),
        ("SIGINT", 130, N_FITS + 1),  # after the best net has been fitted again
    ],
)
def test_a_run_goes_on_where_a_signal_ended_it(
    name, exit_code, n_scored, default_handlers, uninterrupted, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "a" / "result"
    with monkeypatch.context() as patch:
        after_scoring(patch, n_scored, partial(send, name))
        assert main([*LINE, str(out)]) == exit_code
    fits = out / output.FITS_FOLDER
    line = capsys.readouterr().err.splitlines()[-1]
    assert line == (
        f"sknethp: error: interrupted; finished fits are kept in {str(fits)!r}: "
        "run the same line again to go on"
    )
    assert list(out.iterdir()) == [fits]
    assert main([*LINE, str(out)]) == 0
    assert "finished in an earlier run: " in capsys.readouterr().out
    table, scores = without_times(out)
    pd.testing.assert_frame_equal(table, uninterrupted[0], check_exact=True)
    assert scores == uninterrupted[1]
    assert {path.name for path in out.iterdir()} == {
        "pipeline.joblib",
        "cv_results.csv",
        "held_out.csv",
        "curves.csv",
        "report.html",
        "settings.json",
    }
    assert joblib.load(out / "pipeline.joblib")["net"].memory is None


def test_signals_that_are_ignored_stay_so(tmp_path, monkeypatch):
    after_scoring(monkeypatch, 1, partial(send, "SIGHUP"))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main([*LINE, str(tmp_path)]) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_are_as_before_after_the_command(default_handlers, tmp_path):
    assert main(["tune", "no.csv", "--out", str(tmp_path)]) == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("existed", [True, False])
def test_before_the_first_fit_is_finished_nothing_is_left(
    existed, default_handlers, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "result"
    if existed:
        out.mkdir()
    monkeypatch.setattr(search, "search_space", lambda *_, **__: send("SIGTERM"))
    assert main([*LINE, str(out)]) == 143
    assert capsys.readouterr().err == "sknethp: error: interrupted; no fit was finished\n"
    assert out.exists() == existed
    assert not list(tmp_path.rglob("*/*"))


def test_force_goes_on_beside_earlier_results(default_handlers, tmp_path, monkeypatch, capsys):
    (tmp_path / "settings.json").write_text("old")
    line = [*LINE, str(tmp_path), "--force"]
    with monkeypatch.context() as patch:
        after_scoring(patch, 4, partial(send, "SIGTERM"))
        assert main(line) == 143
    assert (tmp_path / "settings.json").read_text() == "old"
    assert main(line[:-1]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    assert main(line) == 0
    assert "finished in an earlier run: " in capsys.readouterr().out


def test_results_that_cannot_be_written_lose_no_fit(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        full_disk_after(patch, 1 + N_FITS + 1)
        assert main([*LINE, str(tmp_path)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "(No space left on device); finished fits are kept in" in line
    assert main([*LINE, str(tmp_path)]) == 0
    assert f"finished in an earlier run: {N_FITS + 1}\n" in capsys.readouterr().out


def test_a_fit_that_cannot_be_kept_ends_the_run(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        full_disk_after(patch, 1 + 2)  # the first names the line
        assert main([*LINE, str(tmp_path)]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "could not keep a finished fit (No space left on device)" in line
    assert main([*LINE, str(tmp_path)]) == 0
    assert "finished in an earlier run: 2\n" in capsys.readouterr().out


def test_a_closed_pipe_loses_nothing(tmp_path, capsys):
    read, write = os.pipe()
    os.close(read)
    with open(write, "w") as stdout, redirect_stdout(stdout):
        assert main([*LINE, str(tmp_path)]) == 0
    assert "error" not in capsys.readouterr().err
    assert (tmp_path / "pipeline.joblib").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_output_that_cannot_be_printed_is_found_before_the_search(tmp_path, capsys):
    with open("/dev/full", "w") as stdout, redirect_stdout(stdout):
        assert main([*LINE, str(tmp_path)]) == 2
    line = "sknethp: error: cannot print: No space left on device\n"
    assert capsys.readouterr().err == line
    assert not list(tmp_path.iterdir())
