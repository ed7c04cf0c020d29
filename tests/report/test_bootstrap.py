"""Scores of held-out rows agree with scikit-learn's, resampled ones too."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score

from sknethp.report.bootstrap import (
    Answers,
    held_out_scores,
    loss_lead,
    weighted_area,
    weighted_scores,
)


def answers(n_rows, n_classes, skill, seed=0):
    """Random answers that favor the true class, with ties."""
    random = np.random.default_rng(seed)
    label = np.arange(n_rows) % n_classes
    logits = random.normal(size=(n_rows, n_classes)).round(1)
    logits[np.arange(n_rows), label] += skill
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Answers(label, probabilities.argmax(axis=1), probabilities)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_those_of_scikit_learn_with_weights(n_classes):
    given = answers(90, n_classes, skill=1.0)
    weights = np.random.default_rng(1).integers(0, 4, size=(5, 90)).astype(float)
    scores = weighted_scores(given, weights)
    area = given.probabilities[:, 1] if n_classes == 2 else given.probabilities
    for i, w in enumerate(weights):
        own = {"sample_weight": w}
        expected = {
            "log-loss": log_loss(given.label, given.probabilities, **own),
            "accuracy": accuracy_score(given.label, given.predicted, **own),
            "balanced accuracy": balanced_accuracy_score(given.label, given.predicted, **own),
        }
        if n_classes == 2:
            expected["ROC AUC"] = roc_auc_score(given.label, area, **own)
        for name, value in expected.items():
            assert scores[name][i] == pytest.approx(value), name
    one = weighted_scores(given, np.ones((1, 90)))["ROC AUC"][0]
    assert one == pytest.approx(roc_auc_score(given.label, area, multi_class="ovr"))
    assert scores["ROC AUC"][0] != pytest.approx(one)


def test_half_of_a_tie_counts():
    area = weighted_area(np.zeros(4), np.array([True, False, True, False]), np.ones((1, 4)))
    assert area == [0.5]


def test_an_area_needs_both_classes():
    assert np.isnan(weighted_area(np.arange(3.0), np.ones(3, bool), np.ones((1, 3))))


def test_the_interval_holds_the_score_and_narrows_with_the_rows():
    few, many = (held_out_scores(answers(n, 2, skill=1.0))["accuracy"] for n in (60, 3000))
    for score in (few, many):
        assert score.low < score.value < score.high
    standard_error = np.sqrt(many.value * (1 - many.value) / 3000)
    assert many.high - many.low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)
    assert few.high - few.low > 4 * (many.high - many.low)


def test_rows_of_a_group_are_drawn_together():
    given, copies = answers(60, 2, skill=1.0), np.repeat(np.arange(60), 10)
    repeated = Answers(given.label[copies], given.predicted[copies], given.probabilities[copies])
    by_row, by_group, once = (
        held_out_scores(each)["accuracy"]
        for each in (repeated, replace(repeated, group=copies), given)
    )
    assert by_group == once
    assert by_row.high - by_row.low < 0.5 * (once.high - once.low)


def test_a_lead_beyond_noise_is_told_from_one_that_may_be_noise():
    good, bad = answers(300, 2, skill=3.0), answers(300, 2, skill=0.3)
    assert loss_lead(good, bad).low > 0
    assert loss_lead(bad, good).high < 0
    same = loss_lead(answers(300, 2, 1.0, seed=1), answers(300, 2, 1.0, seed=2))
    assert same.low < 0 < same.high
