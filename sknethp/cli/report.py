"""What a run prints."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

_COLUMNS = {
    "cv_accuracy": "CV\naccuracy",
    "cv_log_loss": "CV\nlog-loss",
    "test_accuracy": "held-out\naccuracy",
    "test_log_loss": "held-out\nlog-loss",
}


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False)
    table.add_column(first, no_wrap=True, vertical="bottom")
    return table


def print_best(best: dict[str, Any], console: Console) -> None:
    """Print the best hyperparameters.

    Parameters
    ----------
    best : dict of str to object
        Values by name.
    console : rich.console.Console
        Where to print.
    """
    table = _table("Best hyperparameters", "name")
    table.add_column("value")
    for name, value in best.items():
        table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
    console.print(table, "")


def print_scores(scores: dict[str, dict[str, float]], console: Console) -> None:
    """Print the scores of all models beside each other.

    Parameters
    ----------
    scores : dict of str to dict of str to float
        For each model ``cv_accuracy``, ``cv_log_loss``, ``test_accuracy`` and
        ``test_log_loss``.
    console : rich.console.Console
        Where to print.
    """
    table = _table("Scores", "model")
    for heading in _COLUMNS.values():
        table.add_column(heading, justify="right")
    for model, values in scores.items():
        table.add_row(model, *(f"{values[name]:.4f}" for name in _COLUMNS))
    console.print(table, "")
