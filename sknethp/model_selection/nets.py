"""Where the deep nets sit in an estimator: alone, in pipelines, in other meta-estimators."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sknethp.classifier import DeepNetClassifier


def default_estimator() -> Pipeline:
    """Return what a search tunes when it is given no estimator: a net on scaled features.

    Its seed is fixed: the same search then gives the same result, and can be resumed.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Steps ``standardscaler`` and ``deepnetclassifier``.
    """
    return make_pipeline(StandardScaler(), DeepNetClassifier(random_state=0))


def net_prefixes(estimator: Any) -> list[str]:
    """Return what comes before the parameters of each DeepNetClassifier in an estimator.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    list of str
        ``[""]`` for a bare net, ``["net__"]`` for a pipeline's step ``net``; in the order of
        ``get_params``, and empty where there is no net.

    Examples
    --------
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> net_prefixes(OneVsRestClassifier(default_estimator()))
    ['estimator__deepnetclassifier__']
    """
    if isinstance(estimator, DeepNetClassifier):
        return [""]
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return []
    return [
        f"{name}__"
        for name, value in estimator.get_params(deep=True).items()
        if isinstance(value, DeepNetClassifier)
    ]


def full_name(estimator: Any, name: str) -> str:
    """Return the name of a parameter with its prefix, where a net's own name was given.

    Parameters
    ----------
    estimator : estimator
    name : str

    Returns
    -------
    str
        The name itself where it is a parameter, or where not exactly one net has it.

    Examples
    --------
    >>> full_name(default_estimator(), "lr")
    'deepnetclassifier__lr'
    """
    known = estimator.get_params(deep=True)
    longer = [prefix + name for prefix in net_prefixes(estimator) if prefix + name in known]
    return name if name in known or len(longer) != 1 else longer[0]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return names without the prefix of a pipeline's step, where that leaves no doubt.

    Parameters
    ----------
    names : iterable of str

    Returns
    -------
    dict of str to str
        From each name to the shorter one.

    Examples
    --------
    >>> short_names(["a__lr", "b__lr", "a__dropout"])
    {'a__lr': 'a__lr', 'b__lr': 'b__lr', 'a__dropout': 'dropout'}
    """
    last = {name: name.rpartition("__")[2] for name in names}
    short = list(last.values())
    return {name: own if short.count(own) == 1 else name for name, own in last.items()}


def with_memory(estimator: Any, memory: Any) -> Any:
    """Return a clone whose nets all keep their finished fits.

    Parameters
    ----------
    estimator : estimator
    memory : path, joblib.Memory or None

    Returns
    -------
    estimator
        The same one where there is no memory, or no net.
    """
    prefixes = net_prefixes(estimator)
    if memory is None or not prefixes:
        return estimator
    return clone(estimator).set_params(**{f"{prefix}memory": memory for prefix in prefixes})
