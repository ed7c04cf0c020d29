"""``sknethp tune`` on real data: what it prints, what it writes, what it refuses."""

import json
import os
import subprocess
import sys
import warnings
from importlib.metadata import version

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from sknethp.cli import main
from sknethp.cli.data import load_dataset
from sknethp.cli.splits import split
from sknethp.hyperparameters.automatic import by_samples
from sknethp.model_selection.spaces import SIZES
from tests.cli.conftest import search_only

FILES = {
    "pipeline.joblib",
    "cv_results.csv",
    "held_out.csv",
    "curves.csv",
    "settings.json",
    "report.html",
}
QUICK = ["--method", "random", "--candidates", "2", "--cv", "2"]

pytestmark = pytest.mark.usefixtures("few_epochs")


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_bundled_data(method, tmp_path, capsys):
    out = tmp_path / "result"
    assert main(["tune", "iris", *QUICK, "--method", method, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"{method} search: 2 candidates x 2 folds" in printed
    assert "earlier run" not in printed
    for name in [*SIZES["medium"], "tuned net", "logistic regression", "most frequent class"]:
        assert name in printed
    assert {path.name for path in out.iterdir()} == FILES
    results = pd.read_csv(out / "cv_results.csv")
    assert len(results) == 2
    assert results.rank_test_neg_log_loss.iloc[0] == 1


@pytest.mark.slow
def test_growing_layers(tmp_path, capsys):
    line = ["tune", "iris", "--method", "grow", "--cv", "2", "--jobs", "1", "--out", str(tmp_path)]
    assert main(line) == 0
    printed = capsys.readouterr().out
    n_layers = joblib.load(tmp_path / "pipeline.joblib")[-1].hidden_layers
    assert f"\n{n_layers} hidden layer" in printed
    tried = pd.read_csv(tmp_path / "cv_results.csv").param_net__hidden_layers
    assert n_layers in tried.tolist()
    assert tried.is_unique
    assert len(tried) > 1


@pytest.mark.parametrize("method", ["random", "bayes", "grid"])
def test_a_budget_limits_a_search(method, tmp_path, capsys):
    line = ["tune", "iris", "--method", method, "--cv", "2", "--metric", "accuracy"]
    assert main([*line, "--budget", "1s", "--out", str(tmp_path)]) == 0
    assert f"{method} search: 2 folds, at most 1 s" in (printed := capsys.readouterr().out)
    results = pd.read_csv(tmp_path / "cv_results.csv")
    assert f"tried in the time: {len(results)} candidates" in printed or len(results) == 48
    assert results.mean_test_accuracy.is_monotonic_decreasing


@pytest.mark.slow
def test_worker_processes_give_the_same_scores(tmp_path):
    def scores(*jobs):
        line = ["tune", "iris", *QUICK, "--force", "--out", str(tmp_path)]
        assert main([*line, *jobs]) == 0
        return json.loads((tmp_path / "settings.json").read_text())["scores"]

    assert scores("--jobs", "2") == scores()


def test_files_agree_with_each_other(tmp_path):
    out = tmp_path / "result"
    main(["tune", "wine", *QUICK, "--seed", "3", "--out", str(out)])
    settings = json.loads((out / "settings.json").read_text())
    pipeline = joblib.load(out / "pipeline.joblib")
    data = load_dataset("wine")
    _, held_out = split(data, test_fraction=0.2, cv=2, seed=3)
    scores = settings["scores"]["tuned net"]
    assert pipeline.score(held_out.X, held_out.y) == scores["test_accuracy"]
    best = pd.read_csv(out / "cv_results.csv").iloc[0]
    assert best.mean_test_accuracy == pytest.approx(scores["cv_accuracy"])
    assert -best.mean_test_neg_log_loss == pytest.approx(scores["cv_log_loss"])
    net, best = pipeline[-1], settings["best_hyperparameters"]
    assert best.pop("batch_size") == net.net_.batch_size  # "auto"
    assert {name: net.get_params()[name] for name in SIZES["medium"] if name in best} == best
    assert len(best) == len(SIZES["medium"]) - 1
    assert settings["arguments"]["seed"] == 3
    assert settings["versions"]["torch"] == version("torch")


def test_the_defaults_are_the_best(tmp_path):
    """What was "auto" is shown as what it stood for."""
    arguments = ["tune", "iris", "--candidates", "1", "--cv", "2", "--out", str(tmp_path)]
    assert main(arguments) == 0
    best = json.loads((tmp_path / "settings.json").read_text())["best_hyperparameters"]
    automatic = by_samples(100)
    wanted = {name: automatic[name] for name in SIZES["medium"] if name in automatic}
    assert {"lr", "batch_size", "label_smoothing"} <= set(wanted)
    assert {name: best[name] for name in wanted} == wanted


def test_the_page_of_a_run(whole_report, tmp_path, capsys):
    assert main(["tune", "iris", *QUICK, "--out", str(tmp_path)]) == 0
    assert f"{tmp_path / 'report.html'}  all of it as a page" in capsys.readouterr().out
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    importance = pd.read_csv(tmp_path / "importance.csv")
    assert set(importance.feature) == set(load_iris().feature_names)
    assert all(name in page for name in [*importance.feature, "versicolor", "tuned net"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such chart\nmore"), "(ValueError: no such chart); sknethp report"),
        (KeyboardInterrupt(), "(KeyboardInterrupt: ); sknethp report"),
        (ModuleNotFoundError("No module named 'jinja2'"), "pip install 'sknethp[report]'"),
    ],
)
def test_without_a_page_the_results_are_there(error, words, tmp_path, monkeypatch, capsys):
    def render(_):
        raise error

    monkeypatch.setattr("sknethp.report.page.render", render)
    assert main(["tune", "iris", *QUICK, "--candidates", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "warning: no report was made" in printed.err
    assert words in printed.err
    assert "report.html" not in printed.out
    assert {path.name for path in tmp_path.iterdir()} == FILES - {"report.html"}


def test_same_seed_same_scores(tmp_path):
    def scores(seed: str, out: str) -> dict:
        folder = tmp_path / out
        main(["tune", "iris", *QUICK, "--seed", seed, "--out", str(folder)])
        return json.loads((folder / "settings.json").read_text())["scores"]

    first = scores("1", "a")
    assert first == scores("1", "b")
    assert first != scores("2", "c")


def test_net_beats_the_most_frequent_class_on_mixed_columns(
    mixed_wine, wine_csv, tmp_path, monkeypatch
):
    search_only(monkeypatch, "max_epochs", 30)
    search_only(monkeypatch, "hidden_units", 32, 64)
    search_only(monkeypatch, "lr", 3e-3)
    out = tmp_path / "result"
    arguments = ["--target", "cultivar", *QUICK, "--out", str(out)]
    assert main(["tune", wine_csv, *arguments]) == 0
    scores = json.loads((out / "settings.json").read_text())["scores"]
    net, frequent = scores["tuned net"], scores["most frequent class"]
    assert net["test_accuracy"] > frequent["test_accuracy"] + 0.2
    assert net["cv_accuracy"] > frequent["cv_accuracy"] + 0.2
    unseen = mixed_wine.drop(columns="cultivar").head(3).assign(shade="unheard of")
    with warnings.catch_warnings():
        # Not every release of scikit-learn warns here.
        warnings.filterwarnings("ignore", message="Found unknown categories")
        predicted = joblib.load(out / "pipeline.joblib").predict(unseen)
    assert set(predicted) <= {"barolo", "grignolino", "barbera"}


def test_rare_categories_and_long_text(iris_csv, tmp_path):
    kind = [f"kind {number}" for number in range(7)] + ["common"] * 143
    note = [f"measured by hand on bench {number}" for number in range(150)]
    path = iris_csv(lambda table: table.assign(kind=kind, note=note))
    assert main(["tune", path, *QUICK, "--out", str(tmp_path / "result")]) == 0


def test_parquet_gives_the_same_table_as_csv(tmp_path):
    table = load_iris(as_frame=True).frame
    table.to_csv(tmp_path / "iris.csv.gz", index=False)
    table.to_parquet(tmp_path / "iris.parquet")
    csv = load_dataset(str(tmp_path / "iris.csv.gz"))
    parquet = load_dataset(str(tmp_path / "iris.parquet"))
    pd.testing.assert_frame_equal(csv.X, parquet.X)
    np.testing.assert_array_equal(csv.y, parquet.y)


@pytest.mark.parametrize(
    "labels", [[0, 1], [-1.0, 1.0], [True, False], ["no", "yes"], ["2020-01-01", "2021-01-01"]]
)
def test_labels_of_any_type(labels, iris_csv):
    data = load_dataset(iris_csv(lambda table: table.assign(target=labels * 75)))
    assert len(np.unique(data.y)) == 2


def test_failed_fits_are_counted_and_lose(tmp_path, monkeypatch, capsys):
    search_only(monkeypatch, "lr", 1e30, 1e-3)
    out = tmp_path / "result"
    arguments = ["iris", *QUICK, "--method", "grid", "--out", str(out)]
    assert main(["tune", *arguments]) == 0
    assert "2 of 4 fits failed" in capsys.readouterr().out
    results = pd.read_csv(out / "cv_results.csv")
    assert results.param_net__lr.tolist() == [1e-3, 1e30]
    assert np.isnan(results.mean_test_accuracy[1])


def test_a_failed_fit_does_not_end_a_bayesian_search(tmp_path, monkeypatch, capsys):
    search_only(monkeypatch, "lr", 1e30, 1e-3)
    out = tmp_path / "result"
    arguments = ["iris", "--method", "bayes", "--candidates", "6", "--cv", "2", "--out", str(out)]
    assert main(["tune", *arguments]) == 0
    results = pd.read_csv(out / "cv_results.csv")
    has_failed = results.mean_test_accuracy.isna()
    assert has_failed.tolist() == (results.param_net__lr == 1e30).tolist()
    assert 0 < has_failed.sum() < len(results) == 6
    assert f"{2 * has_failed.sum()} of 12 fits failed" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["grid", "bayes"])
def test_when_every_fit_fails_one_line_says_why(method, tmp_path, monkeypatch, refusal):
    search_only(monkeypatch, "lr", 1e30, 1e29)
    out = tmp_path / "result"
    line = refusal("tune", "iris", *QUICK, "--method", method, "--out", str(out))
    assert "the search failed: " in line
    assert "epoch" in line
    assert not out.exists()


@pytest.mark.slow
def test_module_and_script_are_the_same_command(tmp_path):
    run = [sys.executable, "-m", "sknethp"]
    out = str(tmp_path / "result")
    shown = subprocess.run([*run, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout == f"sknethp {version('sknethp')}\n"
    done = subprocess.run(
        [*run, "tune", "iris", *QUICK, "--out", out], capture_output=True, text=True, check=True
    )
    assert "tuned net" in done.stdout
    assert "\x1b" not in done.stdout
    failed = subprocess.run([*run, "tune", "no.csv"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert failed.stderr.startswith("sknethp: error: there is no file 'no.csv'")


def test_force_replaces_results_and_keeps_other_files(tmp_path):
    (tmp_path / "settings.json").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["tune", "iris", *QUICK, "--out", str(tmp_path), "--force"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"notes.txt"}
    assert json.loads((tmp_path / "settings.json").read_text())["arguments"]["force"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_suspicious_columns_are_warned_of(iris_csv, tmp_path, capsys):
    def warned(change):
        path = iris_csv(change)
        line = ["tune", path, *QUICK, "--candidates", "1", "--force", "--out", str(tmp_path / "r")]
        assert main(line) == 0
        return [line for line in capsys.readouterr().err.splitlines() if "warning" in line]

    days = pd.date_range("2020-01-01", periods=150).strftime("%d/%m/%Y")
    flower = [f"F{i}" for i in range(150)]
    identified, dated = warned(
        lambda t: t.drop(columns=["petal length (cm)", "petal width (cm)"]).assign(
            flower=flower, day=days[t.index % 9]
        )
    )
    assert "Column 'flower' has another value in nearly every row" in identified
    assert "Column 'day' holds dates, which become numbers" in dated
    assert warned(lambda t: t.iloc[:, [0, 1, -1]]) == []


def test_empty_columns_are_named(iris_csv, tmp_path, capsys):
    path = iris_csv(lambda table: table.assign(empty=np.nan, hollow=""))
    assert main(["tune", path, *QUICK, "--out", str(tmp_path / "result")]) == 0
    assert "ignored because they are empty: empty, hollow\n" in capsys.readouterr().out


def test_progress_counts_epochs_before_a_fit_ends(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sknethp.fusion.progress._SECONDS_BEFORE", 0)
    assert main(["tune", "iris", *QUICK, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err.startswith("sknethp: 0 of 4 fits, 4 epochs, ")


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_reported_in_a_sentence(tmp_path):
    home = tmp_path / "home"
    home.touch()
    run = [sys.executable, "-m", "sknethp", "tune", "iris"]
    environment = {**os.environ, "HOME": str(home), "SKB_DATA_DIRECTORY": ""}
    done = subprocess.run(
        run, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("sknethp: error: skrub cannot make its data folder (")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "sknethp-result").exists()
