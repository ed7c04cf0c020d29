"""What a run prints."""

import io
import sys

import pytest

from sknethp.cli.printing import best_table, score_table, show


@pytest.mark.parametrize("width", [40, 45, 60, 80])
def test_tables_are_readable_on_narrow_terminals(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    models = ["tuned net", "logistic regression", "most frequent class"]
    values = dict.fromkeys(["cv_accuracy", "cv_log_loss", "test_accuracy", "test_log_loss"], 12.5)
    show(score_table(dict.fromkeys(models, values)), "a" * 100)
    *table, line = capsys.readouterr().out.splitlines()
    assert line == "a" * 100
    assert max(map(len, table)) <= width
    assert "…" not in "".join(table)
    words = set(" ".join(table).split())
    assert {"held-out", "accuracy", "log-loss", "logistic", "regression", "12.5000"} <= words


def test_output_is_written_in_any_encoding(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    show(best_table({"lr": 0.001}), "2 × 3")
    printed = stdout.buffer.getvalue().decode()
    assert printed.endswith("2 ? 3\n")
    assert printed.count("?") == 1
