"""Runs as the command leaves them, and their pages."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from sknethp.cli import main
from sknethp.cli.output import write_settings
from sknethp.comparison import Comparison
from sknethp.hyperparameters import TABLE, Options
from sknethp.report.page import make_report
from tests.helpers import BREAST_CANCER

# A name that would be an element, or end a script, if it were not escaped.
NASTY = "<script>alert(1)</script>"


def nasty_iris():
    """Iris with names of a column and a class that are markup."""
    from sklearn.datasets import load_iris

    iris = load_iris(as_frame=True)
    names = [NASTY, "b & c", '"d"', "e.f[0]"]
    frame = iris.data.set_axis(names, axis=1)
    return frame.assign(target=iris.target.map({0: "<b>bold", 1: "it's", 2: "plain"}))


@pytest.fixture(scope="session")
def tuned(tmp_path_factory):
    """The folder of a run of tune."""
    folder = tmp_path_factory.mktemp("tuned")
    data, out = folder / "iris.csv", folder / "run"
    nasty_iris().to_csv(data, index=False)
    with pytest.MonkeyPatch.context() as patch:
        for name, values in {"max_epochs": (3, 6), "hidden_units": (4, 8, 16)}.items():
            patch.setitem(TABLE, name, replace(TABLE[name], search=Options(values)))
        line = ["tune", str(data), "--method", "random", "--candidates", "9", "--cv", "2"]
        assert main([*line, "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def tuned_page(tuned):
    return make_report(tuned)


def fitted_on_folds(models):
    """Compare models by hand, on folds of the breast cancer data."""
    X, y = BREAST_CANCER
    scores, held_out = [], []
    for name, model in models.items():
        for fold, (train, test) in enumerate(StratifiedKFold(3).split(X, y)):
            probabilities = model.fit(X[train], y[train]).predict_proba(X[test])
            predicted = probabilities.argmax(axis=1)
            part = {"model": name, "fold": fold, "row": test, "label": y[test]}
            part |= {"predicted": predicted}
            part |= {f"proba_{i}": probabilities[:, i] for i in range(2)}
            held_out.append(pd.DataFrame(part))
            own = probabilities[np.arange(len(test)), y[test]]
            row = {"model": name, "fold": fold, "n_train": len(train), "n_test": len(test)}
            row |= {"neg_log_loss": np.log(own.clip(1e-9)).mean()}
            row |= {"accuracy": (predicted == y[test]).mean()}
            scores.append(row | {"fit_seconds": 1.0 + fold, "predict_seconds": 0.1})
    return Comparison(pd.DataFrame(scores), pd.concat(held_out), rope=0.01)


@pytest.fixture(scope="session")
def compared(tmp_path_factory):
    """The folder of a comparison."""
    folder = tmp_path_factory.mktemp("compared")
    forest = RandomForestClassifier(20, random_state=0)
    models = {"forest": forest, "logistic": LogisticRegression(max_iter=5000)}
    comparison = fitted_on_folds(models)
    comparison.save(folder)
    data = {"name": "breast_cancer", "target": "target", "columns": ["a"], "numbers": ["a"]}
    settings = {
        "arguments": {"command": "compare", "data": "breast_cancer", "cv": 3, "seed": 0},
        "data": {**data, "classes": [0, 1], "n_rows": 569},
        "findings": ["a warning of the data"],
    }
    write_settings(folder, settings)
    return folder


@pytest.fixture(scope="session")
def compared_page(compared):
    return make_report(compared)
