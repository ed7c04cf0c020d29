"""What is proposed: the default, the portfolio, and then what goes by the results."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from sknethp import DeepNetClassifier
from sknethp.estimator.request import Samples
from sknethp.hyperparameters import check_hyperparameters, hyperparameters_of
from sknethp.self_tuning import proposals as proposals_module
from sknethp.self_tuning.folds import Folds, make_splits
from sknethp.self_tuning.portfolio import PORTFOLIO
from sknethp.self_tuning.proposals import Proposals
from tests.self_tuning.test_estimator import SPACE, X, Y, small_net

SAMPLES = Samples(X.astype(np.float32), Y, None, np.array([0, 1]))
FOLDS = Folds(SAMPLES, make_splits(3, SAMPLES, (X, Y), None, 0))
LISTED = ({"dropout": 0.1, "lr": 0.01}, {"optimizer": "sgd", "nesterov": True, "lr": 0.02})


def with_losses(proposals, loss):
    return [SimpleNamespace(proposal=each, lowest=loss(each.parameters)) for each in proposals]


def test_every_entry_of_the_portfolio_is_valid():
    own = hyperparameters_of(DeepNetClassifier())
    for params in PORTFOLIO:
        check_hyperparameters({**own, **params})


def test_the_default_then_the_portfolio_then_the_model(monkeypatch):
    monkeypatch.setattr(proposals_module, "PORTFOLIO", LISTED)
    proposed = Proposals(DeepNetClassifier(), None, FOLDS, 0).next([], 5)
    assert [each.params for each in proposed[:3]] == [{}, *LISTED]
    assert [each.origin for each in proposed] == ["default", *["portfolio"] * 2, *["model"] * 2]


def test_one_that_was_left_out_is_proposed_again_and_none_twice(monkeypatch):
    monkeypatch.setattr(proposals_module, "PORTFOLIO", LISTED)
    proposals = Proposals(DeepNetClassifier(), None, FOLDS, 0)
    first, left_out, third = proposals.next([], 3)  # the second does not fit the time
    (again,) = proposals.next(with_losses([first, third], lambda parameters: 1.0), 1)
    assert again.params == left_out.params


def test_the_portfolio_leaves_what_the_user_has_chosen(monkeypatch):
    monkeypatch.setattr(proposals_module, "PORTFOLIO", LISTED)
    net = DeepNetClassifier(optimizer="adamw", momentum=0.8)
    proposed = Proposals(net, None, FOLDS, 0).next([], 3)
    assert {each.parameters["optimizer"] for each in proposed} == {"adamw"}
    assert {each.parameters["momentum"] for each in proposed} == {0.8}
    own_space = Proposals(DeepNetClassifier(), SPACE, FOLDS, 0).next([], 3)
    assert "portfolio" not in {each.origin for each in own_space}


def test_later_proposals_go_by_the_losses():
    proposals = Proposals(small_net(), SPACE, FOLDS, 0)
    candidates = []
    for _ in range(4):
        new = proposals.next(candidates, 8)
        candidates += with_losses(new, lambda p: abs(np.log(p["lr"] / 0.02)) + p["dropout"][0])
    losses = [candidate.lowest for candidate in candidates]
    assert np.mean(losses[-8:]) < 0.5 * np.mean(losses[:8])
    seen = {tuple(candidate.proposal.params.items()) for candidate in candidates}
    assert len(seen) == len(candidates)


def test_the_model_keeps_what_the_best_sets_beside_the_space(monkeypatch):
    monkeypatch.setattr(proposals_module, "PORTFOLIO", ({"normalization": "batch", "lr": 0.01},))
    proposals = Proposals(DeepNetClassifier(), None, FOLDS, 0)
    proposals.adapt_to(replace(proposals_module.Plan(1), batch_size=128, epoch_share=0.5))
    listed = proposals.next([], 2)
    for best, expected in ((0, None), (1, "batch")):
        tried = with_losses(listed, lambda p: float(p["normalization"] is not None))
        tried[best].lowest = -1.0
        more = proposals.next(tried, 4)
        assert {each.parameters["normalization"] for each in more} == {expected}
        assert len({each.parameters["lr"] for each in more}) == 4
        assert [each.outside for each in more] == [listed[best].outside] * 4


def test_the_model_does_without_what_does_not_go_with_its_proposal(monkeypatch):
    monkeypatch.setattr(proposals_module, "PORTFOLIO", ({"normalization": "batch"},))
    proposals = Proposals(DeepNetClassifier(), None, FOLDS, 0)
    tried = with_losses(proposals.next([], 2), lambda p: float(p["normalization"] is None))
    monkeypatch.setattr(proposals, "_is_valid", lambda params: "normalization" not in params)
    assert {each.parameters["normalization"] for each in proposals.next(tried, 4)} == {None}


def test_automatic_values_are_resolved_for_all_folds_alike():
    parameters = Proposals(DeepNetClassifier(), None, FOLDS, 0).next([], 1)[0].parameters
    assert parameters["lr"] == 0.001
    requests = list(FOLDS.requests(parameters, 0))
    assert len({request.architecture for request in requests}) == 1
    assert len({request.seed for request in requests}) == 3


@pytest.mark.parametrize("n", [3, 10])
def test_the_model_sees_the_best_and_the_latest(n, monkeypatch):
    monkeypatch.setattr(proposals_module, "_MOST_MODELLED", 6)
    candidates = [SimpleNamespace(lowest=float(loss), number=loss) for loss in range(n)[::-1]]
    told = [candidate.number for candidate in proposals_module._telling(candidates)]
    assert told == ([2, 1, 0] if n == 3 else [5, 4, 3, 2, 1, 0])


def test_a_plan_changes_what_is_proposed():
    proposals = Proposals(small_net(), SPACE, FOLDS, 0)
    (before,) = proposals.next([], 1)
    proposals.adapt_to(replace(proposals_module.Plan(1), batch_size=128))
    (after,) = proposals.next([], 1)
    assert before.params == {}
    assert after.params == {"batch_size": 128, "lr": pytest.approx(0.002)}
