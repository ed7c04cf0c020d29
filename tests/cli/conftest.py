"""Tables as people have them, and a command that must fail."""

import re
import signal
from dataclasses import replace

import pandas as pd
import pytest
from sklearn.datasets import load_iris, load_wine

from sknethp.cli import main
from sknethp.hyperparameters import TABLE, Options


@pytest.fixture(scope="session")
def mixed_wine():
    """Wine with its columns as a person might record them: text, dates and gaps."""
    wine = load_wine(as_frame=True).frame.sample(frac=1, random_state=0, ignore_index=True)
    shades = pd.cut(wine.color_intensity, [0, 3, 6, 20], labels=["pale", "medium", "deep"])
    days = pd.to_timedelta(wine.proline, unit="D")
    return pd.DataFrame(
        {
            "alcohol": wine.alcohol,
            "ash": wine.ash.mask(wine.index % 5 == 0),
            "shade": shades.astype(object).mask(wine.index % 7 == 0),
            "bottled": (pd.Timestamp("2019-01-01") + days)
            .dt.strftime("%Y-%m-%d")
            .mask(wine.index % 11 == 0),
            "cultivar": wine.target.map({0: "barolo", 1: "grignolino", 2: "barbera"}),
        }
    )


@pytest.fixture
def wine_csv(mixed_wine, tmp_path):
    path = tmp_path / "wine.csv"
    mixed_wine.to_csv(path, index=False)
    return str(path)


@pytest.fixture
def iris_csv(tmp_path):
    """Write a changed copy of iris."""

    def write(change=lambda table: table, name="iris.csv") -> str:
        path = tmp_path / name
        change(load_iris(as_frame=True).frame).to_csv(path, index=False)
        return str(path)

    return write


@pytest.fixture
def refusal(capsys):
    """Run the command, which must fail, and return its one line; a slow run has progress, too."""

    def run(*arguments: str) -> str:
        try:
            code = main(list(arguments))
        except SystemExit as stop:
            code = stop.code
        assert code == 2
        shown = capsys.readouterr().err.splitlines(keepends=True)
        others = r"sknethp: (warning: |\d+ of \d+ fits, |\d+ candidates )"
        (line,) = [line for line in shown if not re.match(others, line)]
        assert "error: " in line
        return line

    return run


@pytest.fixture(autouse=True)
def blank_pages(request, monkeypatch):
    """Spare tests that are not about it the seconds that a page takes."""
    if "whole_report" not in request.fixturenames:
        monkeypatch.setattr("sknethp.report.page.render", lambda run: "blank")
        monkeypatch.setattr("sknethp.cli.tuning.feature_importance", lambda *_: None)


@pytest.fixture
def whole_report():
    """Let a run make its page, and what only the page needs."""


@pytest.fixture(scope="module")
def few_epochs():
    """Search only nets that are trained in milliseconds."""
    with pytest.MonkeyPatch.context() as patch:
        search_only(patch, "max_epochs", 2, 3)
        search_only(patch, "hidden_units", 8)
        yield


def search_only(monkeypatch, name, *values):
    """Let the spaces have only these values of a hyperparameter."""
    monkeypatch.setitem(TABLE, name, replace(TABLE[name], search=Options(values)))


@pytest.fixture
def default_handlers():
    """Handle signals as in a shell's foreground."""
    names = {"SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    wanted = {getattr(signal, name): h for name, h in names.items() if hasattr(signal, name)}
    wanted[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
