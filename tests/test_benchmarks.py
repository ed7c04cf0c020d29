"""The benchmarks go with the package as it is: what they import from it is there."""

import importlib
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_its_help_says_what_it_asks(name, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    before = set(sys.modules)
    try:
        script = importlib.import_module(name)
        with pytest.raises(SystemExit) as ended:
            script.main()
    finally:
        for module in set(sys.modules) - before:
            if Path(getattr(sys.modules[module], "__file__", None) or "").parent == FOLDER:
                del sys.modules[module]
    assert ended.value.code == 0
    assert "?" in capsys.readouterr().out
