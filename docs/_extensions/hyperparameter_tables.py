"""A directive that shows the package's own table of hyperparameters, one role at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sknethp.hyperparameters import TABLE, Hyperparameter, Options, Range

_COLUMNS = ("hyperparameter", "default", "meaning")


def _code(value: object) -> str:
    return f"``{value!r}``"


def _searched(search: Range | Options) -> str:
    if isinstance(search, Options):
        return ", ".join(map(_code, search.values))
    return f"{search.low:g} to {search.high:g}{' on a log scale' if search.log else ''}"


def _condition(entry: Hyperparameter) -> str:
    """Say what the others must be for this one to have an effect."""
    conditions = (
        f"``{name}`` is {' or '.join(map(_code, values))}" for name, values in entry.needs.items()
    )
    condition = " and ".join(conditions)
    return f" Used if {condition}." if condition else ""


def _meaning(entry: Hyperparameter) -> list[str]:
    """Return paragraphs: the meaning, what is allowed, and where the default spaces look."""
    allowed = re.sub(r"'[^']*'", r"``\g<0>``", entry.allowed.describe())
    paragraphs = [f"{entry.meaning}{_condition(entry)}", f"Allowed: {allowed}."]
    if entry.search is not None:
        source = f" ({entry.source})" if entry.source else ""
        paragraphs.append(f"Searched: {_searched(entry.search)}{source}.")
    return paragraphs


def _rows() -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the role and the cells of each hyperparameter, in paragraphs of reStructuredText."""
    for entry in TABLE.values():
        yield entry.role, [[f"``{entry.name}``"], [_code(entry.default)], _meaning(entry)]


def list_table(role: str) -> list[str]:
    """Return the lines of a table of all hyperparameters of a role."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "   :widths: 22 12 66",
        "   :class: hyperparameters",
        "",
    ]
    rows = [cells for of_role, cells in _rows() if of_role == role]
    for cells in [[[name] for name in _COLUMNS], *rows]:
        for column, paragraphs in enumerate(cells):
            first, *others = paragraphs
            lines.append(f"   {' ' if column else '*'} - {first}")
            for other in others:
                lines += ["", f"       {other}"]
    return lines


class HyperparameterTable(SphinxDirective):
    """``.. hyperparameters:: structure`` makes the table of that role."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table, parsed."""
        lines = StringList(list_table(self.arguments[0]), source="hyperparameters/table.py")
        container = nodes.container()
        self.state.nested_parse(lines, self.content_offset, container)
        return container.children


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("hyperparameters", HyperparameterTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
