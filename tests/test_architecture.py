"""The rooms are those of docs/architecture.md, and imports between them go downwards only."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sknethp"
TEXT = (ROOT / "docs" / "architecture.md").read_text()
# From the top; rooms beside each other do not know of one another.
LEVELS = (
    ("cli",),
    ("report",),
    ("comparison",),
    ("display", "self_tuning"),
    ("model_selection",),
    ("estimator", "fusion"),
    ("hyperparameters", "session"),
    ("training",),
    ("compat", "exceptions"),
)
ROOMS = {room for level in LEVELS for room in level}


def room_of(parts):
    """The room of a module that is given by the parts of its name below the package."""
    first = parts[0].removesuffix(".py") if parts else ""
    return first if first in ROOMS else "estimator"


def imports(source):
    """The rooms that a module imports from."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("sknethp"):
            continue
        names = [node.module] if "." in node.module else [f"sknethp.{a.name}" for a in node.names]
        yield from (room_of(name.split(".")[1:]) for name in names)


def upward(source, parts):
    """The rooms that a module imports from and may not."""
    level = {room: i for i, rooms in enumerate(LEVELS) for room in rooms}
    own = room_of(parts)
    return {other for other in imports(source) if other != own and level[other] <= level[own]}


def test_imports_go_downwards():
    modules = [
        path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_"
    ]
    assert len(modules) > 50
    found = {path: upward(path.read_text(), path.relative_to(PACKAGE).parts) for path in modules}
    assert {str(path): rooms for path, rooms in found.items() if rooms} == {}


def test_an_import_that_goes_up_is_seen():
    assert upward("from sknethp.fusion.tasks import Task", ("training", "rows")) == {"fusion"}
    assert upward("from sknethp import DeepNetClassifier", ("fusion", "tasks")) == {"estimator"}
    assert upward("from sknethp.cli import app", ("display", "scales")) == {"cli"}
    assert upward("from sknethp.training.rows import Rows", ("cli", "app")) == set()


def test_what_the_text_names_is_there():
    names = set(re.findall(r"[\w/]+\.py\b", TEXT)) | set(re.findall(r"`(\w+/)`", TEXT))
    assert len(names) > 25
    missing = [name for name in names if not (PACKAGE / name).exists() | (ROOT / name).exists()]
    assert missing == []
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert {name.rstrip("/") for name in re.findall(r"^\| `(\w+/)`", TEXT, re.MULTILINE)} == folders
