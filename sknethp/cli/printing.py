"""What a run prints."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from sknethp.cli.errors import CommandError

_TITLES = {"log_loss": "log-loss", "roc_auc": "ROC AUC", "roc_auc_ovr": "ROC AUC", "f1": "F1"}
_PARTS = {"cv": "CV", "test": "held-out"}


def show(*parts: Any) -> None:
    """Print lines and tables."""
    # rich must not write to stdout itself: on a closed pipe it ends the process.
    encoding = sys.stdout.encoding
    text = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace", newline="")
    console = Console(file=text, force_terminal=sys.stdout.isatty())
    for part in parts:
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
    text.seek(0)
    with standard_output() as output:
        output.write(text.read())


@contextmanager
def standard_output() -> Iterator[TextIO]:
    """Yield standard output; where its pipe has closed, as by ``| head -1``, nothing is written."""
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        # Otherwise Python tries again at exit.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise CommandError(f"cannot print: {error.strerror}") from error


def tell(sentence: str) -> None:
    """Print a line on standard error, if there is one."""
    with suppress(OSError, ValueError, AttributeError):
        print(f"sknethp: {sentence}", file=sys.stderr, flush=True)


def warn(sentence: str) -> None:
    """Print a warning on standard error."""
    tell(f"warning: {sentence}")


def best_table(best: dict[str, Any]) -> Table:
    """Return a table of hyperparameters by name."""
    table = _table("Best hyperparameters", "name", "value")
    for name, value in best.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    return table


def score_table(scores: dict[str, dict[str, float]]) -> Table:
    """Return a table of scores by model, narrow enough for half a terminal."""
    table = _table("Scores", "score", *scores)
    for column in table.columns[1:]:
        column.justify = "right"
    for name in next(iter(scores.values())):
        part, _, metric = name.partition("_")
        title = f"{_PARTS[part]} {_TITLES.get(metric, metric.replace('_', ' '))}"
        table.add_row(title, *(_number(values[name]) for values in scores.values()))
    return table


def _number(value: float) -> str:
    return "–" if value != value else f"{value:.4f}"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    table.padding = (0, 1, 0, 0)
    for heading in headings:
        longest_word = max(map(len, heading.split()))
        table.add_column(heading, vertical="bottom", min_width=longest_word)
    return table
