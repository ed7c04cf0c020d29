"""The messages in docs/reference/errors.md are those that the package gives."""

import re
import warnings
from pathlib import Path

from sklearn.datasets import load_wine

from sknethp.cli import main

TEXT = (Path(__file__).parent.parent / "docs" / "reference" / "errors.md").read_text()


def blocks(language, text=TEXT):
    """Return pairs of code and the message below it."""
    return re.findall(
        rf"^```{language}\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", text, re.DOTALL | re.MULTILINE
    )


(SETUP, _), *CASES = blocks("python")


def message_of(code, namespace):
    """Return what the code raises, or else warns of first."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            exec(code, namespace)
        except (ValueError, TypeError) as error:
            return f"{type(error).__name__}: {error}"
    return f"{type(caught[0].message).__name__}: {caught[0].message}"


def status(arguments):
    """Return the exit status of the command."""
    try:
        return main(arguments)
    except SystemExit as error:
        return error.code


def agrees(shown, message):
    """Tell whether a message is the one shown, which may have gaps, on several lines."""
    parts = map(re.escape, " ".join(shown.split()).split("…"))
    return re.fullmatch(".+".join(parts), " ".join(message.split())) is not None


def test_messages_are_those_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    exec(SETUP, namespace)
    given = [(shown, message_of(code, namespace)) for code, shown in CASES]
    assert len(given) > 12
    assert [pair for pair in given if not agrees(*pair)] == []


def test_errors_of_the_command_are_those_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = load_wine(as_frame=True).frame
    table.to_csv("wine.csv", index=False)
    table.head(0).to_csv("empty.csv", index=False)
    found = blocks("sh")
    assert len(found) > 4
    for line, shown in found:
        assert status(line.split()[1:]) == 2
        message = capsys.readouterr().err
        assert agrees(shown, message), message


def test_another_message_is_noticed():
    assert agrees("ValueError: took\n… s", "ValueError: took 1.2 s")
    assert not agrees("ValueError: took … s", "ValueError: took s")
    assert not agrees("ValueError: took 1.2 s", "TypeError: took 1.2 s")
    assert not agrees("ValueError: a.b", "ValueError: a_b")
