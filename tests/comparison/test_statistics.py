"""The statistics against scipy, against numeric integration, and against what they are made for."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from sknethp import Comparison
from sknethp.model_selection.significance import corrected_paired_test, equivalence, holm

RNG = np.random.default_rng(0)
SCORES = {
    "a": 0.80 + 0.02 * RNG.standard_normal(10),
    "b": 0.79 + 0.02 * RNG.standard_normal(10),
    "c": 0.60 + 0.02 * RNG.standard_normal(10),
}
N_TRAIN, N_TEST = 90, 10


def frame(scores, **columns):
    """Scores of models by fold, as a comparison has them."""
    parts = [
        pd.DataFrame(
            {
                "model": name,
                "fold": range(len(values)),
                "n_train": N_TRAIN,
                "n_test": N_TEST,
                "neg_log_loss": values,
                "fit_seconds": 1.0,
                "predict_seconds": 0.1,
                **{column: given[name] for column, given in columns.items()},
            }
        )
        for name, values in scores.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_corrected_test_is_scipys_with_a_larger_variance():
    a, b = SCORES["a"], SCORES["b"]
    plain = stats.ttest_rel(a, b)
    t = plain.statistic * np.sqrt((1 / 10) / (1 / 10 + N_TEST / N_TRAIN))
    expected = 2 * stats.t.sf(abs(t), 9)
    found = corrected_paired_test(b, a, [(N_TRAIN, N_TEST)] * 10)
    assert found == pytest.approx(expected, rel=1e-9)
    assert found > 1.2 * plain.pvalue  # the negative control: uncorrected, it is another one


def test_equivalence_integrates_the_posterior():
    a, b, rope = SCORES["a"], SCORES["b"], 0.01
    difference = a - b
    rho = N_TEST / (N_TEST + N_TRAIN)  # as Benavoli et al. (2017) write it
    scale = np.sqrt((1 / 10 + rho / (1 - rho)) * difference.var(ddof=1))

    def density(x):
        return stats.t.pdf((x - difference.mean()) / scale, 9) / scale

    expected = [
        integrate.quad(density, *limits)[0] for limits in ((-1, -rope), (-rope, rope), (rope, 1))
    ]
    found = equivalence(b, a, [(N_TRAIN, N_TEST)] * 10, rope)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert equivalence(a, b, [(N_TRAIN, N_TEST)] * 10, rope) == pytest.approx(found[::-1])
    independent = np.sqrt(difference.var(ddof=1) / 10)  # the control: folds taken as independent
    wrong = stats.t(9, difference.mean(), independent).sf(rope)
    assert abs(wrong - expected[2]) > 0.01


def test_equal_scores_are_equivalent_and_different_ones_are_not():
    sizes = [(80, 20)] * 5
    same = np.array([-0.31, -0.32, -0.35, -0.33, -0.31])
    assert equivalence(same, same, sizes, 0.01) == pytest.approx((0, 1, 0))
    assert equivalence(same, same + 0.2, sizes, 0.01) == pytest.approx((0, 0, 1))
    assert np.isnan(equivalence(same[:1], same[:1], sizes, 0.01)).all()
    assert np.isnan(equivalence(same, same * np.nan, sizes, 0.01)).all()


def holm_by_its_definition(p):
    """Reject the smallest while it is below level / number left: the lowest such level of each."""
    order, result, largest = np.argsort(p, kind="stable"), np.empty(len(p)), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p[i] * (len(p) - rank)))
        result[i] = largest
    return result


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm(p):
    np.testing.assert_allclose(holm(p), holm_by_its_definition(p))
    assert (holm(p) <= np.minimum(1, len(p) * np.array(p)) + 1e-12).all()  # never above Bonferroni


def test_holm_leaves_out_what_is_not_known():
    corrected = holm([0.01, np.nan, 0.04])
    assert np.isnan(corrected[1])
    np.testing.assert_allclose(corrected[[0, 2]], [0.02, 0.04])


def test_table_and_pairs():
    comparison = Comparison(frame(SCORES), rope=0.02)
    table, pairs = comparison.to_frame(), comparison.pairs()
    assert list(table.index) == comparison.models_ == ["a", "b", "c"]
    for name, scores in SCORES.items():
        assert table.loc[name, "neg_log_loss"] == pytest.approx(scores.mean())
        assert table.loc[name, "neg_log_loss_se"] == pytest.approx(stats.sem(scores))
        assert table.loc[name, "behind"] == pytest.approx(SCORES["a"].mean() - scores.mean())
    sizes = [(N_TRAIN, N_TEST)] * 10
    p = [corrected_paired_test(SCORES[v], SCORES[u], sizes) for u, v in combinations("abc", 2)]
    np.testing.assert_allclose(pairs["p_value"], p)
    np.testing.assert_allclose(pairs["p_holm"], holm_by_its_definition(np.array(p)))
    np.testing.assert_allclose(pairs[["p_better", "p_equivalent", "p_worse"]].sum(axis=1), 1)
    np.testing.assert_allclose(table.loc[["b", "c"], "p_holm"], pairs["p_holm"][:2])
    assert np.isnan(table.loc["a", "p_holm"])


def test_sentence_tells_a_lead_from_noise():
    noise = Comparison(frame(SCORES)).sentence_
    assert noise.startswith("a leads by neg_log_loss, but its lead over b may be noise. b is 0.0")
    assert "equivalent in practice, within 0.01, with a probability of 0." in noise
    assert noise.endswith("It is ahead of c (p ≤ 0.001).")
    ahead = Comparison(frame({"a": SCORES["a"] + 0.1, "c": SCORES["c"]})).sentence_
    assert ahead == "a is ahead of c by neg_log_loss, beyond noise (p ≤ 0.001)."
    one = Comparison(frame({"a": SCORES["a"]})).sentence_
    assert one.startswith("a is the only model")
    single = Comparison(frame({name: scores[:1] for name, scores in SCORES.items()})).sentence_
    assert single.endswith("one fold cannot tell whether that is noise.")


def test_false_alarms_are_rare():
    """Models that are equally good: the corrected test must not find a lead often.

    Folds share most of their training rows, so that their scores have a common part.
    """
    rng, n_alarms = np.random.default_rng(1), 0
    for _ in range(200):
        common = 0.03 * rng.standard_normal((2, 1))
        a, b = 0.8 + common + 0.1 * rng.standard_normal((2, 10))
        n_alarms += corrected_paired_test(a, b, [(N_TRAIN, N_TEST)] * 10) < 0.05
    assert n_alarms < 0.07 * 200


def test_overfitting_edges_slowness_and_failures_become_sentences():
    comparison = Comparison(
        frame(
            {"HistGradientBoosting": SCORES["a"], "mine": SCORES["c"], "other": [np.nan] * 10},
            train_score={"HistGradientBoosting": 0.85, "mine": 0.99, "other": np.nan},
            at_edge={"HistGradientBoosting": "", "mine": "lr high", "other": ""},
            notes={"HistGradientBoosting": "3 of 5 folds", "mine": "", "other": ""},
            failure={"HistGradientBoosting": "", "mine": "", "other": "no memory."},
        ).assign(fit_seconds=lambda t: np.where(t["model"] == "mine", 5.0, 1.0)),
        max_time=60,
    )
    failed, short, overfitted, edge, slow = comparison.warnings_
    assert failed == "other has no scores: no memory."
    assert short.startswith("HistGradientBoosting did less to fit the time (3 of 5 folds): give")
    assert overfitted.startswith("mine overfits: its neg_log_loss is higher than HistGradientBoost")
    assert edge.startswith("The best lr of mine was at the high end of its range in 10 of 10 folds")
    assert slow.startswith("mine takes 5.0 times as long to fit as HistGradientBoosting, and is no")
    assert comparison.models_[-1] == "other"
    assert "–" in str(comparison)


def test_no_such_sentences_of_good_models():
    comparison = Comparison(
        frame(
            {"HistGradientBoosting": SCORES["c"], "mine": SCORES["a"]},
            train_score={"HistGradientBoosting": 0.65, "mine": 0.99},
            at_edge={"HistGradientBoosting": "", "mine": ["lr high"] * 4 + [""] * 6},
        ).assign(fit_seconds=lambda t: np.where(t["model"] == "mine", 5.0, 1.0))
    )
    assert comparison.warnings_ == []
