"""Critical-difference diagrams (Demšar, 2006, Statistical comparisons of classifiers, JMLR)."""

import numpy as np
from _results import MEASURES
from scipy.stats import friedmanchisquare, studentized_range

ALPHA = 0.05
TITLES = {"error": "Test error", "log_loss": "Log-loss"}


def critical_difference(n_models, n_data_sets):
    """Return the difference of mean ranks that Nemenyi's test finds significant."""
    quantile = studentized_range.ppf(1 - ALPHA, n_models, np.inf) / np.sqrt(2)
    return quantile * np.sqrt(n_models * (n_models + 1) / (6 * n_data_sets))


def draw(results, labels, path):
    """Draw the mean ranks by error and by log-loss; bars join what Nemenyi's test does not part."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import MultipleLocator
    from scikit_posthocs import critical_difference_diagram, posthoc_nemenyi_friedman

    if len(labels) < 3:
        raise SystemExit("--plot: Friedman's test compares three classifiers or more.")
    figure, axes = plt.subplots(2, figsize=(9, 0.5 * len(labels) + 3.2), layout="constrained")
    for name, ax in zip(MEASURES, axes, strict=True):
        table = results.pivot_table(index="data", columns="label", values=name)[labels]
        ranks = table.rank(axis=1).mean()
        p = friedmanchisquare(*table.to_numpy().T).pvalue
        critical_difference_diagram(
            ranks,
            posthoc_nemenyi_friedman(table),
            ax=ax,
            label_fmt_left="{label} ({rank:.2f}) ",
            label_fmt_right=" ({rank:.2f}) {label}",
            color_palette={label: f"C{i}" for i, label in enumerate(labels)},
        )
        ax.xaxis.set_major_locator(MultipleLocator(1))
        ax.set_title(
            f"{TITLES[name]}: mean rank on {len(table)} data sets\n"
            f"(Friedman p = {p:.1g}, critical difference "
            f"{critical_difference(len(labels), len(table)):.2f})"
        )
    figure.savefig(path, dpi=150)
    print(f"Drawn to {path}: bars join what Nemenyi's test cannot tell apart (α = {ALPHA}).")
