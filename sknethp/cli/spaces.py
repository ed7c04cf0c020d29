"""What the command searches.

Ranges and their sources:

- ``lr``: Bengio [1]_ gives 1e-6 to 1 for standardized inputs; Gorishniy et al. [2]_ search
  1e-5 to 1e-2 with AdamW. The lower end is left out, since a search with a bounded number
  of epochs cannot use it.
- ``hidden_layers``: 1 to 8 in [2]_; beyond 4, plain layers rarely help on small tables.
- ``hidden_units``: 64 to 512 in [2]_, on tables of 10,000 rows and more; smaller nets are
  added for smaller tables.
- ``dropout``: none to 0.5, as in [2]_ and in Srivastava et al. [3]_.
- ``weight_decay``: 1e-6 to 1e-3, as in [2]_.
- ``max_epochs``: few epochs are early stopping without a validation part (Prechelt [6]_).
- ``batch_size``: 32 by default, up to a few hundred, as in [1]_.
- ``activation``: ReLU and three smooth ones that are compared in Hendrycks and
  Gimpel [4]_ and Ramachandran et al. [5]_, and tanh.

References
----------
.. [1] Y. Bengio (2012), Practical recommendations for gradient-based training of deep
   architectures, arXiv:1206.5533.
.. [2] Y. Gorishniy et al. (2021), Revisiting deep learning models for tabular data,
   arXiv:2106.11959.
.. [3] N. Srivastava et al. (2014), Dropout: a simple way to prevent neural networks from
   overfitting, JMLR 15.
.. [4] D. Hendrycks and K. Gimpel (2016), Gaussian error linear units, arXiv:1606.08415.
.. [5] P. Ramachandran et al. (2017), Searching for activation functions, arXiv:1710.05941.
.. [6] L. Prechelt (1998), Early stopping - but when?, in Neural networks: tricks of the
   trade.
"""

from dataclasses import dataclass
from typing import Any

from scipy import stats
from skopt import space

STEP = "net"


@dataclass(frozen=True)
class Interval:
    """Numbers between two bounds, with the levels that a grid takes from them.

    Parameters
    ----------
    low, high : float
        The bounds, both included.
    levels : tuple
        Values for a grid, the most useful first.
    log : bool, default=False
        Whether equal ratios, not equal differences, are equally likely.
    """

    low: float
    high: float
    levels: tuple
    log: bool = False

    def distribution(self) -> Any:
        """Return what RandomizedSearchCV draws from."""
        if isinstance(self.low, int):
            return stats.randint(self.low, int(self.high) + 1)
        if self.log:
            return stats.loguniform(self.low, self.high)
        return stats.uniform(self.low, self.high - self.low)

    def dimension(self) -> space.Dimension:
        """Return what BayesSearchCV models."""
        if isinstance(self.low, int):
            return space.Integer(self.low, self.high)
        return space.Real(self.low, self.high, prior="log-uniform" if self.log else "uniform")


@dataclass(frozen=True)
class Choice:
    """One of several values; a grid takes them in this order.

    Parameters
    ----------
    levels : tuple
        The values.
    """

    levels: tuple

    def distribution(self) -> list:
        """Return what RandomizedSearchCV draws from."""
        return list(self.levels)

    def dimension(self) -> space.Dimension:
        """Return what BayesSearchCV models."""
        return space.Categorical(self.levels)


SPACE: dict[str, Interval | Choice] = {
    "lr": Interval(1e-4, 1e-2, levels=(1e-3, 3e-3, 1e-2, 3e-4), log=True),
    "hidden_units": Choice((64, 128, 32, 256)),
    "dropout": Interval(0.0, 0.5, levels=(0.2, 0.0, 0.4)),
    "hidden_layers": Interval(1, 4, levels=(2, 3, 1)),
    "weight_decay": Interval(1e-6, 1e-3, levels=(1e-5, 1e-3), log=True),
    "max_epochs": Choice((60, 20, 100)),
    "batch_size": Choice((32, 64, 128, 256)),
    "activation": Choice(("silu", "relu", "gelu", "tanh")),
}


def distributions() -> dict[str, Any]:
    """Return the space as scipy distributions and lists, for RandomizedSearchCV."""
    return {f"{STEP}__{name}": values.distribution() for name, values in SPACE.items()}


def dimensions() -> dict[str, space.Dimension]:
    """Return the space as scikit-optimize dimensions, for BayesSearchCV."""
    return {f"{STEP}__{name}": values.dimension() for name, values in SPACE.items()}


def grid(max_candidates: int) -> dict[str, list]:
    """Return the finest grid that the number of candidates allows, for GridSearchCV.

    Every hyperparameter starts with one level; levels are added in turn, the most
    important hyperparameters first, as long as the product stays within bounds.

    Parameters
    ----------
    max_candidates : int
        How many candidates the grid may have.

    Returns
    -------
    dict of str to list
        The levels of each hyperparameter.

    Examples
    --------
    >>> levels = grid(6)
    >>> levels["net__lr"], levels["net__hidden_units"], levels["net__dropout"]
    ([0.001, 0.003, 0.01], [64, 128], [0.2])
    """
    counts = dict.fromkeys(SPACE, 1)
    n_candidates = 1
    grown = True
    while grown:
        grown = False
        for name, count in counts.items():
            larger = n_candidates // count * (count + 1)
            if count < len(SPACE[name].levels) and larger <= max_candidates:
                counts[name], n_candidates, grown = count + 1, larger, True
    return {f"{STEP}__{name}": list(SPACE[name].levels[:n]) for name, n in counts.items()}
