"""The guide's code runs, and what the guide shows of it is not out of date."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

DOCS = Path(__file__).parent.parent / "docs"
GUIDE = DOCS / "guide.md"
README = DOCS.parent / "README.md"
PICTURES = [path.name for path in (DOCS / "pictures").iterdir()]
TEXT = GUIDE.read_text()


NEEDS = {
    "howto/callbacks.md": ["sklearn.callback"],
    "howto/onnx.md": ["onnxruntime", "onnxscript"],
    "howto/skops.md": ["onnxruntime", "onnxscript", "skops"],
}
PAGES = [
    str(page.relative_to(DOCS))
    for page in sorted(DOCS.rglob("*.md"))
    if page.name not in ("guide.md", "extending.md", "errors.md")
    and "\n```python\n" in page.read_text()
]


_SPEC = importlib.util.spec_from_file_location("docs_execute", DOCS / "execute.py")
execute = sys.modules["docs_execute"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(execute)

EXAMPLE = """\
Text before.

```python
import matplotlib.pyplot as plt

_, ax = plt.subplots()
print("accuracy 0.5")
```

![A picture](pictures/one.png)

Text between.

```python
a = 1
```

Text after.
"""


@pytest.mark.slow
@pytest.mark.timeout(400)  # three quarters of a minute on an idle core
def test_the_guide_runs_and_is_up_to_date():
    parts = execute.executed(TEXT)
    assert execute.stale(parts) == []
    assert len(parts) > 10
    for part in parts:
        for path, picture in part.pictures.items():
            assert picture.startswith(b"\x89PNG")
            assert (DOCS / path).read_bytes().startswith(b"\x89PNG"), path


def test_every_picture_is_shown_and_every_section_linked_exists():
    assert set(re.findall(r"\(pictures/([^)]+)\)", TEXT)) <= set(PICTURES)
    pages = [README, *DOCS.rglob("*.md")]
    shown = re.findall(r"\(\S*pictures/([^)]+)\)", "".join(page.read_text() for page in pages))
    assert set(shown) == set(PICTURES)
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    linked = re.findall(r"\(#([^)]+)\)", TEXT)
    assert linked
    assert set(linked) <= anchors


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch's exporter, about torch
def test_the_other_pages_run_and_are_up_to_date(page, tmp_path, monkeypatch):
    for package in NEEDS.get(page, ()):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    parts = execute.executed((DOCS / page).read_text(), page)
    assert execute.stale(parts) == []


def test_output_is_put_below_its_block_once():
    parts = execute.executed(EXAMPLE)
    once = execute.rewritten(EXAMPLE, parts)
    assert once == EXAMPLE.replace('.5")\n```\n', '.5")\n```\n\n```text\naccuracy 0.5\n```\n')
    again = execute.executed(once)
    assert execute.rewritten(once, again) == once
    assert [part.pictures for part in again] == [part.pictures for part in parts]
    assert list(parts[0].pictures) == ["pictures/one.png"]


def test_other_numbers_are_not_stale_but_other_words_are():
    text = execute.rewritten(EXAMPLE, execute.executed(EXAMPLE))
    assert execute.stale(execute.executed(text)) == []
    assert (
        execute.stale(execute.executed(text.replace("\naccuracy 0.5\n", "\naccuracy 0.7\n"))) == []
    )
    for other in ("\nloss 0.5\n", "\naccuracy 0.5\naccuracy 0.5\n", "\n"):
        (message,) = execute.stale(execute.executed(text.replace("\naccuracy 0.5\n", other)))
        assert message.startswith("block 1 prints\naccuracy 0.5\n")


def test_code_that_fails_is_found():
    with pytest.raises(NameError, match="nothing"):
        execute.executed(EXAMPLE.replace("a = 1", "nothing"))


@pytest.mark.parametrize(("old", "new"), [("plt.subplots()", "1, 2"), ("a = 1", "plt.figure()")])
def test_figures_and_pictures_match(old, new):
    with pytest.raises(ValueError, match=r"python block \d has \d figures, but \d pictures follow"):
        execute.executed(EXAMPLE.replace(old, new))


def test_files_are_written_whole(tmp_path, monkeypatch):
    file = tmp_path / "example.md"
    file.write_text(EXAMPLE)
    monkeypatch.setattr("sys.argv", ["execute.py", str(file), "--check"])
    assert execute.main() == 1
    assert file.read_text() == EXAMPLE
    monkeypatch.setattr("sys.argv", ["execute.py", str(file)])
    assert execute.main() == 0
    assert "\n```text\naccuracy 0.5\n```\n" in file.read_text()
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "example.md",
        "one.png",
        "pictures",
    ]
    monkeypatch.setattr("sys.argv", ["execute.py", str(file), "--check"])
    assert execute.main() == 0
