"""``sknethp tune`` on real data: what it prints, what it writes, what it refuses."""

import io
import json
import os
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer
from skrub import TableVectorizer

from sknethp.cli import main, output
from sknethp.cli.data import load_dataset
from sknethp.cli.errors import CommandError
from sknethp.cli.printing import best_table, score_table, show
from sknethp.cli.search import make_pipeline, split
from sknethp.hyperparameters import TABLE, Options
from sknethp.model_selection.spaces import SIZES

FILES = {"pipeline.joblib", "cv_results.csv", "settings.json"}
QUICK = ["--candidates", "2", "--cv", "2"]


def mixed_wine() -> pd.DataFrame:
    """Wine with its columns as a person might record them: text, dates and gaps."""
    wine = load_wine(as_frame=True).frame.sample(frac=1, random_state=0, ignore_index=True)
    shades = pd.cut(wine.color_intensity, [0, 3, 6, 20], labels=["pale", "medium", "deep"])
    days = pd.to_timedelta(wine.proline, unit="D")
    mixed = pd.DataFrame(
        {
            "alcohol": wine.alcohol,
            "ash": wine.ash.mask(wine.index % 5 == 0),
            "shade": shades.astype(object).mask(wine.index % 7 == 0),
            "bottled": (pd.Timestamp("2019-01-01") + days)
            .dt.strftime("%Y-%m-%d")
            .mask(wine.index % 11 == 0),
            "cultivar": wine.target.map({0: "barolo", 1: "grignolino", 2: "barbera"}),
        }
    )
    return mixed


@pytest.fixture
def wine_csv(tmp_path):
    path = tmp_path / "wine.csv"
    mixed_wine().to_csv(path, index=False)
    return str(path)


@pytest.fixture
def iris_csv(tmp_path):
    """Write a changed copy of iris."""

    def write(change=lambda table: table, name="iris.csv") -> str:
        path = tmp_path / name
        change(load_iris(as_frame=True).frame).to_csv(path, index=False)
        return str(path)

    return write


def refusal(capsys, *arguments: str) -> str:
    """Run the command, which must fail, and return its one line; a slow run has progress, too."""
    try:
        code = main(["tune", *arguments])
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    shown = capsys.readouterr().err.splitlines(keepends=True)
    (line,) = [line for line in shown if not re.match(r"sknethp: \d+ of \d+ fits, ", line)]
    assert "error: " in line
    return line


@pytest.mark.parametrize("method", ["grid", "random", "bayes"])
def test_bundled_data(method, tmp_path, capsys):
    out = tmp_path / "result"
    assert main(["tune", "iris", "--method", method, *QUICK, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"{method} search: 2 candidates x 2 folds" in printed
    assert "earlier run" not in printed
    for name in [*SIZES["medium"], "tuned net", "logistic regression", "most frequent class"]:
        assert name in printed
    assert {path.name for path in out.iterdir()} == FILES
    results = pd.read_csv(out / "cv_results.csv")
    assert len(results) == 2
    assert results.rank_test_neg_log_loss.iloc[0] == 1


def test_files_agree_with_each_other(tmp_path):
    out = tmp_path / "result"
    main(["tune", "wine", *QUICK, "--seed", "3", "--out", str(out)])
    settings = json.loads((out / "settings.json").read_text())
    pipeline = joblib.load(out / "pipeline.joblib")
    data = load_dataset("wine")
    _, X_test, _, y_test = split(data, test_fraction=0.2, cv=2, seed=3)
    scores = settings["scores"]["tuned net"]
    assert pipeline.score(X_test, y_test) == scores["test_accuracy"]
    best = pd.read_csv(out / "cv_results.csv").iloc[0]
    assert best.mean_test_accuracy == pytest.approx(scores["cv_accuracy"])
    assert -best.mean_test_neg_log_loss == pytest.approx(scores["cv_log_loss"])
    net = pipeline[-1].get_params()
    assert {name: net[name] for name in SIZES["medium"]} == settings["best_hyperparameters"]
    assert settings["arguments"]["seed"] == 3
    assert settings["versions"]["torch"] == version("torch")


def test_same_seed_same_scores(tmp_path):
    def scores(seed: str, out: str) -> dict:
        folder = tmp_path / out
        main(["tune", "iris", *QUICK, "--seed", seed, "--out", str(folder)])
        return json.loads((folder / "settings.json").read_text())["scores"]

    first = scores("1", "a")
    assert first == scores("1", "b")
    assert first != scores("2", "c")


def test_net_beats_the_most_frequent_class_on_mixed_columns(wine_csv, tmp_path):
    out = tmp_path / "result"
    arguments = ["--target", "cultivar", "--candidates", "4", "--cv", "3", "--out", str(out)]
    assert main(["tune", wine_csv, *arguments]) == 0
    scores = json.loads((out / "settings.json").read_text())["scores"]
    net, frequent = scores["tuned net"], scores["most frequent class"]
    assert net["test_accuracy"] > frequent["test_accuracy"] + 0.2
    assert net["cv_accuracy"] > frequent["cv_accuracy"] + 0.2
    unseen = mixed_wine().drop(columns="cultivar").head(3).assign(shade="unheard of")
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


def search_lr(monkeypatch, *values):
    """Let the spaces have only these learning rates."""
    monkeypatch.setitem(TABLE, "lr", replace(TABLE["lr"], search=Options(values)))


def test_failed_fits_are_counted_and_lose(tmp_path, monkeypatch, capsys):
    search_lr(monkeypatch, 1e30, 1e-3)
    out = tmp_path / "result"
    arguments = ["iris", "--method", "grid", *QUICK, "--out", str(out)]
    assert main(["tune", *arguments]) == 0
    assert "2 of 4 fits failed" in capsys.readouterr().out
    results = pd.read_csv(out / "cv_results.csv")
    assert results.param_net__lr.tolist() == [1e-3, 1e30]
    assert np.isnan(results.mean_test_accuracy[1])


def test_a_failed_fit_does_not_end_a_bayesian_search(tmp_path, monkeypatch, capsys):
    search_lr(monkeypatch, 1e30, 1e-3)
    out = tmp_path / "result"
    arguments = ["iris", "--method", "bayes", "--candidates", "6", "--cv", "2", "--out", str(out)]
    assert main(["tune", *arguments]) == 0
    results = pd.read_csv(out / "cv_results.csv")
    has_failed = results.mean_test_accuracy.isna()
    assert has_failed.tolist() == (results.param_net__lr == 1e30).tolist()
    assert 0 < has_failed.sum() < len(results) == 6
    assert f"{2 * has_failed.sum()} of 12 fits failed" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["grid", "bayes"])
def test_when_every_fit_fails_one_line_says_why(method, tmp_path, monkeypatch, capsys):
    search_lr(monkeypatch, 1e30, 1e29)
    out = tmp_path / "result"
    line = refusal(capsys, "iris", "--method", method, *QUICK, "--out", str(out))
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["irs"], "there is no file 'irs'; did you mean 'iris'?"),
        (["data.csv"], "there is no file 'data.csv'; give a CSV or Parquet file or one of iris"),
        (["iris", "--target", "species"], "--target is for files, but 'iris' is a bundled"),
        (["iris", "--candidates", "-3"], "--candidates: must be at least 1, got -3"),
        (["iris", "--candidates", "ten"], "--candidates: must be an integer, got 'ten'"),
        (["iris", "--cv", "1"], "--cv: must be at least 2, got 1"),
        (["iris", "--seed", "-1"], "--seed: must be at least 0, got -1"),
        (["iris", "--seed", str(2**32)], "--seed: must be less than 2**32, got 4294967296"),
        (["iris", "--test-fraction", "1"], "--test-fraction: must lie between 0 and 1, got 1"),
        (["iris", "--test-fraction", "few"], "--test-fraction: must be a number, got 'few'"),
        (["iris", "--test-fraction", "0.001"], "cannot split: "),
        (["iris", "--method", "guess"], "--method: invalid choice: 'guess'"),
        (["iris", "--cv", "60"], "class 'setosa' has 50 of 150 rows, too few for 60 folds"),
    ],
)
def test_refused_arguments(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refusal(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def spoilt(value, row):
    """Return a column of ones but for one row."""
    column = pd.Series(1.0, index=range(150)).astype(object)
    column[row] = value
    return column


@pytest.mark.parametrize(
    ("change", "target", "message"),
    [
        (lambda t: t.rename(columns={"target": "kind"}), None, "has no column 'target'; name the"),
        (lambda t: t, "species", "has no column 'species'; --target must be one of: sepal length"),
        (lambda t: t.assign(target=1), None, "all 150 rows have the same label in 'target'"),
        (lambda t: t.iloc[:101], None, "class '2' has 1 of 101 rows, too few for 5 folds"),
        (lambda t: t.iloc[:104], None, "class '2' has 4 of 104 rows, too few for 5 folds"),
        (lambda t: t.iloc[:0], None, "all 0 rows have the same label"),
        (
            lambda t: t.assign(target=t.target.mask(t.index < 3)),
            None,
            "3 of 150 rows have no label in 'target'; fill them in or remove these rows",
        ),
        (lambda t: t, "sepal length (cm)", "'sepal length (cm)' holds fractional or"),
        (lambda t: t.assign(target=np.inf), None, "'target' holds fractional or infinite numbers"),
        (
            lambda t: t.assign(extra=spoilt(np.inf, 3)),
            None,
            "too large for 32-bit floats in extra;",
        ),
        pytest.param(
            lambda t: t.assign(extra=["1" + 400 * "0"] + ["1"] * (len(t) - 1)),
            None,
            "bit floats in extra;",
            marks=pytest.mark.skipif(
                int(version("pandas").partition(".")[0]) < 3,
                reason="pandas 2 reads such a column as text",
            ),
        ),
        (lambda t: t.assign(extra=spoilt(1e300, 5)), None, "too large for 32-bit floats in extra;"),
        (
            lambda t: t.assign(extra=spoilt("-inf", 7).astype(object)),
            None,
            "too large for 32-bit floats in extra;",
        ),
        (
            lambda t: t.join(pd.DataFrame(1e39, t.index, [f"extra {i}" for i in range(1000)])),
            None,
            "in extra 0, extra 1, extra 2, extra 3, extra 4, extra 5, extra 6, extra 7, extra 8, "
            "extra 9 and 990 more;",
        ),
        (
            lambda t: t.rename(columns={"target": "Target"}).join(
                pd.DataFrame(0, t.index, [f"gene {i}" for i in range(10_000)])
            ),
            "target",
            "--target must be one of: Target, sepal length (cm), sepal width (cm), petal length "
            "(cm), petal width (cm), gene 0, gene 1, gene 2, gene 3, gene 4 and 9,995 more\n",
        ),
        (lambda t: t[["target"]], None, "has no column with values beside the label to learn from"),
        (
            lambda t: t[["target"]].assign(empty=np.nan),
            None,
            "has no column with values beside the label to learn from",
        ),
    ],
)
def test_refused_tables(change, target, message, iris_csv, tmp_path, capsys):
    out = tmp_path / "result"
    extra = [] if target is None else ["--target", target]
    assert message in refusal(capsys, iris_csv(change), *extra, "--out", str(out))
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.txt", b"a,target\n1,2\n", "is neither CSV nor Parquet by its name"),
        ("empty.csv", b"", "as CSV: No columns to parse from file"),
        ("ragged.csv", b"a,target\n1,2\n1,2,3,4\n", "as CSV: Error tokenizing data"),
        ("binary.csv", b"\xff\xfe\x00\x81\n", "as CSV: "),
        ("truncated.csv.gz", b"\x1f\x8b\x08", "as CSV: "),
        ("text.parquet", b"a,target\n1,2\n", "as Parquet: "),
    ],
)
def test_refused_files(name, content, message, tmp_path, capsys):
    path = tmp_path / name
    path.write_bytes(content)
    line = refusal(capsys, str(path), "--out", str(tmp_path / "result"))
    assert message in line
    assert repr(str(path)) in line


def test_nested_columns_are_refused(tmp_path, capsys):
    path = tmp_path / "nested.parquet"
    pd.DataFrame({"tags": [["a"], ["b"]] * 5, "target": [0, 1] * 5}).to_parquet(path)
    assert "has lists or records in tags;" in refusal(capsys, str(path))


def test_columns_of_the_same_name_are_refused(tmp_path, capsys):
    path = str(tmp_path / "same.parquet")
    columns = [[1.0, 2.0], [3.0, 4.0], ["a", "b"]]
    pq.write_table(pa.table(columns, names=["width", "width", "target"]), path)
    assert "as Parquet: Multiple matches for FieldRef.Name(width)" in refusal(capsys, path)


def test_a_used_folder_is_left_alone(tmp_path, capsys):
    kept = tmp_path / "settings.json"
    kept.write_text("mine")
    line = refusal(capsys, "iris", "--out", str(tmp_path))
    assert "is not empty; give another with --out, or --force" in line
    assert kept.read_text() == "mine"
    assert "is a file; give a folder" in refusal(capsys, "iris", "--out", str(kept))


def test_force_replaces_results_and_keeps_other_files(tmp_path):
    (tmp_path / "settings.json").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["tune", "iris", *QUICK, "--out", str(tmp_path), "--force"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"notes.txt"}
    assert json.loads((tmp_path / "settings.json").read_text())["arguments"]["force"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


class Unserializable:
    def __reduce__(self):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("existed", [True, False])
def test_a_failed_write_leaves_the_folder_as_it_was(existed, tmp_path):
    folder = tmp_path / "result"
    if existed:
        folder.mkdir()
        (folder / "cv_results.csv").write_text("old")
    with (
        pytest.raises(CommandError, match="No space left on device"),
        output.output_folder(folder, force=True),
    ):
        output.write_results(folder, Unserializable(), pd.DataFrame({"a": [1]}), {})
    assert folder.exists() == existed
    if existed:
        assert [path.name for path in folder.iterdir()] == ["cv_results.csv"]
        assert (folder / "cv_results.csv").read_text() == "old"


def test_unserializable_settings_replace_nothing(tmp_path):
    (tmp_path / "pipeline.joblib").write_text("old")
    with pytest.raises(TypeError), output.output_folder(tmp_path, force=True):
        output.write_results(tmp_path, "new", pd.DataFrame(), {"a": object()})
    assert (tmp_path / "pipeline.joblib").read_text() == "old"


def test_numbers_skip_the_vectorizer_with_the_same_result():
    X, y = load_wine(return_X_y=True, as_frame=True)
    X = X.mask(np.random.default_rng(0).random(X.shape) < 0.1).assign(number=np.arange(len(X)))
    assert not X.drop(columns="number").isna().sum().eq(0).any()
    fast = make_pipeline(LogisticRegression(), X, 0)
    full = make_pipeline(LogisticRegression(), X.assign(text="a"), 0)
    assert isinstance(full[0][0], TableVectorizer)
    assert isinstance(fast[0][0], FunctionTransformer)
    full.fit(X, y)
    np.testing.assert_array_equal(fast.fit(X, y)[0].transform(X), full[0].transform(X))
    with pytest.raises(ValueError, match="feature names should match"):
        fast.predict(X.rename(columns={"ash": "cinders"}))


@pytest.mark.parametrize(
    "change",
    [
        {"alcohol": "strong"},
        {"alcohol": True},
        {"alcohol": np.nan},
        {"alcohol": pd.Series([1, None] * 89, dtype="float")},
        {"alcohol": pd.Series([1] * 178, dtype="Int64")},
        {"alcohol": pd.Timestamp("2020-01-01")},
    ],
)
def test_other_columns_need_the_vectorizer(change):
    X = load_wine(as_frame=True).data.assign(**change)
    assert isinstance(make_pipeline(LogisticRegression(), X, 0)[0][0], TableVectorizer)


def test_empty_columns_are_named(iris_csv, tmp_path, capsys):
    path = iris_csv(lambda table: table.assign(empty=np.nan, hollow=""))
    assert main(["tune", path, *QUICK, "--out", str(tmp_path / "result")]) == 0
    assert "ignored because they are empty: empty, hollow\n" in capsys.readouterr().out


def test_progress_counts_epochs_before_a_fit_ends(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sknethp.fusion.progress._SECONDS_BEFORE", 0)
    assert main(["tune", "iris", *QUICK, "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().err.startswith("sknethp: 0 of 4 fits, 4 epochs, ")


@pytest.mark.parametrize("width", [40, 45, 60, 80])
def test_tables_are_readable_on_narrow_terminals(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    models = ["tuned net", "logistic regression", "most frequent class"]
    values = dict.fromkeys(["cv_accuracy", "cv_log_loss", "test_accuracy", "test_log_loss"], 12.5)
    show(score_table(dict.fromkeys(models, values)), "a" * 100)
    *table, line = capsys.readouterr().out.splitlines()
    assert line == "a" * 100
    assert max(map(len, table)) <= width
    assert "…" not in "".join(table)
    words = set(" ".join(table).split())
    assert {"held-out", "accuracy", "log-loss", "logistic", "regression", "12.5000"} <= words


def test_output_is_written_in_any_encoding(monkeypatch):
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    show(best_table({"lr": 0.001}), "2 × 3")
    printed = stdout.buffer.getvalue().decode()
    assert printed.endswith("2 ? 3\n")
    assert printed.count("?") == 1


def test_a_folder_that_cannot_be_reached_is_refused_in_a_sentence(tmp_path, capsys):
    out = tmp_path / ("a" * 300) / "result"
    line = refusal(capsys, "iris", "--out", str(out))
    assert "(File name too long); give another folder with --out" in line


@pytest.mark.parametrize("method", ["mkdir", "exists"])
def test_a_folder_without_access_is_refused_in_a_sentence(method, tmp_path, monkeypatch, capsys):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, denied)
    out = str(tmp_path / "result")
    line = refusal(capsys, "iris", "--out", out)
    assert line.endswith(
        f"cannot write to {out!r} (Permission denied); give another folder with --out\n"
    )


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
