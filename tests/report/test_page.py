"""What is on a page, and what is not where a file is missing."""

import json
import os
import re
import shutil
from html.parser import HTMLParser

import joblib
import pandas as pd
import pytest

from sknethp.cli import main
from sknethp.report.files import RunError, read_run
from sknethp.report.page import make_report
from tests.report.conftest import NASTY


class Page(HTMLParser):
    """The elements, texts and charts of a page."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.sections, self.texts, self.charts, self.links = [], [], [], [], []
        self.scripts = 0
        self.kind = None
        self.feed(path.read_text(encoding="utf-8"))
        self.text = re.sub(r"\s+", " ", " ".join(self.texts))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append(tag)
        self.sections += [attrs["id"]] if tag == "section" else []
        self.links += [attrs[name] for name in ("src", "href") if name in attrs]
        if tag in ("script", "style"):
            self.kind = attrs.get("type", tag)
            self.scripts += tag == "script"

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self.kind = None

    def handle_data(self, data):
        if self.kind == "application/json":
            self.charts.append(json.loads(data))
        elif self.kind is None:
            self.texts.append(data)


@pytest.fixture(scope="module")
def tuned_content(tuned_page):
    return Page(tuned_page)


def test_a_tuned_run_has_all_its_sections(tuned_content):
    expected = ["data", "held-out", "features", "search", "training", "code"]
    assert [name for name in tuned_content.sections if name != "warnings"] == expected


def test_a_comparison_has_its_own(compared_page):
    content = Page(compared_page)
    assert content.sections == ["warnings", "data", "comparison", "held-out", "code"]
    assert "a warning of the data" in content.text
    assert "forest" in content.text
    assert "p (Holm)" in content.text


def test_scores_are_those_of_the_run(tuned, tuned_content):
    settings = json.loads((tuned / "settings.json").read_text())
    for model, scores in settings["scores"].items():
        assert model in tuned_content.text
        assert f"{scores['test_accuracy']:.4f} (" in tuned_content.text
        assert f"{scores['test_log_loss']:.4f} (" in tuned_content.text


def test_the_metric_of_the_run_is_there(tuned, tmp_path):
    folder = shutil.copytree(tuned, tmp_path / "run")
    settings = json.loads((folder / "settings.json").read_text())
    for scores in settings["scores"].values():
        scores["test_f1_macro"] = 0.98765
    (folder / "settings.json").write_text(json.dumps(settings))
    text = Page(make_report(folder)).text
    assert "f1_macro" in text
    assert "0.9877" in text
    assert "nan" not in text


def test_names_are_escaped(tuned_content):
    assert NASTY in tuned_content.text
    assert "<b>bold" in tuned_content.text
    assert "b" not in tuned_content.elements
    # The library, the code of the page, and a script of data for each chart.
    assert tuned_content.scripts == 2 + len(tuned_content.charts)
    features = [c for c in tuned_content.charts if "Importance of features" in c["description"]]
    names = {row["name"] for rows in features[0]["datasets"].values() for row in rows}
    assert names == {NASTY, "b & c", '"d"', "e.f[0]"}


def test_unescaped_names_would_be_seen(tmp_path, tuned_page, tuned_content):
    text = tuned_page.read_text(encoding="utf-8").replace("&lt;b&gt;bold", "<b>bold")
    (tmp_path / "bad.html").write_text(text, encoding="utf-8")
    assert "b" in Page(tmp_path / "bad.html").elements


def test_nothing_is_fetched(tuned_content):
    assert all(link.startswith("#") for link in tuned_content.links)
    assert len(tuned_content.links) > 5


def test_no_pickle_is_loaded(tuned, monkeypatch):
    monkeypatch.setattr(joblib, "load", lambda *_: pytest.fail("a pickle was loaded"))
    (before,) = tuned.glob("pipeline.joblib")
    assert before.is_file()
    make_report(tuned)


@pytest.mark.parametrize(
    ("file", "section"),
    [
        ("held_out.csv", "held-out"),
        ("cv_results.csv", "search"),
        ("curves.csv", "training"),
        ("importance.csv", "features"),
    ],
)
def test_without_a_file_its_section_is_missing(tuned, tuned_content, tmp_path, file, section):
    folder = shutil.copytree(tuned, tmp_path / "run")
    (folder / file).unlink()
    expected = [name for name in tuned_content.sections if name != section]
    assert Page(make_report(folder)).sections == expected


def test_the_settings_alone_make_a_page(tuned, tmp_path):
    shutil.copy(tuned / "settings.json", tmp_path)
    content = Page(make_report(tmp_path))
    assert {"data", "code"} <= set(content.sections)
    assert not {"held-out", "search", "training", "features"} & set(content.sections)
    assert "joblib" not in content.text


def test_hovering_tells_a_candidate(tuned, tuned_content):
    (chart,) = [c for c in tuned_content.charts if "Every candidate" in c["description"]]
    results = pd.read_csv(tuned / "cv_results.csv")
    (rows,) = chart["datasets"].values()
    assert len(rows) == len(results) == 9
    best = next(row for row in rows if row["best"])
    assert best["mean"] == pytest.approx(results["mean_test_neg_log_loss"].max())
    titles = {t["title"] for t in chart["layer"][1]["encoding"]["tooltip"]}
    assert {"rank", "lr", "hidden_units"} <= titles


def test_the_best_score_so_far(tuned, tuned_content):
    (chart,) = [c for c in tuned_content.charts if "Best score by candidates" in c["description"]]
    results = pd.read_csv(tuned / "cv_results.csv").sort_values(["evaluated_at", "candidate"])
    (rows,) = chart["datasets"].values()
    rows.sort(key=lambda row: row["order"])
    scores = results["mean_test_neg_log_loss"]
    assert [row["mean"] for row in rows] == pytest.approx(scores.tolist())
    assert [row["so_far"] for row in rows] == pytest.approx(scores.cummax().tolist())
    assert not scores.is_monotonic_increasing
    assert "lr" in {t["title"] for t in chart["layer"][1]["encoding"]["tooltip"]}


def test_candidates_that_predict_together_have_their_weights(tuned, tuned_content, tmp_path):
    folder = shutil.copytree(tuned, tmp_path / "run")
    table = pd.read_csv(folder / "cv_results.csv")
    table["weight"] = [0.25, 0.0, 0.75, *[0.0] * 6]
    table.to_csv(folder / "cv_results.csv", index=False)
    text = Page(make_report(folder)).text
    part = text[text.index("Candidates that predict together") :]
    assert part.index("0.750") < part.index("0.250")
    assert "Candidates that predict together" not in tuned_content.text


def test_the_code_rebuilds_the_net(tuned, tuned_page):
    text = tuned_page.read_text(encoding="utf-8")
    blocks = [re.sub("&#39;", "'", b) for b in re.findall("<code>(.*?)</code>", text, re.DOTALL)]
    (net_block,) = [b for b in blocks if "DeepNetClassifier(" in b]
    (load_block,) = [b for b in blocks if "joblib.load" in b]
    names = {}
    exec(net_block, names)
    names["new_rows"] = pd.read_csv(tuned.parent / "iris.csv").drop(columns="target")
    exec(load_block, names)
    fitted, net = names["model"][-1], names["net"]
    for name in ("hidden_units", "lr", "activation"):
        assert getattr(net, name) == getattr(fitted, name)
    assert net.batch_size == fitted.net_.batch_size  # "auto"


def test_the_command_makes_the_page(tuned, tuned_page, capsys):
    tuned_page.unlink()
    assert main(["report", str(tuned)]) == 0
    assert capsys.readouterr().out.strip() == str(tuned_page)
    assert tuned_page.is_file()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "settings.json").unlink(), "holds no finished run"),
        (lambda run: (run / "settings.json").write_text("{"), "is not valid JSON"),
        (lambda run: (run / "settings.json").write_text("[]"), "does not say what was run"),
        (lambda run: (run / "held_out.csv").write_text("a,b\n1,2\n"), "lacks the column 'model'"),
        (
            lambda run: (run / "held_out.csv").write_text("model,label,predicted\na,b,c\n"),
            "lacks a column proba_<class>",
        ),
        (
            lambda run: (run / "importance.csv").write_text("feature,mean,std\na,b,1\n"),
            "cannot be read",
        ),
        (lambda run: (run / "curves.csv").write_text(""), "cannot be read"),
        (lambda run: (run / "importance.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tuned, tmp_path, capsys, spoil, message):
    folder = shutil.copytree(tuned, tmp_path / "run")
    (folder / "report.html").write_text("an earlier page")
    spoil(folder)
    assert main(["report", str(folder)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("sknethp: error: ")
    assert message in error
    assert error.count("\n") == 1
    assert (folder / "report.html").read_text() == "an earlier page"


def test_a_missing_folder_is_one_line(tmp_path, capsys):
    assert main(["report", str(tmp_path / "gone")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_an_earlier_page_stays_if_the_disk_is_full(tuned, tuned_page, monkeypatch, capsys):
    before = sorted(path.name for path in tuned.iterdir())

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert main(["report", str(tuned)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert sorted(path.name for path in tuned.iterdir()) == before


def test_a_class_that_looks_like_a_gap_stays(tuned, tmp_path):
    folder = shutil.copytree(tuned, tmp_path / "run")
    table = pd.read_csv(folder / "held_out.csv").replace({"plain": "NA"})
    table.rename(columns={"proba_plain": "proba_NA"}).to_csv(folder / "held_out.csv", index=False)
    run = read_run(folder)
    assert run.classes[-1] == "NA"
    assert (run.held_out["label"] == "NA").sum() == 30
    assert "NA" in Page(make_report(folder)).text


def test_an_error_names_the_file(tuned, tmp_path):
    folder = shutil.copytree(tuned, tmp_path / "run")
    (folder / "curves.csv").write_text("net\n1\n")
    with pytest.raises(RunError, match=r"curves\.csv' lacks the column 'epoch'"):
        read_run(folder)
