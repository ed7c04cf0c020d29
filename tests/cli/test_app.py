"""The command line dispatches on its subcommands."""

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


@pytest.mark.parametrize("arguments", [[], ["predict"]])
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
