"""What code finds set around it, and may set for a while: each task has its own."""

from __future__ import annotations

import warnings

from joblib import parallel_config
from sklearn import get_config, set_config


class Surroundings:
    """Joblib's backend, scikit-learn's configuration and the warning filters at a moment.

    Tasks enter and leave contexts that change these interleaved, not nested, so that each would
    leave the others, and the code outside, with something that was not theirs.
    """

    def __init__(self) -> None:
        self._backend = parallel_config()
        self._config = get_config()
        self._filters = warnings.catch_warnings()
        self._filters.__enter__()

    def restore(self) -> None:
        """Set all as it was; to be called once."""
        self._filters.__exit__(None, None, None)
        if get_config() != self._config:
            set_config(**self._config)
        self._backend.unregister()
