"""Tables from all kinds of files."""

import gzip
import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from sknethp.cli.columns import date_columns
from sknethp.cli.data import load_dataset
from sknethp.cli.errors import CommandError
from sknethp.cli.reading import read_table

IRIS = load_iris(as_frame=True).frame.head(60)


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        ("iris.csv", {}, []),
        ("iris.csv.gz", {}, []),
        ("iris.csv.xz", {}, []),
        ("iris.csv.zip", {}, []),
        ("iris.csv", {"encoding": "utf-8-sig"}, []),
        ("iris.csv", {"encoding": "utf-16"}, []),
        ("iris.tsv", {"sep": "\t"}, ["columns are separated by tabs"]),
        ("iris.txt", {"sep": "|"}, ["columns are separated by vertical bars"]),
        ("iris.csv", {"sep": ";"}, ["columns are separated by semicolons"]),
        (
            "iris.csv.bz2",
            {"sep": ";", "decimal": ","},
            ["numbers are read with decimal commas", "columns are separated by semicolons"],
        ),
    ],
)
def test_text_is_read_as_it_was_written(name, how, told, tmp_path):
    IRIS.to_csv(tmp_path / name, index=False, **how)
    table = read_table(tmp_path / name)
    pd.testing.assert_frame_equal(table.frame, IRIS)
    assert table.notes == told


def test_parquet_is_read_as_it_was_written(tmp_path):
    IRIS.to_parquet(tmp_path / "iris.pq")
    pd.testing.assert_frame_equal(read_table(tmp_path / "iris.pq").frame, IRIS)


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ('name, note\n"Doe, J", "a; b; c"\n"Roe, R", "d; e; f"\n', ["name", "note"]),
        ("size (mm, dry);kind\n1;a\n2;b\n", ["size (mm, dry)", "kind"]),
        ('a,b\n"two\nlines",1\nx,2\n', ["a", "b"]),
        ("2019,2020,kind\n1,2,a\n", ["2019", "2020", "kind"]),
    ],
)
def test_separators_in_text_do_not_divide_it(text, columns, tmp_path):
    (tmp_path / "table.csv").write_text(text)
    assert list(read_table(tmp_path / "table.csv").frame) == columns


def test_a_separator_that_is_given_is_taken(tmp_path):
    (tmp_path / "table.csv").write_text("a:b,c\n1:2,3\n")
    assert list(read_table(tmp_path / "table.csv").frame) == ["a:b", "c"]
    assert list(read_table(tmp_path / "table.csv", separator=":").frame) == ["a", "b,c"]


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1252", ["Müller", "Straße", "naïve", "año"]),
        ("cp1251", ["имя", "возраст", "Иван", "Мария"]),
        ("cp932", ["名前", "年齢", "太郎", "花子"]),
    ],
)
def test_text_in_another_encoding(encoding, words, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(("word,n\n" + "".join(f"{w},1\n" for w in words)).encode(encoding))
    table = read_table(path)
    assert table.frame["word"].tolist() == words
    assert f"is read as {encoding}, since it is not UTF-8" in table.notes[0]
    other = read_table(path, encoding="latin-1")
    assert (other.frame["word"].tolist() == words) == (encoding == "cp1252")
    with pytest.raises(CommandError, match="as utf-8"):
        read_table(path, encoding="utf-8")
    with pytest.raises(CommandError, match="unknown encoding: klingon"):
        read_table(path, encoding="klingon")


def test_a_letter_late_in_a_long_file_decides_the_encoding(tmp_path):
    lines = b"a,b\n" + b"1,plain\n" * 200_000 + "2,café\n".encode("cp1252")
    (tmp_path / "long.csv.gz").write_bytes(gzip.compress(lines, 1))
    table = read_table(tmp_path / "long.csv.gz")
    assert table.frame["b"].iloc[-1] == "café"
    assert "cp1252" in table.notes[0]


def test_an_archive_of_several_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("a.csv", "a,b\n1,2\n")
        archive.writestr("b.csv", "a,b\n1,2\n")
    with pytest.raises(CommandError, match="holds 2 files: give an archive with one"):
        read_table(tmp_path / "two.csv.zip")


def test_columns_to_leave_out(wine_csv):
    assert list(load_dataset(wine_csv, "cultivar", drop=["ash,shade"]).X) == ["alcohol", "bottled"]
    data = load_dataset(wine_csv, "cultivar", drop=["ash", "bottled"])
    assert list(data.X) == ["alcohol", "shade"]


def test_dates_are_known_as_text_and_as_dates():
    days = pd.date_range("2020-01-01", periods=3)
    table = pd.DataFrame(
        {
            "stored": days,
            "text": days.strftime("%d.%m.%Y"),
            "time": days.strftime("%Y-%m-%d %H:%M"),
            "version": ["1.2", "1.3", "2.0"],
            "number": np.arange(3),
            "word": ["a", "2020-01-01", None],
        }
    )
    assert date_columns(table) == ["stored", "text", "time"]
