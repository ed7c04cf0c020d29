"""Names of parameters: in constructors, and in other libraries."""

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

# In MLPClassifier, skorch and Keras.
_ELSEWHERE = {
    "hidden_layer_sizes": "hidden_units",
    "units": "hidden_units",
    "n_layers": "hidden_layers",
    "num_layers": "hidden_layers",
    "solver": "optimizer",
    "alpha": "weight_decay",
    "learning_rate": "lr",
    "learning_rate_init": "lr",
    "max_iter": "max_epochs",
    "epochs": "max_epochs",
    "n_epochs": "max_epochs",
    "tol": "min_improvement",
    "n_iter_no_change": "patience",
    "nesterovs_momentum": "nesterov",
    "beta_2": "beta2",
    "dropout_rate": "dropout",
    "kernel_initializer": "weight_init",
    "validation_split": "validation_fraction",
    "train_split": "validation_fraction",
}


def set_parameters(estimator: Any, values: Mapping[str, Any]) -> None:
    """Set an estimator's parameters, from the ``locals()`` of its ``__init__``."""
    for name, value in values.items():
        if name != "self":
            setattr(estimator, name, value)


def name_here(name: str) -> str:
    """Translate a name that another library uses; return other names unchanged."""
    return _ELSEWHERE.get(name, name)


def no_parameter(estimator: Any, name: str, known: Sequence[str]) -> str:
    """Say that an estimator has no parameter of a name, and which one may be meant."""
    near = difflib.get_close_matches(name_here(name), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}."
    return f"{type(estimator).__name__} has no parameter {name!r}: {hint}"


def translates_names(init: Callable[..., None]) -> Callable[..., None]:
    """Let a constructor that is given an unknown name say what it is called here."""
    known = inspect.signature(init).parameters.keys() - {"self"}

    @wraps(init)
    def checked(self: Any, *args: Any, **parameters: Any) -> None:
        for name in parameters:
            if name not in known:
                raise TypeError(no_parameter(self, name, sorted(known)))
        init(self, *args, **parameters)

    return checked
