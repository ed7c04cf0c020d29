"""The reference names everything that is public, and nothing else."""

import re
from importlib import import_module
from pathlib import Path

TEXT = (Path(__file__).parent.parent / "docs" / "reference" / "index.rst").read_text()


def listed(text):
    """Return the names below each ``currentmodule``, by module."""
    parts = re.split(r"^\.\. currentmodule:: (\S+)$", text, flags=re.MULTILINE)[1:]
    return {
        module: re.findall(r"^   (\w+)$", names, re.MULTILINE)
        for module, names in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_public_name_is_listed_once():
    names = listed(TEXT)
    assert len(names) == 3
    for module, shown in names.items():
        assert sorted(shown) == sorted(set(import_module(module).__all__) - {"__version__"})


def test_a_missing_name_would_be_noticed():
    text = TEXT.replace("   fused\n", "")
    assert "fused" in listed(TEXT)["sknethp"]
    assert "fused" not in listed(text)["sknethp"]
