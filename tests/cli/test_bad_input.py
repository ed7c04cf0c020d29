"""Bad input: one sentence each, status 2, and nothing written."""

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sknethp.cli import reading


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
        (["iris", "--budget", "0"], "--budget: must be a time such as 90s, 2m or 1h, got '0'"),
        (["iris", "--budget", "2 days"], "--budget: must be a time such as 90s, 2m or 1h, got"),
        (["iris", "--budget", "2m", "--candidates", "3"], "takes either --budget or --candidates"),
        (
            ["iris", "--method", "grow", "--candidates", "3"],
            "--candidates is not for --method gr",
        ),
        (["iris", "--metric", "acuracy"], "is not a metric of classification; did you mean 'acc"),
        (["iris", "--metric", "r2"], "--metric 'r2' is not a metric of classification"),
        (["iris", "--metric", "f1"], "--metric 'f1' is for two classes, but there are 3; give"),
        (["iris", "--jobs", "0"], "--jobs: must be a number of cores, or -1 for all, got 0"),
        (["iris", "--sep", "ab"], "--sep: must be one character, or tab, got 'ab'"),
        (["iris", "--drop", "petals"], "has no column 'petals'; --drop must be some of: sepal"),
        (["iris", "--group", "petals"], "has no column 'petals'; --group must be one of: sepal"),
        (["iris", "--group", "target"], "has no column 'target'; --group must be one of: sepal"),
        (["."], "'.' is a folder; give a CSV or Parquet file"),
        (["iris", "--method", "guess"], "--method: invalid choice: 'guess'"),
        (["iris", "--cv", "60"], "class 'setosa' has 50 of 150 rows, too few for 60 folds"),
    ],
)
def test_refused_arguments(arguments, message, tmp_path, refusal, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refusal("tune", *arguments)
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
        (
            lambda t: t.iloc[:101],
            None,
            "class '2' in 'target' has 1 of 101 rows, but a class",
        ),
        (lambda t: t.iloc[:104], None, "class '2' has 4 of 104 rows, too few for 5 folds"),
        (lambda t: t.iloc[:0], None, "has a header, but no rows"),
        (lambda t: t.assign(target=range(150)), None, "all 150 labels in 'target' are different"),
        (
            lambda t: t.assign(target=[f"flower {i}" for i in range(150)]),
            None,
            "so that it names the rows and not classes; name a label column with --target",
        ),
        (
            lambda t: t.assign(target=t.index // 2),
            None,
            "'target' has 75 different numbers in 150 rows, which makes it a quantity and not",
        ),
        (
            lambda t: t.assign(target=t.target.mask(t.index > 3)),
            None,
            "146 of 150 rows have no label in 'target'; fill them in or remove these rows",
        ),
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
def test_refused_tables(change, target, message, iris_csv, tmp_path, refusal):
    out = tmp_path / "result"
    extra = [] if target is None else ["--target", target]
    assert message in refusal("tune", iris_csv(change), *extra, "--out", str(out))
    assert not out.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.xlsx", b"PK", "is neither CSV nor Parquet by its name"),
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\n \n", "is empty"),
        ("header.csv", b"a,target\n", "has a header, but no rows"),
        ("none.csv", b"1.5,2\n3,4\n", "has numbers and no names: put a line with the names"),
        ("twice.csv", b"a,a,target\n1,2,3\n", "has several columns named 'a': give each another"),
        ("long.csv", b"a,target\n1,2\n1,2,3,4\n", "line 3 of {path} has 4 fields, but the header"),
        ("longer.csv", b"a,target\n1,2,3\n1,2,3\n", "line 2 of {path} has 3 fields, but the"),
        ("short.csv", b"a,b,target\n1,2,3\n1,2\n", "line 3 of {path} has 2 fields, but the header"),
        ("quote.csv", b'a,target\n"1,2\n', "line 2 of {path} has 1 field, but the header has 2"),
        ("nulls.csv", b"a,target\n\0,2\n", "holds no text: it has null bytes"),
        ("binary.csv", b"\xff\xfe\x00\x81\n", "as utf-16: "),
        ("truncated.csv.gz", b"\x1f\x8b\x08", "as CSV: "),
        ("text.parquet", b"a,target\n1,2\n", "as Parquet: "),
    ],
)
def test_refused_files(name, content, message, tmp_path, refusal):
    path = tmp_path / name
    path.write_bytes(content)
    line = refusal("tune", str(path), "--out", str(tmp_path / "result"))
    assert message.format(path=repr(str(path))) in line
    assert repr(str(path)) in line
    assert not (tmp_path / "result").exists()


def test_nested_columns_are_refused(tmp_path, refusal):
    path = tmp_path / "nested.parquet"
    pd.DataFrame({"tags": [["a"], ["b"]] * 5, "target": [0, 1] * 5}).to_parquet(path)
    assert "has lists or records in tags;" in refusal("tune", str(path))


def test_columns_of_the_same_name_are_refused(tmp_path, refusal):
    path = str(tmp_path / "same.parquet")
    columns = [[1.0, 2.0], [3.0, 4.0], ["a", "b"]]
    pq.write_table(pa.table(columns, names=["width", "width", "target"]), path)
    assert "has several columns named 'width': give each another name" in refusal("tune", path)


def test_a_used_folder_is_left_alone(tmp_path, refusal):
    kept = tmp_path / "settings.json"
    kept.write_text("mine")
    line = refusal("tune", "iris", "--out", str(tmp_path))
    assert "holds a finished run; give another with --out, or --force" in line
    assert kept.read_text() == "mine"
    assert "is a file; give a folder" in refusal("tune", "iris", "--out", str(kept))


def test_a_folder_that_cannot_be_reached_is_refused_in_a_sentence(tmp_path, refusal):
    out = tmp_path / ("a" * 300) / "result"
    line = refusal("tune", "iris", "--out", str(out))
    assert "(File name too long); give another folder with --out" in line


@pytest.mark.parametrize("method", ["mkdir", "exists"])
def test_a_folder_without_access_is_refused_in_a_sentence(method, tmp_path, monkeypatch, refusal):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, denied)
    out = str(tmp_path / "result")
    line = refusal("tune", "iris", "--out", out)
    assert line.endswith(
        f"cannot write to {out!r} (Permission denied); give another folder with --out\n"
    )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (lambda t: "north", "all rows have the same group in 'farm'; two are needed"),
        (lambda t: (t.index % 9).where(t.index > 2), "3 of 150 rows have no group in 'farm'; fill"),
        (
            lambda t: t.index % 3,
            "column 'farm' has 3 groups, too few for 3 folds beside a held",
        ),
        (lambda t: t.target * 5 + t.index % 5 * (t.target > 0), "too few for 3 folds"),
    ],
)
def test_refused_groups(groups, message, iris_csv, refusal, tmp_path):
    path = iris_csv(lambda t: t.assign(farm=groups(t)))
    out = tmp_path / "result"
    assert message in refusal("tune", path, "--group", "farm", "--cv", "3", "--out", str(out))
    assert not out.exists()


@pytest.mark.parametrize("name", ["iris.csv", "iris.parquet"])
def test_a_file_that_would_not_fit_in_memory_is_refused(name, tmp_path, monkeypatch, refusal):
    table = pd.DataFrame({"a": np.arange(1000.0), "target": [0, 1] * 500})
    path = tmp_path / name
    table.to_csv(path) if name.endswith("csv") else table.to_parquet(path)
    monkeypatch.setattr(reading, "memory_size", lambda: 20_000)
    assert "is too large for the memory of this machine: take a sample" in refusal(
        "tune", str(path)
    )
    monkeypatch.setattr(reading, "memory_size", lambda: 2_000_000)
    assert len(reading.read_table(path).frame) == 1000


def test_memory_that_runs_out_is_reported_in_a_sentence(monkeypatch, tmp_path, refusal):
    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr("sknethp.cli.runs.load_dataset", exhausted)
    line = refusal("tune", "iris", "--out", str(tmp_path / "result"))
    assert "there is not enough memory; take a sample of the rows or fewer columns" in line
    assert not (tmp_path / "result").exists()
