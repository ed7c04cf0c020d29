"""Where the deep nets sit in an estimator: alone, in pipelines, in other meta-estimators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def check_is_estimator(estimator: Any) -> None:
    """Raise a TypeError for a class, or for what cannot be fitted; None stands for the default."""
    if isinstance(estimator, type):
        raise TypeError(
            f"estimator={estimator.__name__} is a class: give an instance, {estimator.__name__}()."
        )
    if not (estimator is None or hasattr(estimator, "fit")):
        raise TypeError(
            f"estimator={estimator!r} is not valid: give an estimator, with a method fit, or None "
            "for the default."
        )


def parameters(estimator: Any) -> dict[str, Any]:
    """Return all parameters of an estimator by name; none for anything else."""
    if not hasattr(estimator, "get_params") or isinstance(estimator, type):
        return {}
    return estimator.get_params(deep=True)


def with_parameters(estimator: Any, values: Mapping[str, Any]) -> Any:
    """Return a clone with some parameters set to clones of the values."""
    changed = clone(estimator)
    changed.set_params(**clone(dict(values), safe=False))  # which may return nothing
    return changed


def nets_in(estimator: Any) -> dict[str, DeepNetClassifier]:
    """Return each DeepNetClassifier in an estimator, by what comes before its parameters' names.

    One whose parameters cannot be set, since a wrapper does not list them, is left out: a frozen
    one, for instance.

    Examples
    --------
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> list(nets_in(OneVsRestClassifier(default_estimator())))
    ['estimator__deepnetclassifier__']
    """
    if isinstance(estimator, DeepNetClassifier):
        return {"": estimator}
    known = parameters(estimator)
    return {
        f"{name}__": value
        for name, value in known.items()
        if isinstance(value, DeepNetClassifier)
        and all(f"{name}__{own}" in known for own in value.get_params())
    }


def net_prefixes(estimator: Any, parameter: str | None = None) -> list[str]:
    """Return the keys of `nets_in`, of the nets with a parameter if one is named."""
    nets = nets_in(estimator).items()
    return [prefix for prefix, net in nets if parameter in (None, *net.get_params())]


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
    known = parameters(estimator)
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
    nets = nets_in(value)
    places = {
        prefix: _absolute(memory or nets[prefix].memory) for prefix in net_prefixes(value, "memory")
    }
    if all(place is nets[prefix].memory for prefix, place in places.items()):
        return value
    return clone(value).set_params(**{f"{prefix}memory": p for prefix, p in places.items()})


def _absolute(memory: Any) -> Any:
    """Return a memory that means the same wherever a process is."""
    place = getattr(memory, "location", memory)
    if not is_path(place):
        return memory
    path = Path(place).expanduser().absolute()
    return memory if path == Path(place) else str(path)
