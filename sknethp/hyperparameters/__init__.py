"""All hyperparameters: the one table, what each may be, and the check of them all."""

from sknethp.hyperparameters.check import check_hyperparameters
from sknethp.hyperparameters.names import (
    name_here,
    no_parameter,
    set_parameters,
    translates_names,
)
from sknethp.hyperparameters.table import (
    PER_LAYER,
    TABLE,
    Hyperparameter,
    Options,
    Range,
    described,
    hyperparameters_of,
    last_part,
)

__all__ = [
    "PER_LAYER",
    "TABLE",
    "Hyperparameter",
    "Options",
    "Range",
    "check_hyperparameters",
    "described",
    "hyperparameters_of",
    "last_part",
    "name_here",
    "no_parameter",
    "set_parameters",
    "translates_names",
]
