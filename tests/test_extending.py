"""What docs/extending.md names is there, and its examples are what they say."""

import re
from pathlib import Path

import pytest
import torch

from sknethp.training import activations, schedules

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sknethp"
TEXT = (ROOT / "docs" / "extending.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))


def files(text):
    """Python files that a text names, in the package or among the tests."""
    return set(re.findall(r"[\w/]+\.py\b", text))


def path(name):
    return ROOT / name if name.startswith("tests/") else PACKAGE / name


def test_files_are_there():
    assert len(files(TEXT)) > 25
    assert [name for name in files(TEXT) if not path(name).exists()] == []
    assert all((ROOT / name).exists() for name in re.findall(r"`([\w/]+\.md)`", TEXT))


@pytest.mark.parametrize("title", SECTIONS)
def test_names_stand_in_the_files_of_their_section(title):
    assert "Tests: " in SECTIONS[title]
    code = "".join(path(name).read_text() for name in files(SECTIONS[title]))
    names = re.findall(r"`([A-Za-z_]+)(?:\(\w+\))?`", SECTIONS[title])
    assert len(names) > 1 or "tests/fusion" in SECTIONS[title]
    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []


def test_the_table_counts_the_files_that_it_names():
    rows = re.findall(r"^\| (an? .+?) \| (\d): ?(.*?) \|", TEXT, re.MULTILINE)
    assert len(rows) == 9
    for what, count, cell in rows:
        assert cell.count("`") == 2 * int(count), what


def example(title, module):
    """Run the example of a section in the names of a module; return what its last line makes."""
    (block,) = re.findall(r"^```python\n(.*?)^```", SECTIONS[title], re.DOTALL | re.MULTILINE)
    definition, _, entry = block.rstrip().rpartition("\n")
    namespace = dict(vars(module))
    exec(definition, namespace)
    return eval(entry, namespace)


def test_the_activation_is_one():
    entry = example("An activation", activations)
    z = torch.linspace(-3, 3, 7)
    out = torch.empty_like(z)
    entry.forward(z, out=out)
    torch.testing.assert_close(out, entry.module()(z))
    entry.backward(torch.ones_like(z), z, out=out)
    torch.testing.assert_close(out, (1 + z / (z.square() + 4).sqrt()) / 2)


def test_the_schedule_decays(monkeypatch):
    monkeypatch.setitem(schedules.SCHEDULES, "polynomial", example("A schedule", schedules))
    schedule = schedules.Schedule("polynomial", 1.0, 4)
    rates = [schedule.rates(epoch, 1).item() for epoch in (0, 2, 4)]
    assert rates == pytest.approx([1, 0.2575, 0.01])
