"""Tuning by hand: the same results as all at once, and a table that says what made a difference."""

import pickle
import sys
import warnings
from functools import partial

import numpy as np
import pytest
import sklearn
from scipy import stats
from scipy.stats import loguniform
from sklearn import model_selection as parents
from sklearn.base import clone, is_classifier
from sklearn.model_selection import GroupKFold, ShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sknethp import DeepNetClassifier
from sknethp.model_selection import GridSearchCV, ManualSearchCV, RandomizedSearchCV
from sknethp.model_selection.candidate_table import changes
from sknethp.model_selection.significance import corrected_paired_test
from tests.helpers import scaled_net

UNITS, LR, LAYERS = (
    f"deepnetclassifier__{name}" for name in ("hidden_units", "lr", "hidden_layers")
)
CANDIDATES = {"as it is": {}, "wider": {"hidden_units": 16}, "fast": {LR: 0.02}}


net = partial(scaled_net, hidden_units=4)


@pytest.fixture
def fitted(data):
    return ManualSearchCV(net(), CANDIDATES, cv=3).fit(*data)


def same_results(found, expected):
    """Compare all columns but the times and the names."""
    assert [key for key in found if key != "candidate"] == list(expected)
    for key, column in expected.items():
        if "time" in key:
            continue
        if key == "params":
            assert found[key] == column
        elif key.startswith("param_"):
            np.testing.assert_array_equal(found[key].mask, column.mask)
            assert found[key].tolist() == column.tolist()
            assert found[key].dtype == column.dtype
        else:
            np.testing.assert_allclose(found[key], column, atol=1e-12)


def test_as_the_parent(data):
    X, y = data
    grid = [{}, {UNITS: [16]}, {LR: [0.02]}]
    parent = parents.GridSearchCV(net(), grid, cv=3).fit(X, y)
    search = ManualSearchCV(net(), CANDIDATES, cv=3).fit(X, y)
    same_results(search.cv_results_, parent.cv_results_)
    assert search.cv_results_["candidate"].tolist() == list(CANDIDATES)
    assert search.fused_summary_.fused == 9
    np.testing.assert_array_equal(search.predict(X), parent.predict(X))
    assert len(set(parent.cv_results_["mean_test_score"])) > 1


@pytest.mark.parametrize("scoring", [None, ["accuracy", "roc_auc"]])
def test_one_after_another_as_all_at_once(data, scoring):
    """On the same folds, although these are drawn anew at each split."""
    settings = {"cv": ShuffleSplit(3), "scoring": scoring, "return_train_score": True}
    settings["refit"] = "roc_auc" if scoring else True
    search = ManualSearchCV(net(), **settings).fit(*data)
    assert search.cv_results_["candidate"].tolist() == ["base"]
    search.try_candidate("wider", hidden_units=16).try_candidate("fast", deepnetclassifier__lr=0.02)
    search.try_candidate("mixed", hidden_units=(8, 4))
    grid = [{}, {UNITS: [16]}, {LR: [0.02]}, {UNITS: [(8, 4)]}]
    all_at_once = parents.GridSearchCV(net(), grid, **{**settings, "cv": search.splits_})
    all_at_once.fit(*data)
    same_results(search.cv_results_, all_at_once.cv_results_)
    assert search.best_params_ == all_at_once.best_params_
    assert search.best_score_ == pytest.approx(all_at_once.best_score_)
    np.testing.assert_array_equal(search.predict_proba(data[0]), all_at_once.predict_proba(data[0]))
    others = ManualSearchCV(net(), **settings).fit(*data)  # negative control: other folds
    assert not np.array_equal(others.splits_[0][0], search.splits_[0][0])


def test_keep_is_the_base_of_what_follows(fitted, data):
    assert fitted.keep("wider").kept_ == "wider"
    assert fitted.best_params_ == {UNITS: 16}
    assert fitted.best_estimator_.get_params()[UNITS] == 16
    expected = net(hidden_units=16).fit(*data).predict_proba(data[0])
    np.testing.assert_allclose(fitted.predict_proba(data[0]), expected, atol=1e-6)
    fitted.try_candidate("wider and fast", lr=0.02)
    assert fitted.cv_results_["params"][-1] == {UNITS: 16, LR: 0.02}
    assert fitted.best_params_ == {UNITS: 16}  # stays what was kept
    fitted.keep("wider and fast").try_candidate("back", hidden_units=4)
    assert fitted.cv_results_["params"][-1] == {UNITS: 4, LR: 0.02}


def test_without_keep_the_best_score_wins(data):
    search = ManualSearchCV(net(lr=1e-4), cv=3).fit(*data)
    before = search.best_estimator_
    search.try_candidate("useless", lr=1e-6)
    assert search.best_estimator_ is before
    search.try_candidate("better", lr=0.05)
    assert search.best_params_ == {LR: 0.05}
    assert search.best_estimator_.get_params()[LR] == 0.05
    assert search.best_index_ == 2


def test_table(data):
    search = ManualSearchCV(net(lr=1e-4), {"slow": {}, "fast": {"lr": 0.05}}, cv=5).fit(*data)
    search.keep("fast").try_candidate("again", label_smoothing=0.2)
    table = search.table()
    assert table.candidate.tolist() == ["slow", "fast", "again"]
    assert table.changed.tolist() == ["", "lr: 0.0001 → 0.05", "label_smoothing: 'auto' → 0.2"]
    assert table.against.tolist() == ["", "slow", "fast"]
    assert table.best.tolist() == [False, True, False]
    assert table.verdict.tolist() == ["", "better", "within noise"]
    means = search.cv_results_["mean_test_score"]
    np.testing.assert_allclose(table.score, means)
    np.testing.assert_allclose(table.difference[1:], np.diff(means))
    assert table.p_value[1] < 0.05
    against = search.table(against="fast")
    assert against.verdict.tolist() == ["worse", "", "within noise"]
    assert against.changed[0] == "lr: 0.05 → 0.0001"
    assert set(search.table(level=1e-12).verdict) == {"", "within noise"}
    text = str(search)
    assert text.splitlines()[0].split() == [
        *("candidate", "against", "changed", "score", "std", "difference", "p", "verdict")
    ]
    assert [line[0] for line in text.splitlines()[1:]] == [" ", "*", " "]
    assert "lr: 0.0001 → 0.05" in text
    assert "better" in search._repr_html_()
    assert search._repr_mimebundle_()["text/plain"] == text


def test_table_without_pandas(fitted, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    rows = fitted.table()
    assert [row["candidate"] for row in rows] == list(CANDIDATES)
    assert rows[1]["changed"] == "hidden_units: 4 → 16"


def test_names_in_html_are_text(data):
    search = ManualSearchCV(net(), {"<b>": {}}, cv=2).fit(*data)
    assert "&lt;b&gt;" in search._repr_html_()


def test_failed_candidates(fitted, data):
    """Beside others they are marked; alone they are refused, and what there was stays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = ManualSearchCV(net(), {"a": {}, "bad": {"lr": 1e30}, "b": {}}, cv=2).fit(*data)
    assert search.table().verdict.tolist() == ["", "failed", "within noise"]
    before = fitted.cv_results_
    with pytest.raises(ValueError, match=r"Candidate 'bad' cannot be fitted: .*epoch") as caught:
        fitted.try_candidate("bad", lr=1e30)
    assert "\n" not in str(caught.value)
    assert fitted.cv_results_ is before
    with pytest.raises(ValueError, match="Candidate 'bad' cannot be fitted: lr=-1 is not valid"):
        fitted.try_candidate("bad", lr=-1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_failed_candidate_with_a_score_is_no_measure(data):
    """It is marked although `error_score` looks fine, and the next is compared with another."""
    candidates = {"a": {}, "bad": {"lr": -1}, "b": {"hidden_units": 16}}
    plain = net(embedding=None)
    search = ManualSearchCV(plain, candidates, cv=3, error_score=1.0, refit=False).fit(*data)
    table = search.table()
    assert table.verdict.tolist() == ["", "failed", "better"]
    assert table.against.tolist() == ["", "a", "a"]
    assert table.changed[2] == "hidden_units: 4 → 16"


def test_tries_are_compared_with_what_they_change(data):
    """With the kept candidate; and the values are those that the estimators had."""
    search = ManualSearchCV(net(), {"a": {}, "b": {"hidden_units": 16}}, cv=3, refit=False)
    search.fit(*data).try_candidate("c", lr=0.02).keep("a").try_candidate(
        "d", standardscaler=MinMaxScaler((0, 2))
    )
    search.keep("d").try_candidate("e", standardscaler__feature_range=(0, 1)).try_candidate(
        "f", max_norm=None
    )
    table = search.table()
    assert table.against.tolist() == ["", "a", "b", "a", "d", "d"]
    assert table.changed.tolist()[3:] == [
        "standardscaler: StandardScaler() → MinMaxScaler(feature_range=(0, 2))",
        "feature_range: (0, 2) → (0, 1)",
        "",
    ]
    search.try_candidate(
        "g", standardscaler=Pipeline([("scale", StandardScaler()), ("more", MinMaxScaler())])
    )
    assert max(map(len, str(search).splitlines())) < 250
    assert "…" in search.table().changed.iloc[-1]


def test_changes_are_what_differs_and_no_more(data, tmp_path):
    """Not the memory of the search, nor where copies are kept; of long texts where they differ."""
    own = DeepNetClassifier(hidden_units=4, max_epochs=3, random_state=0)
    pipeline = Pipeline([("scale", StandardScaler()), ("net", own)])
    candidates = {"a": {}, "b": {"net": own}, "c": {"scale": MinMaxScaler()}}
    search = ManualSearchCV(pipeline, candidates, cv=2, memory=tmp_path, refit=False).fit(*data)
    search.try_candidate("d", net=own)
    assert search.table().changed.tolist() == [
        *("", "", "scale: StandardScaler() → MinMaxScaler()"),
        "scale: MinMaxScaler() → StandardScaler()",
    ]

    class Unshown:  # its text has its address
        pass

    assert changes({"a": Unshown()}, {"a": Unshown()}) == ""
    same, other = np.zeros(5000), np.r_[np.zeros(2500), 1.0, np.zeros(2499)]
    assert changes({"a": same}, {"a": same.copy()}) == ""
    zeros = "0.0, " * 6
    assert changes({"a": same}, {"a": other}) == (
        f"a: …0.0, 0.0, {zeros}… → …0.0, 0.0, 1.0, {zeros[5:]}…"
    )


def test_a_single_fold_gives_no_verdict(data):
    search = ManualSearchCV(net(), {"a": {}, "b": {LR: 0.1}}, cv=ShuffleSplit(1, random_state=0))
    assert search.fit(*data).table().verdict.tolist() == ["", ""]


def test_a_candidate_that_refit_refuses_leaves_all_as_it_was(data):
    search = ManualSearchCV(
        net(), {"a": {}}, cv=2, refit=lambda results: 0 if len(results["params"]) < 2 else 1.5
    ).fit(*data)
    with pytest.raises(ValueError, match=r"refit returned 1\.5"):
        search.try_candidate("b", lr=0.1)
    assert search.cv_results_["candidate"].tolist() == ["a"]
    assert len(search.evaluated_at_) == len(search.table()) == 1


def test_from_a_search_whose_folds_are_used_up(data):
    folds = ShuffleSplit(3, random_state=0)
    grid = GridSearchCV(net(), {LR: [0.01, 0.02]}, cv=folds.split(*data)).fit(*data)
    with pytest.raises(ValueError, match="came from an iterator, which is used up: give cv"):
        ManualSearchCV.from_search(grid)
    search = ManualSearchCV.from_search(grid, cv=folds.split(*data)).fit(*data)
    assert search.best_score_ == pytest.approx(grid.best_score_)
    again = ManualSearchCV.from_search(search).fit(*data)
    assert again.best_score_ == search.best_score_


def test_from_another_search(data):
    random = RandomizedSearchCV(
        net(), {LR: loguniform(1e-3, 1e-1)}, n_iter=3, cv=3, random_state=0, scoring="roc_auc"
    ).fit(*data)
    search = ManualSearchCV.from_search(random, {"as found": {}, "deeper": {"hidden_layers": 3}})
    assert search.scoring == "roc_auc"
    search.fit(*data)
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(random.best_score_)
    assert ManualSearchCV.from_search(random, scoring="accuracy").scoring == "accuracy"
    with pytest.raises(sklearn.exceptions.NotFittedError):
        ManualSearchCV.from_search(GridSearchCV())


def test_groups_and_weights(data):
    X, y = data
    groups, weight = np.arange(len(y)) % 7, np.linspace(0.5, 1, len(y))
    fit = {"groups": groups, "deepnetclassifier__sample_weight": weight}
    search = ManualSearchCV(net(), {"a": {}}, cv=GroupKFold(3)).fit(X, y, **fit)
    search.try_candidate("b", hidden_units=16).keep("b")
    expected = net(hidden_units=16).fit(X, y, deepnetclassifier__sample_weight=weight)
    np.testing.assert_allclose(search.predict_proba(X), expected.predict_proba(X), atol=1e-6)
    parent = parents.GridSearchCV(net(), {UNITS: [16]}, cv=GroupKFold(3)).fit(X, y, **fit)
    assert search.cv_results_["mean_test_score"][1] == parent.best_score_


def test_metadata_routing(data):
    X, y = StandardScaler().fit_transform(data[0]), data[1]
    weight = np.linspace(0.5, 1, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        bare = DeepNetClassifier(hidden_units=4, max_epochs=3, random_state=0)
        bare.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = ManualSearchCV(bare, {"a": {}}, cv=GroupKFold(3))
        search.fit(X, y, sample_weight=weight, groups=np.arange(len(y)) % 5)
        search.try_candidate("b", hidden_units=16).keep("b")
    expected = DeepNetClassifier(hidden_units=16, max_epochs=3, random_state=0)
    expected.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(search.predict_proba(X), expected.predict_proba(X), atol=1e-6)


def test_estimator_manners(data, fitted):
    assert is_classifier(ManualSearchCV())
    assert clone(fitted).candidates == CANDIDATES
    assert "ManualSearchCV" in str(ManualSearchCV())
    assert "ManualSearchCV" in ManualSearchCV()._repr_html_()
    restored = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(restored.predict(data[0]), fitted.predict(data[0]))
    assert str(restored) == str(fitted)
    with pytest.raises(
        ValueError, match="A pickle or copy of a search does not hold its data: call fit"
    ):
        restored.try_candidate("more", lr=0.1)
    fitted.try_candidate("more", lr=0.1)  # the pickled one still has its data


def test_refit_off(data):
    search = ManualSearchCV(net(), CANDIDATES, cv=2, refit=False).fit(*data)
    search.try_candidate("deep", hidden_layers=3).keep("deep")
    assert search.best_params_ == {LAYERS: 3}
    assert not hasattr(search, "best_estimator_")
    several = ManualSearchCV(
        net(), CANDIDATES, cv=2, refit=False, scoring=["accuracy", "roc_auc"]
    ).fit(*data)
    assert not hasattr(several.try_candidate("deep", hidden_layers=3), "best_index_")
    assert several.table().candidate.tolist() == [*CANDIDATES, "deep"]


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ({}, "candidates={} has nothing to try"),
        ({"a": 3}, "give a dict from names to dicts of parameters"),
        (None, "memory=5 is not valid"),
        ({3: {}}, "give a dict from names to dicts of parameters"),
        ([{"lr": 1}], "give a dict from names to dicts of parameters"),
        ({"a": {"droput": 0.1}}, "did you mean 'deepnetclassifier__dropout'"),
        ({"a": {"lr": -1}, "b": {"lr": 0}}, "No candidate can be fitted: lr=-1 is not valid"),
    ],
)
def test_bad_candidates(candidates, message, data):
    memory = 5 if candidates is None else None
    with pytest.raises(ValueError, match=message):
        ManualSearchCV(net(memory=memory), candidates).fit(*data)


def test_candidates_that_are_rejected(fitted):
    with pytest.raises(ValueError, match="There is a candidate 'wider' already"):
        fitted.try_candidate("wider", lr=0.1)
    with pytest.raises(ValueError, match="name is a string, but 3 was given"):
        fitted.try_candidate(3, lr=0.1)
    with pytest.raises(ValueError, match=r"no candidate 'x', only 'as it is', 'wider', 'fa"):
        fitted.keep("x")
    with pytest.raises(ValueError, match="did you mean 'deepnetclassifier__dropout'"):
        fitted.try_candidate("typo", droput=0.1)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        ManualSearchCV(net()).try_candidate("early", lr=0.1)


# The pieces.


def test_corrected_test_against_its_definition():
    first = np.array([0.7, 0.8, 0.75, 0.72, 0.78])
    second = first + np.array([0.02, 0.05, 0.01, 0.03, 0.04])
    difference = second - first
    t = difference.mean() / np.sqrt((1 / 5 + 20 / 80) * difference.var(ddof=1))
    expected = 2 * stats.t.sf(t, 4)
    assert corrected_paired_test(first, second, [(80, 20)] * 5) == pytest.approx(expected)
    assert corrected_paired_test(second, first, [(80, 20)] * 5) == pytest.approx(expected)
    plain = stats.ttest_rel(first, second).pvalue  # negative control: uncorrected
    assert plain < expected / 2


def test_corrected_test_holds_its_level_where_the_plain_one_does_not():
    """Two candidates that are equally good, on overlapping training parts."""
    rng = np.random.default_rng(0)
    corrected, plain = [], []
    for _ in range(300):
        x = rng.normal(size=(100, 2))
        y = x.sum(axis=1) + rng.normal(size=100)
        folds = list(parents.ShuffleSplit(10, test_size=0.2, random_state=0).split(x))
        errors = np.array(
            [
                [
                    np.mean((y[test] - x[test, i] * np.polyfit(x[train, i], y[train], 1)[0]) ** 2)
                    for i in (0, 1)
                ]
                for train, test in folds
            ]
        )
        corrected.append(corrected_paired_test(errors[:, 0], errors[:, 1], [(80, 20)] * 10))
        plain.append(stats.ttest_rel(errors[:, 0], errors[:, 1]).pvalue)
    assert np.mean(np.array(corrected) < 0.05) < 0.08
    assert np.mean(np.array(plain) < 0.05) > 0.15


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.5, 0.6], [0.5, 0.6], 1.0),
        ([0.51, 0.76], [0.635, 0.885], 0.0),
        ([0.5], [0.6], np.nan),
        ([0.5, np.nan], [0.5, 0.6], np.nan),
    ],
)
def test_corrected_test_at_its_limits(first, second, expected):
    found = corrected_paired_test(np.array(first), np.array(second), [(2, 1)] * len(first))
    np.testing.assert_equal(found, expected)


def test_few_folds_that_differ_alike_are_no_proof():
    """Of shares of 50 test samples: rounding alone makes two folds alike now and then."""
    first, sizes = np.array([0.8, 0.82, 0.84, 0.8, 0.9]), [(200, 50)] * 5
    assert corrected_paired_test(first[:2], first[:2] + 0.04, sizes[:2]) > 0.1
    assert corrected_paired_test(first, first + 0.04, sizes) < 0.01
    rng, found = np.random.default_rng(0), []
    for _ in range(2000):  # two candidates that are right with the same probability
        scores = rng.binomial(50, 0.9, size=(2, 2)) / 50
        found.append(corrected_paired_test(*scores, sizes[:2]))
    assert np.mean(np.array(found) < 0.05) < 0.05


@pytest.mark.filterwarnings("ignore:One or more of the", "ignore:\\n3 fits failed")
def test_results_are_those_of_one_search_over_all_candidates(data):
    """Columns, their order, types and masks, and ranks with a failed candidate."""
    name = "deepnetclassifier__"
    grid = [
        {f"{name}lr": [0.01]},
        {f"{name}dropout": [5]},
        {f"{name}hidden_units": [(8, 4)], f"{name}lr": [0.02]},
    ]
    theirs = parents.GridSearchCV(net(), grid, cv=3, return_train_score=True).fit(*data)
    first, bad, last = ({key: value for key, [value] in part.items()} for part in grid)
    search = ManualSearchCV(net(), {"a": first, "bad": bad}, cv=3, return_train_score=True)
    found = search.fit(*data).try_candidate("c", **last).cv_results_
    assert found["candidate"].tolist() == ["a", "bad", "c"]
    assert list(found) == ["candidate", *theirs.cv_results_]
    for key, column in theirs.cv_results_.items():
        if not key.endswith("_time"):
            assert getattr(found[key], "dtype", list) == getattr(column, "dtype", list)
            np.testing.assert_array_equal(found[key], column)


def test_a_fit_that_fails_leaves_all_as_it_was(data):
    """Its candidates do not mix with those of the fit before."""
    search = ManualSearchCV(net(), {"a": {}, "b": {"lr": 0.02}}, cv=3).fit(*data)
    before = search.cv_results_
    search.set_params(scoring="accuracy", refit=lambda results: 7 / 0)
    with pytest.raises(ZeroDivisionError):
        search.set_params(candidates={"c": {"lr": 0.5}}).fit(*data)
    search.set_params(refit=True).try_candidate("d", lr=0.03)
    assert search.cv_results_["candidate"].tolist() == ["a", "b", "d"]
    column = "split0_test_score"
    np.testing.assert_array_equal(search.cv_results_[column][:2], before[column])


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_keeping_what_cannot_be_fitted_changes_nothing(data):
    X, y = data
    search = ManualSearchCV(net(), {"a": {}, "bad": {"dropout": 5}}, cv=3)
    search.fit(X, y)
    before = search.best_index_, search.best_params_, search.best_score_
    probabilities = search.predict_proba(X)
    with pytest.raises(ValueError, match="dropout=5"):
        search.keep("bad")
    assert (search.best_index_, search.best_params_, search.best_score_) == before
    assert search.kept_ is None
    np.testing.assert_array_equal(search.predict_proba(X), probabilities)
