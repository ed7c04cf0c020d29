"""``sknethp predict``: columns, files, and what it says before it loads anything."""

import json

import joblib
import numpy as np
import pandas as pd
import pytest

from sknethp.cli import main
from sknethp.cli.known_columns import aligned


@pytest.fixture(scope="module")
def run(mixed_wine, few_epochs, tmp_path_factory):
    """The folder of a run on the mixed wines."""
    folder = tmp_path_factory.mktemp("run")
    mixed_wine.to_csv(folder / "wine.csv", index=False)
    line = ["tune", str(folder / "wine.csv"), "--target", "cultivar", "--method", "random"]
    out = folder / "result"
    assert main([*line, "--candidates", "1", "--cv", "2", "--out", str(out)]) == 0
    return out


@pytest.fixture
def predicted(run, tmp_path, capsys):
    """Predict a table; return the predictions and what was said."""

    def predict(table, *options):
        table.to_csv(tmp_path / "new.csv", index=False)
        capsys.readouterr()
        assert main(["predict", str(run), str(tmp_path / "new.csv"), *options]) == 0
        printed = capsys.readouterr()
        (tmp_path / "printed.csv").write_text(printed.out)
        return pd.read_csv(tmp_path / "printed.csv") if printed.out else None, printed.err

    return predict


def test_predictions_are_those_of_the_pipeline(run, mixed_wine, predicted):
    table, said = predicted(mixed_wine.drop(columns="cultivar"))
    model = joblib.load(run / "pipeline.joblib")
    assert list(table) == ["prediction", *(f"proba_{label}" for label in model.classes_)]
    X = pd.read_csv(run.parent / "wine.csv").drop(columns="cultivar")
    assert table.prediction.tolist() == model.predict(X).tolist()
    np.testing.assert_allclose(table.iloc[:, 1:], model.predict_proba(X))
    loading, summary = said.splitlines()
    assert loading.startswith(
        f"sknethp: loading {run / 'pipeline.joblib'}, a pickle, which can run"
    )
    assert summary.startswith("sknethp: 178 rows predicted: ")


def test_other_orders_and_more_columns_change_nothing(mixed_wine, predicted):
    plain, _ = predicted(mixed_wine.drop(columns="cultivar"))
    mixed = mixed_wine[mixed_wine.columns[::-1]].assign(cellar=1)
    table, said = predicted(mixed)
    pd.testing.assert_frame_equal(table, plain)
    assert "the label column 'cultivar' is ignored" in said
    assert "ignored, since the net was not tuned on them: cellar" in said
    changed, _ = predicted(mixed.assign(alcohol=mixed.alcohol.iloc[::-1].to_numpy()))
    assert not changed.equals(plain)


def test_what_is_unknown_is_counted(mixed_wine, predicted):
    table = mixed_wine.assign(shade=mixed_wine["shade"].mask(mixed_wine.index < 4, "purple"))
    table = table.assign(alcohol=table.alcohol.astype(object).mask(table.index == 2, "strong"))
    predictions, said = predicted(table)
    assert len(predictions) == len(table)
    assert "column 'shade': 4 of 178 rows have a category that the net has not seen: purple" in said
    assert "1 of 178 rows have something else, such as 'strong', and are taken as empty" in said
    _, said = predicted(mixed_wine)
    assert "not seen" not in said
    assert "something else" not in said


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.csv.gz", "a.parquet"])
def test_predictions_in_a_file(name, mixed_wine, predicted, tmp_path):
    expected, _ = predicted(mixed_wine)
    out = tmp_path / name
    nothing, said = predicted(mixed_wine, "--out", str(out))
    assert nothing is None
    assert f"178 rows predicted in {out}: " in said
    separator = "\t" if name == "a.tsv" else ","
    table = pd.read_parquet(out) if "parquet" in name else pd.read_csv(out, sep=separator)
    pd.testing.assert_frame_equal(table, expected)
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(name)] == [name]


def test_a_file_that_exists_is_replaced_only_by_force(run, wine_csv, tmp_path, refusal):
    out = tmp_path / "mine.csv"
    out.write_text("mine")
    line = ["predict", str(run), wine_csv, "--out", str(out)]
    assert "exists; give another file with --out, or --force" in refusal(*line)
    assert out.read_text() == "mine"
    assert main([*line, "--force"]) == 0
    assert len(pd.read_csv(out)) == 178


def test_a_full_disk_leaves_no_half_file(run, wine_csv, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    out = tmp_path / "out.csv"
    assert main(["predict", str(run), wine_csv, "--out", str(out)]) == 2
    assert f"cannot write to {str(out)!r} (No space left on device)" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["wine.csv"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="ash"), "lacks column 'ash' that the net was tuned on"),
        (lambda t: t.drop(columns=["ash", "shade"]), "lacks columns 'ash', 'shade' that the net"),
        (lambda t: t.rename(columns={"shade": "Shade"}), "; is 'Shade' meant to be 'shade'?"),
        (lambda t: t.assign(ash=1e300), "too large for 32-bit floats in ash"),
        (lambda t: t.head(0), "has a header, but no rows"),
    ],
)
def test_tables_that_do_not_fit(change, message, run, mixed_wine, tmp_path, refusal):
    change(mixed_wine).to_csv(tmp_path / "new.csv", index=False)
    assert message in refusal("predict", str(run), str(tmp_path / "new.csv"))


def changed_run(run, tmp_path, **changes):
    """Copy a run whose settings are otherwise."""
    settings = json.loads((run / "settings.json").read_text())
    for name, values in changes.items():
        settings[name] = {**settings[name], **values}
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "settings.json").write_text(json.dumps(settings))
    (tmp_path / "copy" / "pipeline.joblib").write_bytes((run / "pipeline.joblib").read_bytes())
    return tmp_path / "copy"


def test_other_versions_are_said_before_the_pickle_is_loaded(
    run, wine_csv, tmp_path, monkeypatch, capsys
):
    folder = changed_run(run, tmp_path, versions={"torch": "1.0", "numpy": np.__version__})

    def refuse(file):
        raise AttributeError("gone since then")

    monkeypatch.setattr(joblib, "load", refuse)
    assert main(["predict", str(folder), wine_csv]) == 2
    *_, version_line, _, error = capsys.readouterr().err.splitlines()
    assert version_line.startswith("sknethp: warning: the pipeline was made with torch 1.0 (here 2")
    assert "numpy" not in version_line
    assert "(AttributeError: gone since then); install the versions in settings.json" in error


def test_folders_without_a_run_load_nothing(run, wine_csv, tmp_path, monkeypatch, refusal):
    monkeypatch.setattr(joblib, "load", None)
    assert "there is no folder" in refusal("predict", str(tmp_path / "none"), wine_csv)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "there is no settings.json in it" in refusal("predict", str(empty), wine_csv)
    (empty / "settings.json").write_text("{")
    assert "cannot read" in refusal("predict", str(empty), wine_csv)
    (empty / "settings.json").write_text('{"data": {}}')
    assert "holds no run of tune that can predict" in refusal("predict", str(empty), wine_csv)


def test_columns_are_put_in_order_and_typed():
    table = pd.DataFrame({"b": ["x", None], "a": ["1", "2"]})
    known = {"columns": ["a", "b"], "numbers": ["a"], "categories": {"b": ["x"]}, "target": "y"}
    X, notes = aligned(table, known, "new.csv")
    pd.testing.assert_frame_equal(X, pd.DataFrame({"a": [1.0, 2.0], "b": ["x", None]}))
    assert notes == []
