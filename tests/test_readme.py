"""The README's code runs, and its commands are the ones that exist."""

import re
from pathlib import Path

import pytest

from sknethp.cli.app import build_parser

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)


def test_python_blocks_run_in_order(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    found = blocks("python")
    for number, block in enumerate(found, start=1):
        exec(compile(block, f"README.md, python block {number}", "exec"), namespace)
    assert len(found) >= 2
    assert "DeepNetClassifierCV" in found[0]
    assert "fused()" in "".join(found)
    assert capsys.readouterr().out


def test_it_is_read_in_minutes():
    assert 400 < len(README.read_text().split()) < 900


def test_a_wrong_block_would_fail():
    with pytest.raises(ImportError):
        exec("from sknethp import NoSuchThing", {})


def test_commands_are_understood():
    commands = re.findall(r"sknethp (\w+ .*)", "".join(blocks("sh")))
    assert {command.split()[0] for command in commands} >= {"tune", "predict", "compare"}
    for command in commands:
        arguments = build_parser().parse_args(command.split())
        assert arguments.command == command.split()[0]
