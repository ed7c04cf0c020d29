"""``sknethp tune`` by default: the net that tunes itself."""

import json
import signal

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from sknethp import DeepNetClassifierCV
from sknethp.cli import main
from sknethp.cli.data import load_dataset
from sknethp.cli.splits import split
from sknethp.report.about import tried_facts
from sknethp.report.files import read_run
from sknethp.report.search import search_table
from sknethp.self_tuning.kept import Kept
from sknethp.self_tuning.race import Race

LINE = ["tune", "iris", "--cv", "2", "--candidates", "2", "--out"]


def scores_in(folder):
    return json.loads((folder / "settings.json").read_text())["scores"]


def after(monkeypatch, kind, method, n_calls, number):
    """Send a signal when a method has been called so many times."""
    original, count = getattr(kind, method), 0

    def called(self, *args):
        nonlocal count
        count += 1
        original(self, *args)
        if count == n_calls:
            signal.raise_signal(number)

    monkeypatch.setattr(kind, method, called)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    assert main([*LINE, str(folder)]) == 0
    return folder


def test_the_best_hyperparameters_are_all_that_are_not_defaults(finished):
    settings = json.loads((finished / "settings.json").read_text())
    best = settings["best_hyperparameters"]
    found = joblib.load(finished / "pipeline.joblib")[-1]
    assert best.items() >= found.best_params_.items()
    assert best["ensemble_size"] == 2 * 2  # one for each fold, and as many on all samples
    assert "embedding_lr_factor" not in best  # a default
    candidates = pd.read_csv(finished / "cv_results.csv").set_index("candidate")
    np.testing.assert_allclose(candidates["evaluated_at"].sort_index(), found.evaluated_at_)
    assert candidates["weight"].sum() == pytest.approx(1)


def test_the_page_counts_the_candidates_once(finished):
    first, *others = json.loads((finished / "settings.json").read_text())["notes"]
    run = read_run(finished)
    facts = dict(tried_facts(run, search_table(run.candidates)))
    assert first.startswith("2 candidates (")
    assert facts["Candidates"].startswith("2 (")
    assert facts.get("Notes", "") == "; ".join(others)


def test_files_agree_with_each_other(finished):
    model = joblib.load(finished / "pipeline.joblib")
    assert isinstance(model[-1], DeepNetClassifierCV)
    assert model[-1].memory is None
    _, held_out = split(load_dataset("iris"), test_fraction=0.2, cv=2, seed=0)
    table = pd.read_csv(finished / "held_out.csv")
    scores = scores_in(finished)
    assert set(table.model) == set(scores) == {"tuned net", *list(scores)[1:]}
    columns = [f"proba_{label}" for label in model.classes_]
    for name, own in table.groupby("model"):
        assert own.row.tolist() == held_out.index.tolist()
        found = log_loss(own.label, own[columns])
        assert found == pytest.approx(scores[name]["test_log_loss"])
        is_net = np.allclose(own[columns], model.predict_proba(held_out.X), atol=1e-6)
        assert is_net == (name == "tuned net")
    candidates = pd.read_csv(finished / "cv_results.csv")
    assert candidates.weight.sum() == pytest.approx(1)
    assert candidates.mean_test_neg_log_loss.is_monotonic_decreasing


def test_a_budget_in_place_of_candidates(tmp_path, capsys):
    assert main([*LINE[:4], "--budget", "0.02m", "--jobs", "1", "--out", str(tmp_path)]) == 0
    assert "tuning itself: 1.2 s, 2 folds" in capsys.readouterr().out
    assert joblib.load(tmp_path / "pipeline.joblib")[-1].max_time == 1.2


def test_after_an_interrupt_there_is_a_result_and_a_way_on(
    default_handlers, monkeypatch, tmp_path, capsys, finished
):
    with monkeypatch.context() as patch:
        after(patch, Race, "_round", 3, signal.SIGINT)
        assert main([*LINE, str(tmp_path)]) == 0
    assert "(2 interrupted)" in (printed := capsys.readouterr().out)
    assert printed.splitlines()[-1].endswith("the same line with --force goes on")
    assert scores_in(tmp_path) != scores_in(finished)
    assert main([*LINE, str(tmp_path)]) == 2
    assert main([*LINE, str(tmp_path), "--force"]) == 0
    assert scores_in(tmp_path) == scores_in(finished)


def test_a_run_that_was_killed_goes_on(default_handlers, monkeypatch, tmp_path, capsys, finished):
    with monkeypatch.context() as patch:
        after(patch, Kept, "keep", 1, signal.SIGTERM)
        assert main([*LINE, str(tmp_path)]) == 143
    assert "run the same line again to go on" in capsys.readouterr().err
    assert main([*LINE, str(tmp_path)]) == 0
    assert "finished in an earlier run: 1 of the candidates" in capsys.readouterr().out
    assert scores_in(tmp_path) == scores_in(finished)
