"""A comparison as files of plain text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sknethp.comparison.frames import pandas
from sknethp.estimator.whole_files import whole_file
from sknethp.hyperparameters.constraints import as_python

if TYPE_CHECKING:
    from sknethp.comparison.result import Comparison

SCORES, HELD_OUT, ABOUT = "scores.csv", "held_out.csv", "comparison.json"
_TEXTS = dict.fromkeys(("model", "params", "at_edge", "notes", "failure"), str)


def save(comparison: Comparison, folder: Path) -> None:
    """Write the tables, and last what they are about."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "metrics": comparison.metrics_,
        "classes": None if comparison.classes_ is None else comparison.classes_.tolist(),
        "max_time": comparison.max_time_,
        "rope": comparison.rope_,
        "findings": comparison.findings_,
    }
    for name, table in ((SCORES, comparison.scores_), (HELD_OUT, comparison.held_out_)):
        if table is not None:
            with whole_file(folder / name) as scratch:
                table.to_csv(scratch, index=False)
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    with whole_file(folder / ABOUT) as scratch:
        scratch.write_text(text, encoding="utf-8")


def load(kind: type[Comparison], folder: Path) -> Comparison:
    """Read what `save` has written."""
    if not (folder / ABOUT).is_file():
        raise ValueError(f"{str(folder)!r} holds no comparison: there is no {ABOUT} in it.")
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    scores = pandas().read_csv(folder / SCORES, dtype=_TEXTS, keep_default_na=False, na_values=[""])
    texts = [name for name in _TEXTS if name in scores]
    scores[texts] = scores[texts].fillna("")
    held_out = None
    if (folder / HELD_OUT).is_file():
        labels = dict.fromkeys(("model", "label", "predicted"), str)
        held_out = pandas().read_csv(folder / HELD_OUT, dtype=labels, keep_default_na=False)
        known = {str(as_python(label)): label for label in about["classes"]}
        for name in ("label", "predicted"):
            held_out[name] = held_out[name].map(known)
    classes = about.pop("classes")
    return kind(scores, held_out, classes=None if classes is None else np.array(classes), **about)
