"""Deep nets in scikit-learn, with every hyperparameter an estimator parameter."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from joblib import register_parallel_backend

if TYPE_CHECKING:
    from sknethp.classifier import DeepNetClassifier
    from sknethp.comparison import Comparison, compare
    from sknethp.exceptions import DivergenceError, UnscaledInputWarning
    from sknethp.fusion import fused
    from sknethp.self_tuning import DeepNetClassifierCV

__version__ = "0.1.0"
__all__ = [
    "Comparison",
    "DeepNetClassifier",
    "DeepNetClassifierCV",
    "DivergenceError",
    "UnscaledInputWarning",
    "__version__",
    "compare",
    "fused",
]

_MODULES = {
    "Comparison": "comparison",
    "DeepNetClassifier": "classifier",
    "DeepNetClassifierCV": "self_tuning",
    "DivergenceError": "exceptions",
    "UnscaledInputWarning": "exceptions",
    "compare": "comparison",
    "fused": "fusion",
}


def __getattr__(name: str) -> Any:
    """Import a public name, or a module, on first use: ``--help`` need not wait for torch."""
    module = f"{__name__}.{_MODULES.get(name, name)}"
    try:
        imported = import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = getattr(imported, name) if name in _MODULES else imported
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _backend(**options: Any) -> Any:
    """Return joblib's backend ``"sknethp"``."""
    return import_module(f"{__name__}.fusion").FusedBackend(**options)


register_parallel_backend("sknethp", _backend)
