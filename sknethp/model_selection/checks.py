"""Checks of settings, spaces, candidates and folds before any work, each with a clear sentence."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedKFold, check_cv
from sklearn.utils.multiclass import type_of_target

from sknethp.estimator.data_checks import listed
from sknethp.estimator.memory import memory_folder
from sknethp.fusion.arguments import PROGRESS, is_number_of_jobs
from sknethp.hyperparameters import (
    PER_LAYER,
    TABLE,
    check_hyperparameters,
    hyperparameters_of,
    last_part,
    name_here,
)
from sknethp.hyperparameters.constraints import (
    Constraint,
    Number,
    Predicate,
    as_python,
    check_allowed,
    is_sequence,
    optional,
)
from sknethp.model_selection.estimators import (
    full_name,
    networks_in,
    parameters,
    prefixes,
    with_parameters,
)

_MOST_SUGGESTIONS = 3
_MOST_CANDIDATES = 1_000_000
_PRIORS = ("uniform", "loguniform", "log", "logarithmic", "reciprocal")
_EVERY_SEARCH: dict[str, Constraint] = {
    "memory": TABLE["memory"].allowed,
    "progress": PROGRESS,
    "max_time": optional(Number(0, low_open=True)),
    "n_jobs": optional(
        Predicate(is_number_of_jobs, "a number of jobs other than 0, or -1 for all")
    ),
}


def check_settings(search: Any, allowed: Mapping[str, Constraint]) -> None:
    """Reject settings of a search that are not valid: those named, and those that all have."""
    for name, constraint in {**_EVERY_SEARCH, **allowed}.items():
        check_allowed(name, getattr(search, name), constraint)


def check_scores(results: Mapping[str, Any], metric: str) -> None:
    """Reject results among which none is the best: scoring failed, or all scores are NaN."""
    scores = results[f"mean_test_{metric}"]
    if "iter" in results:  # of successive halving, which chooses from the last round
        scores = scores[results["iter"] == np.max(results["iter"])]
    if np.isnan(scores).all():
        raise ValueError(
            f"No candidate can be refitted as the best: mean_test_{metric} is NaN for all "
            f"{len(scores)}, since scoring failed or gave NaN in at least one fold of each. See "
            'the warnings for the reasons, or set error_score="raise".'
        )


def check_space(estimator: Any, space: Any, parameter: str) -> None:
    """Reject a dict or list of dicts, for `parameter`, that is empty or has unknown names."""
    parts = [space] if isinstance(space, Mapping) else space
    if not isinstance(parts, Sequence) or not all(isinstance(part, Mapping) for part in parts):
        return
    if not any(parts) and networks_in(estimator):
        raise ValueError(
            f"{parameter}={space!r} has nothing to search: give at least one parameter with its "
            f"values, or leave out {parameter} to search a default space."
        )
    for part in parts:
        for name, values in part.items():
            check_name(estimator, name, part)
            check_values(name, values)


def check_values(name: str, values: Any) -> None:
    """Reject what means a range to scikit-optimize where it would be three values."""
    if bounds := bounds_with_prior(values):
        low, high = bounds
        raise ValueError(
            f"The space has {values!r} for {name!r}, which would be {len(values)} values to choose "
            f"from: for a range, give a distribution such as scipy.stats.loguniform({low!r}, "
            f"{high!r}), with n_iter, or else some values of it."
        )


def bounds_with_prior(values: Any) -> list[Any] | None:
    """Return the bounds if values look like two with the name of a prior, and perhaps a base."""
    values = values.tolist() if isinstance(values, np.ndarray) else values
    if not isinstance(values, tuple | list) or len(values) not in (3, 4):
        return None
    names = ["".join(filter(str.isalpha, v)).lower() for v in values if isinstance(v, str)]
    numbers = [as_python(v) for v in values if Number().allows(v)]
    is_range = len(names) == 1 and names[0] in _PRIORS and len(numbers) == len(values) - 1
    return numbers[:2] if is_range else None


def all_of(candidates: Any) -> list[dict[str, Any]]:
    """Return a list of a ``ParameterGrid`` or ``ParameterSampler``, if it is not too long."""
    check_count(candidates.__len__())
    return list(candidates)


def check_count(n_candidates: int) -> None:
    """Reject more candidates than could ever be evaluated."""
    if n_candidates > _MOST_CANDIDATES:
        raise ValueError(
            f"The search has {n_candidates:,} candidates, but {_MOST_CANDIDATES:,} are the most "
            "that it takes: give fewer values, or a smaller number to draw."
        )


def check_name(estimator: Any, name: str, others: Iterable[str] = ()) -> None:
    """Reject a name that is not a parameter of an estimator, or of `others` set with it."""
    if not isinstance(name, str):
        raise ValueError(f"Names of parameters are strings, but the space has {name!r}.")
    known = parameters(estimator)
    if not known or name in known or any(name.startswith(f"{other}__") for other in others):
        return
    try:
        clone(estimator).set_params(**{name: None})
    except (AttributeError, TypeError, ValueError):
        pass
    else:
        return  # an estimator that takes what it does not list
    near = nearest_names(name, list(known))
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise ValueError(
        f"The space names {name!r}, which is not a parameter of "
        f"{type(estimator).__name__}{hint or ': see its get_params().'}"
    )


def nearest_names(name: str, known: Sequence[str]) -> list[str]:
    """Return the names that one may have been meant to be, the likeliest first.

    Examples
    --------
    >>> nearest_names("lr", ["net", "net__lr"])
    ['net__lr']
    >>> nearest_names("droput", ["net__dropout", "net__lr"])
    ['net__dropout']
    """
    last = name_here(last_part(name))
    same = [other for other in known if last_part(other) == last]
    if same:
        return same[:_MOST_SUGGESTIONS]
    whole = difflib.get_close_matches(name, known, n=_MOST_SUGGESTIONS, cutoff=0.8)
    lasts = {last_part(other): other for other in reversed(known)}
    parts = difflib.get_close_matches(last, list(lasts), n=_MOST_SUGGESTIONS, cutoff=0.7)
    return list(dict.fromkeys([*(lasts[part] for part in parts), *whole]))[:_MOST_SUGGESTIONS]


def check_candidates(estimator: Any, candidates: Iterable[Mapping[str, Any]]) -> None:
    """Reject candidates if none of them can be fitted, with what is wrong with the first."""
    first = None
    for candidate in candidates:
        reason = invalid_because(estimator, candidate)
        if reason is None:
            return
        first = first or reason
    if first is not None:
        raise ValueError(f"No candidate can be fitted: {first}")


def check_named(candidates: Any) -> None:
    """Reject what is not a dict from names to parameters, or is empty."""
    if not isinstance(candidates, Mapping) or not all(
        isinstance(name, str) and isinstance(params, Mapping) for name, params in candidates.items()
    ):
        raise ValueError(
            f"candidates={candidates!r} is not valid: give a dict from names to dicts of "
            'parameters, such as {"wider": {"hidden_units": 512}}.'
        )
    if not candidates:
        raise ValueError(
            "candidates={} has nothing to try: name at least one, or give None to start with "
            "the estimator as it is."
        )


def invalid_because(estimator: Any, candidate: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the parameters of a candidate's networks; None for nothing."""
    if not networks_in(estimator):
        return None
    try:
        networks = networks_in(with_parameters(estimator, candidate))
    except TypeError as error:  # of a class in place of an estimator
        return str(error)
    for network in networks.values():
        try:
            check_hyperparameters(hyperparameters_of(network))
        except ValueError as error:
            return str(error)
    return None


def check_memories(estimator: Any) -> None:
    """Raise an OSError for a memory that cannot be used, which would otherwise fail every fit."""
    for network in networks_in(estimator).values():
        memory = hyperparameters_of(network)["memory"]
        if TABLE["memory"].allowed.allows(memory):
            memory_folder(memory)


def check_seeds(search: Any) -> None:
    """Warn if a memory is of no use, since each run of the script draws something else."""
    networks = {p: hyperparameters_of(net) for p, net in networks_in(search.estimator).items()}
    networks = {p: values for p, values in networks.items() if values["memory"]}
    if not networks:
        return
    unseeded = [f"{p}random_state" for p, each in networks.items() if each["random_state"] is None]
    cv = getattr(search.cv, "splitter", search.cv)
    if getattr(cv, "random_state", 0) is None and getattr(cv, "shuffle", True):
        unseeded.append("random_state of cv")
    if getattr(search, "random_state", 0) is None and getattr(search, "n_iter", 1) is not None:
        unseeded.append("random_state of the search")
    if unseeded:
        warnings.warn(
            "memory finds a fit again only if it is the same, seed and data included: set "
            f"{' and '.join(unseeded)} to an integer, or a killed search starts all over.",
            UserWarning,
            stacklevel=3,
        )


def check_folds(estimator: Any, cv: Any, y: Any) -> None:
    """Reject more stratified folds than the smallest class has samples, for networks."""
    cv = getattr(cv, "splitter", cv)  # of fixed folds
    if y is None or not networks_in(estimator):
        return
    if not (cv is None or isinstance(cv, Integral | StratifiedKFold | RepeatedStratifiedKFold)):
        return  # not to use up a generator, which check_cv would
    splitter = check_cv(cv, y, classifier=True)
    if not isinstance(splitter, StratifiedKFold | RepeatedStratifiedKFold):
        return
    if type_of_target(y) not in ("binary", "multiclass"):
        return
    classes, counts = np.unique(np.asarray(y), return_counts=True)
    if not len(classes):
        return
    n_splits = splitter.get_n_splits() // getattr(splitter, "n_repeats", 1)
    fewest, n_samples = int(counts.min()), int(counts.sum())
    if n_samples > 1 and fewest < n_splits:
        advice = f"set cv to {fewest} or less, " if fewest > 1 else ""
        raise ValueError(
            f"Class {listed(classes[[counts.argmin()]])} has {fewest} of {n_samples} samples, too "
            f"few for {n_splits} folds: {advice}leave out the class, or collect more of it."
        )


def check_growth(estimator: Any, space: Any, *, drawn: bool) -> None:
    """Reject what cannot be tuned while layers are added; distributions only if `drawn` from."""
    growing = prefixes(estimator, "hidden_layers")
    if not growing:
        raise ValueError(
            f"There is no DeepNetClassifier in {type(estimator).__name__} to add layers to, or it "
            "is frozen: give an estimator with a net whose parameters can be set."
        )
    parts = [space] if isinstance(space, Mapping) else space
    if not is_sequence(parts) or not parts or not all(isinstance(p, Mapping) for p in parts):
        raise ValueError(
            f"param_grid={space!r} is not valid: give a dict from names to values, a list of such, "
            "a callable that returns one, or None to tune nothing but the depth."
        )
    searched = set()
    for part in parts:
        for name, values in part.items():
            searched.add(full_name(estimator, name))
            check_name(estimator, full_name(estimator, name), part)
            check_values(name, values)
            if hasattr(values, "rvs") and not drawn:
                raise ValueError(
                    f"param_grid has a distribution for {name!r}: set n_iter to the number of "
                    "candidates to draw, or give a list of values."
                )
    for prefix in growing:
        _check_free_layers(prefix, networks_in(estimator)[prefix], searched)


def _check_free_layers(prefix: str, network: Any, searched: set[str]) -> None:
    """Reject what fixes the number of a network's layers."""
    if f"{prefix}hidden_layers" in searched:
        raise ValueError(
            f"param_grid has '{prefix}hidden_layers', but that is what grows: leave it out, and "
            "set min_layers and max_layers."
        )
    for name in PER_LAYER:
        value = getattr(network, name)
        if is_sequence(value) and prefix + name not in searched:
            raise ValueError(
                f"{prefix}{name}={value!r} is for {len(value)} layers, but their number grows: "
                "give one value for all layers."
            )
