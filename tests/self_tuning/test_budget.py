"""The budget: what is planned for it, what ends with it, and what is left when it is too short."""

import warnings
from _thread import interrupt_main

import numpy as np
import pytest

from sknethp import DeepNetClassifierCV
from sknethp.estimator.request import Samples
from sknethp.self_tuning import network_fit, tuning
from sknethp.self_tuning import race as race_module
from sknethp.self_tuning.candidate import Candidate
from sknethp.self_tuning.clock import Clock, step_work
from sknethp.self_tuning.folds import Folds, make_splits
from sknethp.self_tuning.plan import Plan, planned
from sknethp.self_tuning.proposals import Proposals
from tests.helpers import small_net
from tests.self_tuning.test_estimator import SPACE, X, Y


def budgeted(max_time, **settings):
    net = small_net(max_epochs=30)
    return DeepNetClassifierCV(net, SPACE, max_time=max_time, random_state=0, **settings)


def test_candidates_are_tried_until_the_time_is_over():
    net = small_net(max_epochs=2, embedding=None)
    nets = DeepNetClassifierCV(net, SPACE, max_time=3, random_state=0).fit(X, Y)
    assert len(nets.leaderboard_) > 1
    assert nets.summary_.states["finished"] > 1
    phases = {"planning", "proposing", "training", "choosing", "refitting"}
    assert set(nets.summary_.seconds_by_phase) == phases


def test_too_short_for_one_net():
    with pytest.warns(UserWarning, match="In max_time=0.001 seconds, no net") as caught:
        nets = budgeted(1e-3).fit(X, Y)
    assert len(caught) == 1
    assert nets.predict_proba(X).shape == (len(Y), 2)
    assert nets.summary_.notes
    assert nets.cv_results_["n_epochs"][0] >= 1


def test_the_time_ends_even_if_the_first_candidate_diverges():
    net = small_net(lr=1e36, max_epochs=100_000)
    space = {"lr": (1e-3, 1e-2)}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In max_time=1 seconds, no net was trained")
        nets = DeepNetClassifierCV(net, space, max_time=1.0, random_state=0).fit(X, Y)
    assert nets.cv_results_["state"][0] == "diverged"
    assert nets.best_index_ > 0


def test_candidates_that_there_is_no_time_for_have_no_networks(monkeypatch):
    made = []
    make = network_fit.new_networks
    monkeypatch.setattr(
        network_fit, "new_networks", lambda *given: made.append(given) or make(*given)
    )
    net = small_net(max_epochs=100_000)
    with pytest.warns(UserWarning, match="no net was trained to its last epoch"):
        nets = DeepNetClassifierCV(net, SPACE, max_time=1.0, cv=3, random_state=0).fit(X, Y)
    assert len(nets.leaderboard_) < tuning._N_PLACES
    assert len(made) == 3 + len(nets.leaderboard_) * nets.summary_.n_folds  # 3 to plan


def test_a_plan_changes_what_candidates_train():
    plan = Plan(1, batch_size=128, epoch_share=0.1, max_rows=50)
    changed = plan.adapted({"batch_size": 32, "lr": 0.001, "max_epochs": 60})
    assert changed == {"batch_size": 128, "lr": 0.002, "max_epochs": 6}
    assert plan.adapted({"batch_size": 256, "lr": 0.001, "max_epochs": 1}) == {"max_epochs": 1}
    splits = [(np.arange(100), np.arange(100, 120)), (np.arange(20, 120), np.arange(20))]
    ((train, test),) = plan.splits(splits, 0)
    assert len(set(train)) == 50
    assert len(test) == 20
    assert plan.notes(2, 100) == [
        "one hold-out part in place of folds",
        "batches of at least 128",
        "10% of the epochs",
        "50 of 100 training samples",
    ]
    assert Plan(2).notes(2, 100) == []


@pytest.mark.parametrize(
    ("n_fit", "n_processes", "expected"),
    [
        (7, 1, []),
        (1.2, 1, ["3 of 5 folds"]),
        (1.2, 2, []),
        (0.7, 1, ["one hold-out part in place of folds"]),
        (0.7, 2, ["3 of 5 folds"]),
        (0.7, 8, []),
        (0.15, 1, ["one hold-out part in place of folds", "50% of the epochs"]),
        (0.01, 1, None),
    ],
)
def test_less_time_less_training(n_fit, n_processes, expected):
    """`n_fit` candidates like the first one would fit the time in one process."""
    samples = Samples(X.astype(np.float32), Y, None, np.array([0, 1]))
    splits = make_splits(5, samples, (X, Y), None, 0)
    folds = Folds(samples, splits)
    (first,) = Proposals(small_net(max_epochs=30, batch_size=64), SPACE, folds, 0).next([], 1)
    candidate = Candidate.start(0, first, folds, 0)
    clock = Clock(10_000.0)
    n_parameters = candidate.requests[0].architecture.n_parameters
    work = 30 * 5 * 3 * step_work(64, n_parameters)
    clock.measured(10_000 / n_fit, work)
    notes = planned(candidate, clock, 5, n_processes).notes(5, 152)
    assert notes == expected or (
        expected is None and len(notes) == 2 and notes[1].startswith("13%")
    )


def test_the_pace_follows_what_is_measured():
    clock = Clock(None)
    assert clock.seconds_for(10) == 0
    clock.measured(1.0, 100)
    assert clock.seconds_for(200) == pytest.approx(2.0)
    for _ in range(40):
        clock.measured(3.0, 100)
    assert clock.seconds_for(100) == pytest.approx(3.0, rel=1e-3)
    assert clock.left == np.inf


class InterruptedAfter:
    """Rounds in which Ctrl-C is pressed."""

    def __init__(self, n_rounds, rounds):
        self._n_rounds, self._rounds = n_rounds, rounds

    def train(self, epochs):
        self._n_rounds -= 1
        if self._n_rounds < 0:
            raise KeyboardInterrupt
        return self._rounds.train(epochs)


@pytest.fixture
def interrupt_after(monkeypatch):
    own = race_module.Race.__init__

    def after(n_rounds):
        def init(self, propose, rounds, *rest):
            own(self, propose, InterruptedAfter(n_rounds, rounds), *rest)

        monkeypatch.setattr(race_module.Race, "__init__", init)

    return after


def test_ctrl_c_gives_what_is_there(interrupt_after):
    interrupt_after(3)
    nets = DeepNetClassifierCV(small_net(max_epochs=10), SPACE, n_candidates=4, random_state=0)
    with pytest.warns(UserWarning, match="Before fit was interrupted, no net"):
        nets.fit(X, Y)
    assert {"interrupted"} <= set(nets.cv_results_["state"]) <= {"interrupted", "behind"}
    assert nets.score(X, Y) < 0
    interrupt_after(12)
    with warnings.catch_warnings():
        nets = DeepNetClassifierCV(small_net(), SPACE, n_candidates=100, random_state=0).fit(X, Y)
    assert {"interrupted", "finished", "behind"} == set(nets.cv_results_["state"])
    assert "refitting" not in str(nets.summary_)


def test_ctrl_c_before_any_result_is_raised(interrupt_after):
    interrupt_after(0)
    with pytest.raises(KeyboardInterrupt):
        budgeted(None, n_candidates=2).fit(X, Y)


@pytest.mark.usefixtures("can_be_interrupted")
def test_ctrl_c_from_the_keyboard(monkeypatch):
    own = tuning.Tuning._ended

    def press(self, candidate):
        own(self, candidate)
        if candidate.state == "finished":
            interrupt_main()

    monkeypatch.setattr(tuning.Tuning, "_ended", press)
    nets = DeepNetClassifierCV(small_net(), SPACE, n_candidates=100, random_state=0).fit(X, Y)
    assert nets.summary_.states["interrupted"] > 0
    assert nets.summary_.states["finished"] > 0
