"""Where the deep nets sit in an estimator: alone, in pipelines, in other meta-estimators."""

from __future__ import annotations

from collections.abc import Iterable
from operator import is_
from pathlib import Path
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sknethp.classifier import DeepNetClassifier
from sknethp.constraints import is_path


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


def with_memory(value: Any, memory: Any) -> Any:
    """Return a clone whose nets all keep their finished fits.

    Parameters
    ----------
    value : estimator, or list or tuple with estimators in it
        Anything else is returned as it is.
    memory : path, joblib.Memory or None
        None to leave each net its own. A relative path is made absolute: worker processes may be
        elsewhere.

    Returns
    -------
    estimator, list or tuple
        The same one where there is no memory, or no net.
    """
    if type(value) in (list, tuple):
        parts = type(value)(with_memory(part, memory) for part in value)
        return value if all(map(is_, parts, value)) else parts
    prefixes = net_prefixes(value)
    known = value.get_params(deep=True) if prefixes else {}
    memories = {f"{prefix}memory": memory or known[f"{prefix}memory"] for prefix in prefixes}
    places = {name: _absolute(each) for name, each in memories.items()}
    if all(places[name] is known[name] for name in places):
        return value
    return clone(value).set_params(**places)


def _absolute(memory: Any) -> Any:
    """Return a memory that means the same wherever a process is."""
    place = getattr(memory, "location", memory)
    if not is_path(place):
        return memory
    path = Path(place).expanduser().absolute()
    return memory if path == Path(place) else str(path)
