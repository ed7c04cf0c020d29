"""Run the code of a Markdown file, and put beside it what it prints and draws.

``python docs/execute.py`` runs the Python blocks of ``docs/guide.md`` in order, in one
namespace, and rewrites the file: what a block prints, errors' stream included, becomes the
``text`` block below it, and its figures are saved to the pictures that are linked between it
and the next block, in order. All else stays as it was written.

With ``--check`` nothing is written: it fails if the code fails, if a block has not as many
figures as pictures, or if what it prints has another shape than what stands below it. The shape
is each line up to its first number or colon: headings, names and the number of lines count;
scores, which are not the same to the last digit on every machine, and choices that follow from
them do not.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image

_GUIDE = Path(__file__).parent / "guide.md"
_DPI, _COLORS = 80, 256
# A block of code, the output below it if there is one, and the text up to the next block.
_PART = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?"
    r"(?P<rest>.*?)(?=^```python\n|\Z)",
    re.DOTALL | re.MULTILINE,
)
_PICTURE = re.compile(r"^!\[[^\]]+\]\((?P<path>[^)]+\.png)\)$", re.MULTILINE)


@dataclass(frozen=True)
class Part:
    """A block of code and what came out of it.

    Attributes
    ----------
    code : str
    rest : str
        The text that follows, up to the next block.
    before, after : str
        The output that the file has, and that of this run.
    pictures : dict of str to bytes
        PNG files by path, relative to the Markdown file.
    """

    code: str
    rest: str
    before: str
    after: str
    pictures: dict[str, bytes]


def executed(text: str, name: str = "guide.md") -> list[Part]:
    """Run all code blocks of a Markdown text.

    Parameters
    ----------
    text : str
    name : str
        Where the text is from, for error messages.

    Returns
    -------
    list of Part

    Raises
    ------
    ValueError
        If a block draws more or fewer figures than pictures follow it.
    Exception
        Whatever the code raises.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    parts = []
    with _drawing_to_files():
        for number, match in enumerate(_PART.finditer(text), start=1):
            where = f"{name}, python block {number}"
            printed = io.StringIO()
            with redirect_stdout(printed), redirect_stderr(printed):
                exec(compile(match["code"], where, "exec"), namespace)
            pictures = _drawn(_PICTURE.findall(match["rest"]), where)
            after = "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())
            parts.append(Part(match["code"], match["rest"], match["output"] or "", after, pictures))
    return parts


@contextmanager
def _drawing_to_files() -> Iterator[None]:
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    with matplotlib.rc_context({"figure.dpi": _DPI, "savefig.dpi": _DPI}):
        plt.close("all")
        try:
            yield
        finally:
            plt.close("all")


def _drawn(paths: list[str], where: str) -> dict[str, bytes]:
    """Return the open figures as PNG files, and close them."""
    import matplotlib.pyplot as plt

    figures = [plt.figure(number) for number in plt.get_fignums()]
    if len(figures) != len(paths):
        raise ValueError(f"{where} has {len(figures)} figures, but {len(paths)} pictures follow.")
    pictures = {}
    for path, figure in zip(paths, figures, strict=True):
        pictures[path] = _png(figure)
        plt.close(figure)
    return pictures


def _png(figure: Any) -> bytes:
    """Return a figure as a small file, the same for the same figure."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn)
    Image.open(drawn).convert("RGB").quantize(_COLORS).save(small, "png", optimize=True)
    return small.getvalue()


def rewritten(text: str, parts: list[Part]) -> str:
    """Return the Markdown text with the output of this run.

    Parameters
    ----------
    text : str
    parts : list of Part

    Returns
    -------
    str
    """
    start = _PART.search(text)
    lines = [text[: start.start()] if start else text]
    for part in parts:
        lines.append(f"```python\n{part.code}```\n")
        if part.after:
            lines.append(f"\n```text\n{part.after}```\n")
        lines.append(part.rest)
    return "".join(lines)


def shape(output: str) -> list[str]:
    r"""Return what of an output is the same on every machine.

    Parameters
    ----------
    output : str

    Returns
    -------
    list of str
        Each line up to its first number or colon, with single spaces.

    Examples
    --------
    >>> shape("accuracy  0.97, better\nactivation: relu\n")
    ['accuracy', 'activation']
    """
    starts = (re.split(r"[+-]?\.?\d|:", line, maxsplit=1)[0] for line in output.splitlines())
    return [" ".join(start.split()) for start in starts]


def stale(parts: list[Part]) -> list[str]:
    """Say which blocks print something of another shape than what the file has.

    Parameters
    ----------
    parts : list of Part

    Returns
    -------
    list of str
        A message for each.
    """
    return [
        f"block {number} prints\n{part.after}but the file has\n{part.before}"
        for number, part in enumerate(parts, start=1)
        if shape(part.before) != shape(part.after)
    ]


def _write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def main() -> int:
    """Execute the guide, or check it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=_GUIDE)
    parser.add_argument("--check", action="store_true", help="write nothing, fail if it is stale")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", FutureWarning)  # of packages about each other
    text = arguments.file.read_text()
    parts = executed(text, arguments.file.name)
    if arguments.check:
        messages = stale(parts)
        print("\n".join(messages), file=sys.stderr)
        return 1 if messages else 0
    for part in parts:
        for path, content in part.pictures.items():
            _write(arguments.file.parent / path, content)
    _write(arguments.file, rewritten(text, parts).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
