"""Finished models of finished folds kept on disk, so that a comparison goes on where it was."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import sklearn

from sknethp.comparison.evaluation import Result
from sknethp.estimator.memory import keep, memory_folder, recalled
from sknethp.estimator.stored_fit import load_arrays

# To be incremented when what is kept, or how models are fitted, changes.
_FORMAT = 3
_ARRAYS = ("probabilities", "predicted")


class Kept:
    """Results of one comparison's data and settings in a folder; without a `memory`, none."""

    def __init__(self, memory: Any, *settings: Any):
        self._folder = memory_folder(memory)
        if self._folder is not None:
            self._key = joblib.hash((settings, _FORMAT, sklearn.__version__), coerce_mmap=True)

    def _file(self, *what: Any) -> Path | None:
        """Return where the result of a model on a fold is; None if there is no place."""
        if self._folder is None:
            return None
        try:
            return self._folder / f"{joblib.hash((self._key, what), coerce_mmap=True)}.npz"
        except Exception:  # an estimator that cannot be pickled cannot be recognized
            return None

    def recall(self, *what: Any) -> Result | None:
        """Return a kept result, if there is one that can be read."""
        file = self._file(*what)
        return None if file is None else recalled(file, _read, "A model is fitted")

    def keep(self, result: Result, *what: Any) -> None:
        """Write a result, completely or not at all; a failure is not kept."""
        file = self._file(*what)
        if file is None or result.failure:
            return
        rest = asdict(result)
        arrays = {name: rest.pop(name) for name in _ARRAYS}
        keep({**arrays, "rest": np.array(json.dumps(rest))}, file, "model", "comparison")


def _read(file: Path) -> Result:
    arrays = load_arrays(file, [*_ARRAYS, "rest"])
    rest = json.loads(str(arrays.pop("rest")))
    return Result(**rest, **dict[str, Any](arrays))
