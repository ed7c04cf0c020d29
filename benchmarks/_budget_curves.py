"""Mean log-loss by budget, of all fits that a file of results holds."""

import _comparison as comparison
import _report as report
import pandas as pd
import torch
from _contenders import OURS

SPLIT = ["data", "seed", "n_train", "n_test"]


def collect(results, rows, labels, make_models):
    """Return a frame with a row per classifier and budget, or None if there is but one budget.

    It has the means over those splits in `rows` of which every classifier has a fit at every budget
    that it has fits of. What has no budget (NaN) stands at the seconds it took.
    """
    n_threads = torch.get_num_threads()
    here = (row["budget"] for row in results.rows if row["threads"] == n_threads)
    budgets = sorted({budget for budget in here if pd.notna(budget)})
    if len(budgets) < 2:
        return None
    splits = rows[SPLIT].drop_duplicates().to_dict("records")
    found = []
    for budget in budgets:
        for model in make_models(budget):
            if model.label in labels and (model.budget or budget == budgets[0]):
                fits = [results.find({**split, **model.key()}, timed=True) for split in splits]
                names = {"label": f"{model.label}, {model.budget} s", "name": model.label}
                found += [{"failure": None, **row, **names} for row in fits if row]
    found = pd.DataFrame(found)
    _, found = comparison.complete(found, list(found["label"].unique()))
    return (
        found.groupby(["name", "budget"], dropna=False, sort=False)
        .agg({"log_loss": "mean", "seconds": "mean", "failure": "count", "data": "nunique"})
        .reset_index()
    )


def print_losses(by_budget):
    """Print a row per classifier and a column per budget."""
    budgets = sorted(by_budget["budget"].dropna().unique())
    rows = []
    for name, group in by_budget.groupby("name", sort=False):
        losses = dict(zip(group["budget"].fillna(0), group["log_loss"], strict=True))
        cells = [losses.get(budget, losses.get(0)) for budget in budgets]
        rows.append([name, *(None if cell is None else f"{cell:.4f}" for cell in cells)])
    title = f"Mean log-loss by budget, {by_budget['data'].iloc[0]} data sets"
    report.print_table(title, ["classifier", *(f"{budget:g} s" for budget in budgets)], rows)


def draw(by_budget, path):
    """Draw a line per classifier with a budget, and a point for each without.

    Where fits failed there is no point.
    """
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(9, 5), layout="constrained")
    worked = by_budget[by_budget["failure"] == 0]
    for name, group in worked.groupby("name", sort=False):
        if group["budget"].isna().all():
            seconds = group["seconds"].iloc[0]
            ax.plot(seconds, group["log_loss"], "D", label=f"{name} (default, {seconds:.1f} s)")
        else:
            width = 2.5 if name.startswith(OURS) else 1.5
            ax.plot("budget", "log_loss", "o-", data=group, label=name, linewidth=width)
    ax.set_xscale("log")
    ticks = sorted({1, *by_budget["budget"].dropna()})
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
    ax.set_xlabel("Seconds given, for the defaults: seconds taken")
    ax.set_ylabel(f"Mean log-loss on {by_budget['data'].iloc[0]} data sets")
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=150)
    print(f"Drawn to {path}.")
