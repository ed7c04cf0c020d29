"""The estimator that is searched: its parameters, the networks in it and their memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import is_
from pathlib import Path
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sknethp.classifier import DeepNetClassifier
from sknethp.hyperparameters import last_part
from sknethp.hyperparameters.constraints import is_path


def default_estimator() -> Pipeline:
    """Return what a search tunes if it is given no estimator; with a seed, to be resumable."""
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
    try:
        return estimator.get_params(deep=True)
    except TypeError as error:  # of a class that is asked for its parameters
        found = _class_in(estimator)
        if found is None:
            raise
        raise TypeError(
            f"{found.__name__} in {type(estimator).__name__} is a class: give an instance, "
            f"{found.__name__}()."
        ) from error


def _class_in(value: Any) -> type | None:
    """Return the first class with a method ``fit`` among an estimator's parameters."""
    if isinstance(value, type):
        return value if hasattr(value, "fit") else None
    parts = value if isinstance(value, list | tuple) else []
    if hasattr(value, "get_params"):
        parts = value.get_params(deep=False).values()
    return next((found for part in parts if (found := _class_in(part))), None)


def with_parameters(estimator: Any, values: Mapping[str, Any]) -> Any:
    """Return a clone with some parameters set to clones of the values."""
    changed = clone(estimator)
    changed.set_params(**clone(dict(values), safe=False))  # which may return None
    return changed


def networks_in(estimator: Any) -> dict[str, DeepNetClassifier]:
    """Return each DeepNetClassifier in an estimator whose parameters can be set, by their prefix.

    Examples
    --------
    >>> from sklearn.multiclass import OneVsRestClassifier
    >>> list(networks_in(OneVsRestClassifier(default_estimator())))
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


def prefixes(estimator: Any, parameter: str | None = None) -> list[str]:
    """Return the prefixes of the networks in an estimator; of those with a parameter, if given."""
    networks = networks_in(estimator).items()
    return [prefix for prefix, network in networks if parameter in (None, *network.get_params())]


def full_name(estimator: Any, name: str) -> str:
    """Return a parameter's name with its prefix; unchanged if not exactly one network has it.

    Examples
    --------
    >>> full_name(default_estimator(), "lr")
    'deepnetclassifier__lr'
    """
    longer = [prefix + name for prefix in prefixes(estimator, name)]
    return name if name in parameters(estimator) or len(longer) != 1 else longer[0]


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Map names to their last parts, where these are unambiguous.

    Examples
    --------
    >>> short_names(["a__lr", "b__lr", "a__dropout"])
    {'a__lr': 'a__lr', 'b__lr': 'b__lr', 'a__dropout': 'dropout'}
    """
    last = {name: last_part(name) for name in names}
    short = list(last.values())
    return {name: own if short.count(own) == 1 else name for name, own in last.items()}


def with_memory(value: Any, memory: Any) -> Any:
    """Return a clone of an estimator, or of several in a list, whose networks have a memory.

    Relative paths are made absolute: worker processes may run elsewhere. None leaves each network
    its own. Where nothing changes, `value` itself is returned.
    """
    if type(value) in (list, tuple):
        parts = type(value)(with_memory(part, memory) for part in value)
        return value if all(map(is_, parts, value)) else parts
    networks = {
        prefix: network
        for prefix, network in networks_in(value).items()
        if "memory" in network.get_params()
    }
    memories = {prefix: _absolute(memory or net.memory) for prefix, net in networks.items()}
    if all(each is networks[prefix].memory for prefix, each in memories.items()):
        return value
    return clone(value).set_params(**{f"{prefix}memory": m for prefix, m in memories.items()})


def _absolute(memory: Any) -> Any:
    """Return a memory that means the same in whatever folder a process runs."""
    location = getattr(memory, "location", memory)
    if not is_path(location):
        return memory
    path = Path(location).expanduser().absolute()
    return memory if path == Path(location) else str(path)
