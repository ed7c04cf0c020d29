"""The displays and the progress of a tuned net."""

import pytest

from sknethp.display import ImportanceDisplay, SearchDisplay, TrainingDisplay
from sknethp.self_tuning.clock import Clock
from sknethp.self_tuning.progress import Progress
from tests.self_tuning.test_estimator import X, Y, tuned


@pytest.fixture(scope="module")
def nets():
    return tuned(n_candidates=10).fit(X, Y)


@pytest.fixture(autouse=True)
def without_window():
    from matplotlib import pyplot, rc_context

    with rc_context({"backend": "Agg"}):
        yield
        pyplot.close("all")


def test_displays_take_it_like_a_search(nets):
    display = SearchDisplay.from_search(nets)
    assert display.candidates.ranges == {"dropout": False, "lr": True}
    assert display.candidates.best == nets.best_index_
    assert display.candidates.wall
    display.plot()
    display.plot_convergence()
    display.plot_parallel_coordinates()
    assert ImportanceDisplay.from_search(nets).plot().figure_
    assert TrainingDisplay.from_estimator(nets.best_estimator_).plot().figure_


def test_progress_in_lines(capsys, monkeypatch):
    class Later(Clock):
        elapsed = 7.0

    silent = tuned(n_candidates=2, progress=False)
    silent.fit(X, Y)
    assert capsys.readouterr().err == ""
    progress = Progress(Clock(None), 2, None)
    progress._clock = Later(None)
    progress.show([])
    told = capsys.readouterr().err
    assert told.startswith("sknethp: 0 candidates running, 0 finished, 0 stopped")
    assert told.endswith("7 s\n")
    progress._next = 0.0
    progress.show([], 12)
    told = capsys.readouterr().err
    assert told.startswith("sknethp: 12 networks of the best on all samples, 0 finished")


def test_progress_as_a_bar():
    from io import StringIO

    from rich.console import Console

    from sknethp.fusion.progress import new_bar

    bar = new_bar()
    bar.live.console = Console(file=StringIO(), force_terminal=True, width=120)
    progress = Progress(Clock(100.0), None, bar)
    progress._next = 0.0
    progress.show([])
    (task,) = bar.tasks
    bar.stop()
    assert task.total == 100
    assert 0 < task.completed < 100
    assert "candidates running" in task.fields["words"]
