"""Progress: what it counts, what it shows, and that it shows nothing where nobody looks."""

import io
import os
import pty
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from joblib.parallel import BatchedCalls
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score

from sknethp import DeepNetClassifier, fused
from sknethp import model_selection as ours
from sknethp.fusion import FusedBackend
from sknethp.fusion import progress as progress_module
from sknethp.fusion.inspection import candidate, expected_epochs, score
from sknethp.fusion.progress import BestScore, Progress
from sknethp.fusion.scheduler import Scheduler
from sknethp.fusion.tally import Board, Tally
from sknethp.fusion.workers import WorkersBackend
from tests.helpers import scaled_net as net

ANSI = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


@pytest.fixture(scope="module")
def data():
    return load_iris(return_X_y=True)


@pytest.fixture
def _at_once(monkeypatch):
    """Show everything at once."""
    for name in ("_SECONDS_BEFORE", "_SECONDS_BETWEEN_UPDATES", "_SECONDS_BETWEEN_LINES"):
        monkeypatch.setattr(progress_module, name, 0.0)


def grid():
    names = {"deepnetclassifier__lr": [1e-3, 1e-2], "deepnetclassifier__max_epochs": [2, 4]}
    return GridSearchCV(net(), names, cv=3)


def terminal():
    """Return a bar on a terminal that is a text in memory."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    words = TextColumn("{task.fields[words]}")
    return Bar(BarColumn(20), words, console=console, auto_refresh=False, transient=True)


def shown(bar):
    """Return the frames that a bar has drawn, without colours."""
    frames = re.split(r"[\r\n]+", ANSI.sub("", bar.console.file.getvalue()))
    return [frame for frame in frames if frame.strip()]


def test_counts_of_a_search(data):
    """Tasks, epochs and best score of a grid search."""
    progress = Progress(terminal())
    with parallel_config(backend=FusedBackend(Scheduler(watcher=progress))):
        search = grid().fit(*data)
    assert progress.tasks == progress.done == 12
    assert progress.epochs == 6 * 2 + 6 * 4
    assert progress.share == pytest.approx(12)
    assert progress._best.best == pytest.approx(search.best_score_)


@pytest.mark.usefixtures("_at_once")
def test_bar_of_a_search(data):
    """The bar is redrawn, ends complete, and gives the cursor back."""
    bar = terminal()
    progress = Progress(bar)
    with parallel_config(backend=FusedBackend(Scheduler(watcher=progress))):
        search = grid().fit(*data)
    progress.stop()
    frames = shown(bar)
    assert "0 of 12 fits, 12 epochs" in frames[0]
    assert f"12 of 12 fits, 36 epochs, best {search.best_score_:.4f}" in frames[-1]
    text = bar.console.file.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


@pytest.mark.usefixtures("_at_once")
def test_updates_are_rare(data, monkeypatch):
    """However many rounds there are, drawing happens at most once in an interval."""
    monkeypatch.setattr(progress_module, "_SECONDS_BETWEEN_UPDATES", 1000.0)
    bar = terminal()
    with parallel_config(backend=FusedBackend(Scheduler(watcher=Progress(bar)))):
        grid().fit(*data)
    assert 0 < len(shown(bar)) <= 2
    bar.stop()


def test_nothing_where_nobody_looks(data, capsys):
    """Standard error is no terminal here: only the line at the end."""
    for shown_if in (None, False):
        with fused(progress=shown_if) as summary:
            grid().fit(*data)
        output = capsys.readouterr()
        assert output.err.splitlines() == [str(summary)]
        assert output.out == ""


@pytest.mark.usefixtures("_at_once")
def test_lines_where_asked_for(data, capsys):
    """Without a terminal there are plain lines, and prints stay where they belong."""
    with fused(progress=True) as summary:
        Parallel()(delayed(print)("from a task", end="|") for _ in range(2))
        search = grid().fit(*data)
    output = capsys.readouterr()
    *lines, last = output.err.splitlines()
    assert last == str(summary)
    assert lines[2].startswith("sknethp: 2 of 14 fits, 12 epochs, ")
    best = f"best {search.best_score_:.4f}"
    assert lines[-1].startswith(f"sknethp: 14 of 14 fits, 36 epochs, {best}, ")
    assert output.out == "from a task|" * 2


@pytest.mark.usefixtures("_at_once")
def test_the_same_scores(data):
    """Looking changes nothing, nor does a terminal that has gone."""
    alone = grid().fit(*data).cv_results_["mean_test_score"]
    bar = terminal()
    bar.console.file.close()
    with parallel_config(backend=FusedBackend(Scheduler(watcher=Progress(bar)))):
        watched = grid().fit(*data).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(watched, alone)


def test_counts_after_a_failure(data):
    """What is cancelled is counted no more."""
    progress = Progress(terminal())
    with parallel_config(backend=FusedBackend(Scheduler(watcher=progress))):
        with pytest.raises(ValueError, match="lr"):
            Parallel()(delayed(net(lr=lr).fit)(*data) for lr in (0.1, -1, 0.1))
        cross_val_score(net(), *data, cv=3)
    assert progress.tasks == progress.done == 5
    assert progress.share == pytest.approx(5)


@pytest.mark.slow
def test_counts_of_worker_processes(data):
    """Tasks, nested ones too, epochs and best score are counted from workers."""
    progress = Progress(terminal())
    with parallel_config(backend=WorkersBackend(2, progress=progress)):
        cross_val_score(grid(), *data, cv=3)
        before = progress.epochs
        search = grid().fit(*data)
    assert progress.tasks == progress.done == 3 * (1 + 12) + 12
    assert progress.epochs - before == 36
    assert progress.share == pytest.approx(progress.tasks)
    assert progress._best.best == pytest.approx(search.best_score_)


def test_board(tmp_path):
    """Batches note their counts side by side; where there is no file, nothing happens."""
    board = Board(tmp_path / "board")
    board.write(0, Tally(1, 1, 1, 1.0))
    assert not board.path.exists()
    board.clear(2)
    board.write(0, Tally(3, 1, 20, 1.5))
    board.write(1, Tally(1, 1, 10, 1.0))
    board.write(0, Tally(3, 2, 30, 2.5))
    assert board.read() == Tally(4, 3, 40, 3.5)


def test_best_score():
    """The mean over a candidate's folds counts once they are all done, unless one failed."""
    best = BestScore()
    good, bad, failed = {"lr": 1}, {"lr": 1}, {"lr": 1}
    for parameters in (good, good, bad, failed, failed):
        best.expect(parameters)
    best.record(good, 1.0)
    best.record(failed, 9.0)
    best.record(failed, None)
    best.record(None, 9.0)
    assert best.best is None
    best.record(bad, 0.5)
    assert best.best == 0.5
    best.record(good, 0.8)
    assert best.best == pytest.approx(0.9)


def batch(function, *args, **kwargs):
    return BatchedCalls([(function, args, kwargs)], (None, None))


def test_reading_tasks():
    """Epochs and candidates are read from arguments; of anything unknown nothing is."""
    model, parameters = net(max_epochs=7), {"deepnetclassifier__max_epochs": 5}
    assert expected_epochs(batch(model.fit, 1, 2)) == 7
    assert expected_epochs(batch(clone, model)) == 7
    assert expected_epochs(batch(clone, model, parameters=parameters)) == 5
    assert candidate(batch(clone, model, parameters=parameters)) is parameters
    for unknown in (batch(abs, 1), abs, batch(clone, DeepNetClassifier, safe={"max_epochs": 1})):
        assert expected_epochs(unknown) is None
        assert candidate(unknown) is None


def test_reading_scores():
    """One finite test score is shown; several, none, or other results are not."""
    assert score([{"test_scores": 0.5}]) == 0.5
    for other in ([{"test_scores": {"a": 1.0}}], [{"test_scores": np.nan}], [{}], [], None, [1.0]):
        assert score(other) is None


SCRIPT = """
import signal, sys, time
from sklearn.datasets import load_iris
from sklearn.model_selection import cross_val_score
from skorch.callbacks import Callback
from sknethp import DeepNetClassifier, fused
from sknethp import model_selection as ours

class Printing(Callback):
    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) % 10 == 0:
            print("epoch", len(net.history), flush=True)
        time.sleep(0.01)

signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
net = DeepNetClassifier(hidden_units=4, max_epochs=int(sys.argv[1]), callbacks=[Printing()])
with fused():
    cross_val_score(net, *load_iris(return_X_y=True), cv=2)
"""


def start_on_terminal(max_epochs):
    """Run the script with standard error on a pseudo-terminal; return process and terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(max_epochs)],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        text=True,
    )
    os.close(theirs)
    return process, ours


def read_all(terminal):
    """Return all that is written to a terminal until it is closed."""
    text = b""
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how Linux tells of the end
            part = b""
        if not part:
            os.close(terminal)
            return text.decode()
        text += part


@pytest.mark.slow
def test_on_a_real_terminal():
    """A bar, taken away at the end; what the user's code prints elsewhere stays as it is."""
    process, ours = start_on_terminal(60)
    text, output = read_all(ours), process.communicate()[0]
    assert process.returncode == 0
    assert re.search(r"\d+% 0 of 2 fits, \d+ epochs", ANSI.sub("", text))
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert ANSI.sub("", text).splitlines()[-1].startswith("sknethp: 2 fits")
    assert sorted(output.splitlines()) == sorted(2 * [f"epoch {n}" for n in range(10, 61, 10)])


@pytest.mark.slow
def test_interrupt_gives_the_cursor_back():
    """Ctrl-C with a bar on the terminal: it goes, and the cursor comes back."""
    process, ours = start_on_terminal(100_000)
    assert process.stdout.readline() == "epoch 10\n"
    text = b""
    while b"fits" not in text:
        text += os.read(ours, 4096)
    process.send_signal(signal.SIGINT)
    text = text.decode() + read_all(ours)
    process.communicate()
    assert process.returncode not in (0, None)
    assert "KeyboardInterrupt" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")


class Logger:
    """A stream as many a program has it, without isatty."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("progress", [None, True])
@pytest.mark.parametrize("stream", [Logger, closed, lambda: None])
def test_standard_error_of_any_kind(stream, progress, data, monkeypatch, capsys):
    logger = stream()
    monkeypatch.setattr(sys, "stderr", logger)
    with fused(progress=progress) as summary:
        expected = grid().fit(*data).best_score_
    assert summary.fused == 12
    search = ours.GridSearchCV(net(), {"deepnetclassifier__lr": [1e-2]}, cv=3, progress=progress)
    assert search.fit(*data).best_score_ == pytest.approx(expected, abs=0.1)
    assert capsys.readouterr().out == ""
    if isinstance(logger, Logger):
        assert "fits, 12 of them fused" in logger.text
