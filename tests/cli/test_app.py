"""The command line dispatches on its subcommands."""

import signal
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from sknethp.cli import app


def test_each_subcommand_runs_its_own_module(monkeypatch, capsys):
    greeted = []
    greet = SimpleNamespace(
        HELP="greet somebody",
        DESCRIPTION="Greet somebody by name.",
        add_arguments=lambda add: add("name"),
        run=lambda arguments: greeted.append(arguments.name),
    )
    monkeypatch.setitem(app._COMMANDS, "greet", greet)
    assert app.main(["greet", "Ada"]) == 0
    assert greeted == ["Ada"]
    with pytest.raises(SystemExit, match="0"):
        app.main(["--help"])
    assert "greet somebody" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["guess"]])
def test_without_a_known_subcommand_one_line_says_so(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        app.main(arguments)
    assert capsys.readouterr().err.startswith("sknethp: error: ")


def test_a_missing_package_names_the_extra(monkeypatch, capsys):
    def run(_):
        raise ModuleNotFoundError("No module named 'skrub'", name="skrub")

    monkeypatch.setattr(app._COMMANDS["tune"], "run", run)
    assert app.main(["tune", "iris"]) == 2
    message = "sknethp: error: No module named 'skrub'; pip install 'sknethp[tables]'\n"
    assert capsys.readouterr().err == message


def running(monkeypatch, run):
    monkeypatch.setattr(app._COMMANDS["tune"], "run", run)
    return lambda: app.main(["tune", "iris"])


def test_an_import_that_fails_inside_the_package_is_not_hidden(monkeypatch):
    def run(_):
        raise ModuleNotFoundError("No module named 'sknethp.gone'", name="sknethp.gone")

    with pytest.raises(ModuleNotFoundError, match=r"sknethp\.gone"):
        running(monkeypatch, run)()


def test_an_interrupt_before_anything_is_written_is_one_line(monkeypatch, capsys):
    def run(_):
        raise KeyboardInterrupt

    assert running(monkeypatch, run)() == 128 + signal.SIGINT
    assert capsys.readouterr().err == "sknethp: error: interrupted, nothing was written\n"


def test_in_another_thread_signals_are_left_alone(monkeypatch):
    handlers = []
    main = running(monkeypatch, lambda _: handlers.append(signal.getsignal(signal.SIGTERM)))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(main).result() == 0
    assert handlers == [signal.getsignal(signal.SIGTERM)]
