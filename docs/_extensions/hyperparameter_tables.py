"""A directive that shows the package's own table of hyperparameters, one role at a time."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sknethp.hyperparameters import TABLE, Hyperparameter, Options, Range

_COLUMNS = ("hyperparameter", "default", "allowed", "searched", "meaning")


def _code(value: object) -> str:
    return f"``{value!r}``"


def _searched(search: Range | Options | None) -> str:
    """Say where the default spaces look."""
    if search is None:
        return "–"
    if isinstance(search, Options):
        return ", ".join(_code(value) for value in search.values)
    return f"{search.low:g} to {search.high:g}{', log' if search.log else ''}"


def _condition(entry: Hyperparameter) -> str:
    """Say what the others must be for this one to have an effect."""
    conditions = (
        f"``{name}`` is {' or '.join(_code(value) for value in values)}"
        for name, values in entry.needs.items()
    )
    condition = " and ".join(conditions)
    return f" Used if {condition}." if condition else ""


def _source(entry: Hyperparameter) -> str:
    return f" Range: {entry.source}." if entry.source else ""


def row(entry: Hyperparameter) -> tuple[str, ...]:
    """Return the cells of a hyperparameter, as reStructuredText."""
    return (
        f"``{entry.name}``",
        _code(entry.default),
        entry.allowed.describe(),
        _searched(entry.search),
        f"{entry.meaning}{_condition(entry)}{_source(entry)}",
    )


def list_table(role: str) -> list[str]:
    """Return the lines of a table of all hyperparameters of a role."""
    rows = [_COLUMNS, *(row(entry) for entry in TABLE.values() if entry.role == role)]
    lines = [".. list-table::", "   :header-rows: 1", "   :class: hyperparameters", ""]
    for cells in rows:
        marks = ["*", *[" "] * (len(cells) - 1)]
        lines += [f"   {mark} - {cell}" for mark, cell in zip(marks, cells, strict=True)]
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
