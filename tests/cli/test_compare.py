"""``sknethp compare``: the same table as in Python, files, interrupts, bad input."""

import json
import signal

import pandas as pd
import pytest
from sklearn.datasets import load_iris

from sknethp import compare
from sknethp.cli import main
from sknethp.comparison import kept

QUICK = ["--budget", "0.2s", "--cv", "3", "--jobs", "1"]
FAST = ["--models", "logisticregression", *QUICK]
FILES = {"comparison.json", "scores.csv", "held_out.csv", "settings.json", "report.html"}


def test_the_table_is_that_of_python(tmp_path, capsys):
    line = ["compare", "iris", "--models", "DeepNetClassifier", *QUICK]
    assert main([*line, "--seed", "7", "--out", str(tmp_path)]) == 0
    assert "comparing DeepNetClassifier: 3 folds" in (printed := capsys.readouterr().out)
    assert {path.name for path in tmp_path.iterdir()} == FILES
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = load_iris().target_names
    models, given = ["DeepNetClassifier"], {"max_time": 0.2, "cv": 3, "n_jobs": 1}
    expected = compare(X, names[y], models, **given, random_state=7)
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores.neg_log_loss.tolist() == pytest.approx(expected.scores_.neg_log_loss.tolist())
    other = compare(X, names[y], models, **given, random_state=8)
    assert scores.neg_log_loss.tolist() != pytest.approx(other.scores_.neg_log_loss.tolist())
    settings = json.loads((tmp_path / "settings.json").read_text())
    assert settings["sentence"] == expected.sentence_
    assert settings["sentence"] in printed


def test_groups_and_metric(wine_csv, mixed_wine, tmp_path):
    mixed_wine.assign(farm=mixed_wine.index % 20).to_csv(wine_csv, index=False)
    line = ["compare", wine_csv, "--target", "cultivar", "--group", "farm", "--metric", "accuracy"]
    out = tmp_path / "result"
    assert main([*line, *FAST, "--out", str(out)]) == 0
    assert json.loads((out / "comparison.json").read_text())["metrics"][0] == "accuracy"
    held_out = pd.read_csv(out / "held_out.csv")
    folds = held_out.assign(farm=held_out.row % 20).groupby("farm")["fold"].nunique()
    assert folds.tolist() == [1] * 20


def test_an_interrupt_keeps_what_is_finished(default_handlers, tmp_path, monkeypatch, capsys):
    keep, n_kept = kept.Kept.keep, []

    def kept_once(self, *args):
        keep(self, *args)
        n_kept.append(1)
        if len(n_kept) == 2:
            signal.raise_signal(signal.SIGINT)

    line = ["compare", "iris", *FAST, "--out", str(tmp_path)]
    monkeypatch.setattr(kept.Kept, "keep", kept_once)
    assert main(line) == 130
    assert "run the same line again to go on" in capsys.readouterr().err
    assert main(line) == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(n_kept) == 3
    assert {path.name for path in tmp_path.iterdir()} == FILES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "RandomForrest"], "--models has no 'RandomForrest'; did you mean 'RandomFo"),
        (["--models", "svm"], "--models has no 'svm'; give DeepNetClassifierCV, DeepNetClassifier"),
        (["--metric", "guess"], "--metric 'guess' is not a metric of classification"),
    ],
)
def test_refused_arguments(arguments, message, tmp_path, refusal):
    out = tmp_path / "result"
    assert message in refusal("compare", "iris", *arguments, "--out", str(out))
    assert not out.exists()
