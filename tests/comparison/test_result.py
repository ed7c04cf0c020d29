"""Files, text and plots of a comparison."""

import numpy as np
import pandas as pd
import pytest

from sknethp import Comparison, compare
from sknethp.display.comparison import ComparisonDisplay, reliability
from tests.comparison.conftest import FAST


def test_saved_and_loaded_it_is_the_same(fast, tmp_path):
    fast.save(tmp_path / "new" / "folder")
    names = {path.name for path in (tmp_path / "new" / "folder").iterdir()}
    assert names == {"scores.csv", "held_out.csv", "comparison.json"}
    loaded = Comparison.load(tmp_path / "new" / "folder")
    pd.testing.assert_frame_equal(loaded.scores_, fast.scores_, check_dtype=False)
    pd.testing.assert_frame_equal(loaded.held_out_, fast.held_out_, check_dtype=False)
    assert str(loaded) == str(fast)
    assert loaded.warnings_ == fast.warnings_
    np.testing.assert_array_equal(loaded.y_, fast.y_)


@pytest.mark.parametrize("labels", [["01", "1", "001"], ["NA", "None", "x"], [True, False, True]])
def test_labels_survive(labels, iris, tmp_path):
    y = np.array(labels)[iris[1]]
    comparison = compare(iris[0], y, {"bayes": FAST["bayes"]}, cv=2, random_state=0)
    comparison.save(tmp_path)
    loaded = Comparison.load(tmp_path)
    assert loaded.y_.tolist() == y.tolist()
    assert loaded.classes_.tolist() == comparison.classes_.tolist()
    np.testing.assert_allclose(loaded.probabilities("bayes"), comparison.probabilities("bayes"))


def test_a_folder_without_a_comparison_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"holds no comparison: there is no comparison\.json"):
        Comparison.load(tmp_path)


def test_scores_alone_are_enough(fast):
    columns = ["model", "fold", "n_train", "n_test", "neg_log_loss", "accuracy"]
    seconds = ["fit_seconds", "predict_seconds"]
    plain = Comparison(fast.scores_[columns + seconds])
    pd.testing.assert_frame_equal(plain.to_frame(), fast.to_frame())
    assert plain.metrics_ == ["neg_log_loss", "accuracy"]
    with pytest.raises(ValueError, match="without held-out predictions"):
        plain.probabilities("bayes")
    plain.plot()
    with pytest.raises(ValueError, match="metric='loss' is not valid"):
        plain.to_frame("loss")
    with pytest.raises(ValueError, match="model='forest' is not valid"):
        fast.probabilities("forest")


def test_text_and_html(fast):
    text = str(fast)
    assert text.splitlines()[0] == "2 models on 4 folds, 60 s for each fit; higher is better"
    assert max(map(len, text.splitlines()[2:5])) <= 120
    assert repr(fast) == "<Comparison of 2 models, bayes leads>"
    odd = Comparison(fast.scores_.replace({"model": {"tree": "<b>tree"}}))
    assert "<b>tree" not in odd._repr_html_()
    assert "&lt;b&gt;tree" in odd._repr_html_()


def test_the_front_has_no_slower_model_that_is_no_better():
    display = ComparisonDisplay(
        "accuracy",
        {"a": [0.9], "b": [0.8], "c": [0.85], "d": [0.7]},
        {"a": 10.0, "b": 1.0, "c": 20.0, "d": 1.0},
        {},
    )
    assert display.front == ["b", "a"]


def test_reliability_of_a_calibrated_and_an_overconfident_model():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 20_000)
    is_right = (rng.random(20_000) < confidence).astype(float)
    curve = reliability(confidence, is_right)
    assert curve.shape == (10, 2)
    assert np.abs(curve[:, 0] - curve[:, 1]).max() < 0.04
    overconfident = reliability((1 + confidence) / 2, is_right)
    assert (overconfident[:9, 1] < overconfident[:9, 0] - 0.02).all()


def test_a_model_that_failed_on_a_fold_is_not_at_the_front():
    rows = [
        {"model": model, "fold": fold, "n_train": 80, "n_test": 20, "accuracy": score}
        | {"fit_seconds": seconds, "predict_seconds": 0.1}
        for model, seconds, scores in (("a", 1.0, (0.9, np.nan)), ("b", 2.0, (0.8, 0.8)))
        for fold, score in enumerate(scores)
    ]
    comparison = Comparison(pd.DataFrame(rows))
    assert ComparisonDisplay.from_comparison(comparison).front == ["b"]
    whole = Comparison(comparison.scores_.fillna(0.9))
    assert ComparisonDisplay.from_comparison(whole).front == ["a"]


def test_plot_shows_every_model_and_the_front(fast):
    display = fast.plot()
    scores, seconds, calibration = display.ax_
    assert [label.get_text() for label in scores.get_yticklabels()] == fast.models_
    assert set(seconds.get_legend_handles_labels()[1]) == {"Pareto front", *FAST}
    assert len(calibration.lines) == 1 + len(FAST)
    assert display.seconds["bayes"] == pytest.approx(fast.to_frame().loc["bayes", "fit_seconds"])
    right = (fast.held_out_["label"] == fast.held_out_["predicted"]).groupby(
        fast.held_out_["model"]
    )
    for model, curve in display.calibration.items():
        assert curve[:, 1].mean() == pytest.approx(right.mean()[model])
