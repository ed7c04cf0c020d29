"""Where to search: grids, distributions and dimensions, all from the one table.

A space for grid and random search is a list of dicts where parameters depend on others: each
dict fixes the ones that decide (an optimizer, say) and has only those that then have an effect.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
from scipy import stats
from sklearn.model_selection import ParameterGrid
from skopt import space as skopt_space

from sknethp.classifier import DeepNetClassifier
from sknethp.hyperparameters import PER_LAYER, TABLE, Options, Range, hyperparameters_of
from sknethp.hyperparameters.constraints import COUNT, Choice, check_allowed, is_sequence
from sknethp.model_selection.estimators import check_is_estimator, default_estimator, networks_in

Domain = Range | Options
Method = Literal["grid", "random", "bayes"]
Size = Literal["small", "medium", "large"]

METHODS = ("grid", "random", "bayes")
# The most important first: a grid gives these the most levels.
SIZES: dict[str, tuple[str, ...]] = {
    "small": ("lr", "hidden_units", "dropout", "hidden_layers"),
    "medium": (
        *("lr", "hidden_units", "dropout", "hidden_layers"),
        *("weight_decay", "max_epochs", "batch_size", "activation", "label_smoothing"),
    ),
    "large": (
        *("lr", "hidden_units", "dropout", "hidden_layers", "optimizer", "lr_schedule"),
        *("weight_decay", "max_epochs", "batch_size", "activation", "momentum", "nesterov"),
        *("normalization", "residual", "label_smoothing", "lr_final", "warmup_fraction"),
        *("embedding", "embedding_size", "frequency_scale", "embedding_bins", "beta2"),
        *("input_dropout", "input_scaling", "weight_init"),
    ),
}
GRID_CANDIDATES = {"small": 12, "medium": 48, "large": 256}
_MANY_SAMPLES = 10_000
_WIDEST_FOR_FEW_SAMPLES = 256
_WIDEST_LOW_END = 64
_UPDATES_PER_EPOCH = 8
_EVEN_LEVELS = 3
_FEWEST_RESIDUAL_LAYERS = 2  # the first has no input of its own width


def fitted_to_data(
    name: str, domain: Domain, n_samples: int | None, n_features: int | None
) -> Domain:
    """Narrow a range of the table to what makes sense for the size of the data, if that is known.

    Units: at most 256 below 10,000 samples, where that did best, and at least about half the
    features (Bengio, 2012). Batches: the smallest, and those that leave 8 updates an epoch.
    """
    if name == "hidden_units" and isinstance(domain, Range):
        low, high = domain.low, domain.high
        if n_samples is not None and n_samples < _MANY_SAMPLES:
            high = min(high, _WIDEST_FOR_FEW_SAMPLES)
        if n_features is not None and n_features > 2 * low:
            low = min(2 ** int(math.log2(n_features / 2)), _WIDEST_LOW_END)
        levels = tuple(level for level in domain.levels if low <= level <= high)
        return Range(low, high, domain.log, domain.integer, levels)
    if name == "batch_size" and isinstance(domain, Options) and n_samples is not None:
        most = max(n_samples // _UPDATES_PER_EPOCH, min(domain.values))
        return Options(tuple(value for value in domain.values if value <= most))
    return domain


def has_effect(name: str, values: Mapping[str, Any]) -> bool:
    """Whether a hyperparameter matters at all beside given values of all others."""
    return all(values[other] in allowed for other, allowed in TABLE[name].needs.items())


def subspaces(
    names: Sequence[str], own: Mapping[str, Any], domains: Mapping[str, Domain]
) -> list[dict[str, Domain]]:
    """Split a space so that in each part every parameter has an effect beside `own` values."""
    deciding = [
        name
        for name in names
        if isinstance(domains[name], Options)
        and (any(name in TABLE[other].needs for other in names) or name == "residual")
    ]
    parts = []
    for chosen in product(*(_values(domains[name]) for name in deciding)):
        fixed = dict(zip(deciding, chosen, strict=True))
        searched = [name for name in names if has_effect(name, {**own, **fixed})]
        part = {name: domains[name] for name in searched}
        part |= {name: Options((value,)) for name, value in fixed.items()}
        if fixed.get("residual"):
            deep = _deep(part.get("hidden_layers", Options((own["hidden_layers"],))))
            if not levels(deep):
                continue
            part |= {"hidden_layers": deep} if "hidden_layers" in part else {}
        parts.append(part)
    return parts


def _deep(domain: Domain) -> Domain:
    """Leave out the numbers of layers for which residual connections have no effect."""
    if isinstance(domain, Options):
        return Options(tuple(n for n in domain.values if n >= _FEWEST_RESIDUAL_LAYERS))
    kept = tuple(n for n in domain.levels if n >= _FEWEST_RESIDUAL_LAYERS)
    return replace(domain, low=max(domain.low, _FEWEST_RESIDUAL_LAYERS), levels=kept)


def _values(domain: Domain) -> tuple[Any, ...]:
    return domain.values if isinstance(domain, Options) else ()


def levels(domain: Domain) -> list[Any]:
    """Return what a grid may take from a range, the most useful first.

    Examples
    --------
    >>> levels(Range(0.1, 10.0, log=True))
    [0.1, 1.0, 10.0]
    """
    if isinstance(domain, Options):
        return list(domain.values)
    if domain.levels:
        return list(domain.levels)
    return _spread(domain, _EVEN_LEVELS)


def _spread(domain: Range, n: int) -> list[Any]:
    spaced = np.geomspace if domain.log else np.linspace
    points = spaced(domain.low, domain.high, n).tolist()
    return list(dict.fromkeys(round(p) for p in points)) if domain.integer else points


def distribution(domain: Domain) -> Any:
    """Return what a random search draws from: a list, or a distribution of scipy's.

    Integers on a log scale are a list, each about twice the last: equal widths train faster.
    """
    if isinstance(domain, Options):
        return list(domain.values)
    if domain.integer and domain.log:
        return _spread(domain, round(math.log2(domain.high / domain.low)) + 1)
    if domain.integer:
        return stats.randint(int(domain.low), int(domain.high) + 1)
    if domain.log:
        return stats.loguniform(domain.low, domain.high)
    return stats.uniform(domain.low, domain.high - domain.low)


def dimension(domain: Domain) -> skopt_space.Dimension:
    """Return what a Bayesian search models."""
    if isinstance(domain, Options):
        return skopt_space.Categorical(domain.values)
    prior = "log-uniform" if domain.log else "uniform"
    if domain.integer:
        return skopt_space.Integer(int(domain.low), int(domain.high), prior=prior)
    return skopt_space.Real(domain.low, domain.high, prior=prior)


def _finest_grid(
    names: Sequence[str], own: Mapping[str, Any], domains: Mapping[str, Domain], max_candidates: int
) -> list[dict[str, list]]:
    """Return the finest grid within a number of candidates, by adding a level to each in turn."""
    counts = dict.fromkeys(names, 1)
    grid: list[dict[str, list]] = [{}]
    grown = True
    while grown:
        grown = False
        for name in names:
            if counts[name] >= len(levels(domains[name])):
                continue
            larger = {**counts, name: counts[name] + 1}
            finer = _grid(larger, own, domains)
            if len(ParameterGrid(finer)) <= max_candidates:
                counts, grid, grown = larger, finer, True
    return grid


def _grid(
    counts: Mapping[str, int], own: Mapping[str, Any], domains: Mapping[str, Domain]
) -> list[dict[str, list]]:
    """Return the grid with so many levels of each hyperparameter; one level is left out."""
    cut = {
        name: Options(tuple(levels(domains[name])[:count]))
        for name, count in counts.items()
        if count > 1
    }
    parts = subspaces(list(cut), own, cut)
    return [{name: levels(domain) for name, domain in part.items()} for part in parts]


def _searchable(names: Iterable[str], own: Mapping[str, Any]) -> list[str]:
    """Leave out what would contradict the network's own parameters."""
    out = {name for name in PER_LAYER if is_sequence(own[name])}
    if out:
        out.add("hidden_layers")
    fixed_layers = "hidden_layers" in out or "hidden_layers" not in names
    few = fixed_layers and own["hidden_layers"] < _FEWEST_RESIDUAL_LAYERS
    if is_sequence(own["hidden_units"]) or few:
        out.add("residual")
    if own["nesterov"]:
        out.add("optimizer")
    if own["momentum"] == 0:
        out.add("nesterov")
    return [name for name in names if name not in out]


def _network_space(
    network: DeepNetClassifier,
    method: str,
    size: str,
    shape: tuple[int | None, int | None],
    max_candidates: int,
) -> list[dict[str, Any]]:
    """Return the space of one network: names without prefix."""
    own = hyperparameters_of(network)
    known = network.get_params()  # a subclass may have fewer
    names = [name for name in _searchable(SIZES[size], own) if name in known]
    domains: dict[str, Domain] = {}
    for name in names:
        domain = TABLE[name].search
        assert domain is not None
        domains[name] = fitted_to_data(name, domain, *shape)
    names = [name for name in names if len(levels(domains[name])) > 1]
    if method == "grid":
        return _finest_grid(names, own, domains, max_candidates)
    parts = subspaces(names, own, domains)
    if method == "random":
        return [{name: distribution(domain) for name, domain in part.items()} for part in parts]
    always = [
        name
        for name in names
        if all(name in part for part in parts) and not (name == "residual" and len(parts) > 1)
    ]
    return [{name: dimension(domains[name]) for name in always}]


def search_space(
    estimator: Any = None,
    method: Method = "random",
    size: Size = "medium",
    *,
    X: Any = None,
    n_samples: int | None = None,
    n_features: int | None = None,
    max_candidates: int | None = None,
) -> Any:
    """Return a sensible space for the deep networks in an estimator.

    Parameters
    ----------
    estimator : estimator or None
        Has one or more DeepNetClassifier in it, at any depth; None for the default of the
        searches, a net behind a ``StandardScaler``. With several, each has the whole space.
    method : {"grid", "random", "bayes"}
        What the space is for.
    size : {"small", "medium", "large"}
        How many hyperparameters to tune; see Notes.
    X : array-like of shape (n_samples, n_features) or None
        The data to be searched on, of which only the size matters.
    n_samples, n_features : int or None
        The size of the data, where there is no `X`; None for not known.
    max_candidates : int or None
        How many candidates a grid may have at most; None for 12, 48 or 256 by `size`.

    Returns
    -------
    dict or list of dict
        For ``"grid"`` lists of levels, for ``"random"`` lists and distributions of scipy's,
        for ``"bayes"`` dimensions of scikit-optimize. The names have the prefix for where the
        net sits.

    Raises
    ------
    ValueError
        If `estimator` has no DeepNetClassifier in it, or an argument is none of those listed.

    Notes
    -----
    No candidate has a hyperparameter without an effect, such as the momentum of an optimizer
    that has none: a grid or random space is then a list of dicts, and a Bayesian space, which
    is one box, leaves out those that not every candidate has. Values that were given for each
    layer stay, and the number of layers with them.

    The hyperparameters, the most important first, and where their ranges come from:

    {table}

    Examples
    --------
    >>> space = search_space(size="small", n_samples=500, n_features=20)
    >>> list(space)[:2]
    ['deepnetclassifier__lr', 'deepnetclassifier__hidden_units']
    >>> search_space(method="grid", size="small", max_candidates=6)
    {'deepnetclassifier__lr': [0.001, 0.003, 0.01], 'deepnetclassifier__hidden_units': [256, 128]}
    """
    check_allowed("method", method, Choice(METHODS))
    check_allowed("size", size, Choice(tuple(SIZES)))
    counts = {"max_candidates": max_candidates, "n_samples": n_samples, "n_features": n_features}
    for name, count in counts.items():
        if count is not None:
            check_allowed(name, count, COUNT)
    estimator = default_estimator() if estimator is None else estimator
    check_is_estimator(estimator)
    networks = networks_in(estimator)
    if not networks:
        raise ValueError(
            f"There is no DeepNetClassifier in {type(estimator).__name__}, or it is frozen, and a "
            "default space is for its hyperparameters only: give a space of your own, or an "
            "estimator with a net whose parameters can be set."
        )
    shape = (n_samples, n_features) if X is None else _shape(X)
    most = max_candidates or GRID_CANDIDATES[size]
    parts = []
    for prefix, network in networks.items():
        each = int(most ** (1 / len(networks)) + 1e-9)
        space = _network_space(network, method, size, shape, each)
        parts.append([{prefix + name: domain for name, domain in part.items()} for part in space])
    joined = [{k: v for part in chosen for k, v in part.items()} for chosen in product(*parts)]
    return joined[0] if len(joined) == 1 else joined


def _shape(X: Any) -> tuple[int | None, int | None]:
    """Return the numbers of samples and features, as far as they can be told."""
    shape = getattr(X, "shape", None) or np.shape(X)
    if not shape:
        raise ValueError(
            f"X={X!r} is not data: give a table of shape (n_samples, n_features), or None."
        )
    return (shape[0], shape[1]) if len(shape) == 2 else (None, None)


def _described() -> str:
    """Return a numpydoc list of all hyperparameters that the spaces have."""
    lines = []
    for name in SIZES["large"]:
        sizes = [size for size, names in SIZES.items() if name in names]
        domain = TABLE[name].search
        among = (
            f"{domain.low:g} to {domain.high:g}" if isinstance(domain, Range) else _listed(domain)
        )
        text = f"- `{name}` ({', '.join(sizes)}): {among}. {TABLE[name].source}."
        lines += textwrap.wrap(text, 92, subsequent_indent="  ", break_on_hyphens=False)
    return "\n    ".join(lines)


def _listed(domain: Options | None) -> str:
    return ", ".join(map(repr, domain.values)) if domain else ""


search_space.__doc__ = (search_space.__doc__ or "").replace("{table}", _described())
