"""Learning rates: their values at the ends, their direction, and torch's where both exist."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sknethp.training.schedules import SCHEDULES, Schedule

LR, EPOCHS = 0.1, 10
GENERAL = ("lr_schedule", "lr", "max_epochs", "warmup_fraction")  # all schedules use them
DECAYING = [name for name in SCHEDULES if name not in ("constant", "one_cycle", "plateau")]


def all_rates(schedule, n_steps=4, n_epochs=EPOCHS, drops=0):
    return np.concatenate([schedule.rates(epoch, n_steps, drops) for epoch in range(n_epochs)])


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("n_steps", [1, 3, 50])
def test_one_rate_per_update(name, n_steps):
    """There are as many rates as updates, none of them negative or above the highest."""
    rates = Schedule(name, LR, EPOCHS).rates(2, n_steps)
    assert rates.shape == (n_steps,)
    assert (rates > 0).all()
    assert (rates <= LR).all()


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "one_cycle"])
def test_starts_at_the_highest_rate(name):
    """Without warm-up the first update has the highest rate."""
    assert Schedule(name, LR, EPOCHS).rates(0, 5)[0] == LR


def test_one_cycle_rises_and_falls():
    """One cycle starts low, has its peak after three tenths, and ends low."""
    rates = all_rates(Schedule("one_cycle", LR, EPOCHS))
    peak = rates.argmax()
    assert rates[0] < 0.2 * LR
    assert peak == pytest.approx(0.3 * len(rates), abs=1)
    assert rates.max() == pytest.approx(LR)
    assert (np.diff(rates[: peak + 1]) >= 0).all()
    assert (np.diff(rates[peak:]) <= 0).all()
    assert rates[-1] < 0.05 * LR


ENDS = {"constant": 1.0, "step": 0.5**5, "inverse_sqrt": 11**-0.5, "plateau": 1.0}


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("epoch", [EPOCHS, EPOCHS + 1, 10 * EPOCHS])
def test_stays_at_its_end(name, epoch):
    """After the last epoch the rate stays where it is, at `lr_final` where that is used."""
    rates = Schedule(name, LR, EPOCHS, lr_drop_epochs=2).rates(epoch, 3)
    np.testing.assert_allclose(rates, rates[0])
    if name in ENDS or "lr_final" in SCHEDULES[name].uses:
        np.testing.assert_allclose(rates, LR * ENDS.get(name, 0.01))


@pytest.mark.parametrize("name", DECAYING)
@pytest.mark.parametrize("warmup_fraction", [0.0, 0.25])
def test_decays(name, warmup_fraction):
    """After the warm-up the rate never rises, and ends below its start."""
    schedule = Schedule(name, LR, EPOCHS, warmup_fraction, lr_drop_epochs=2)
    rates = all_rates(schedule)[int(warmup_fraction * EPOCHS * 4) :]
    assert (np.diff(rates) <= 0).all()
    assert rates[-1] < 0.5 * LR


@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_rises_to_the_highest_rate(name):
    """The rate rises linearly and the last update of the warm-up has the highest."""
    rates = all_rates(Schedule(name, LR, EPOCHS, 0.2))[:8]
    np.testing.assert_allclose(np.diff(rates), np.diff(rates)[0])
    assert rates[0] < LR / 4
    assert rates[-1] == pytest.approx(LR)


@given(
    st.sampled_from(list(SCHEDULES)),
    st.integers(1, 20),
    st.integers(1, 30),
    st.floats(0, 1),
    st.integers(0, 30),
)
def test_never_above_the_highest_rate(name, max_epochs, n_steps, warmup_fraction, epoch):
    """However short the warm-up is beside an update, no rate exceeds the one asked for."""
    rates = Schedule(name, LR, max_epochs, warmup_fraction).rates(epoch, n_steps)
    assert (rates >= 0).all()
    assert (rates <= LR * (1 + 1e-12)).all()


@pytest.mark.parametrize("name", SCHEDULES)
def test_drops_are_for_plateau(name):
    """A lack of improvement lowers the rate of the plateau schedule and of no other."""
    schedule = Schedule(name, LR, EPOCHS)
    expected = schedule.rates(5, 3) * (0.25 if name == "plateau" else 1.0)
    np.testing.assert_allclose(schedule.rates(5, 3, drops=2), expected)


def torch_rates(make):
    """Rates of one of torch's schedulers, an update per epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=LR)
    scheduler = make(optimizer)
    rates = []
    for _ in range(EPOCHS):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return rates


schedulers = torch.optim.lr_scheduler
TORCH = {
    "constant": lambda o: schedulers.ConstantLR(o, 1.0),
    "linear": lambda o: schedulers.LinearLR(o, 1.0, 0.01, EPOCHS),
    "exponential": lambda o: schedulers.ExponentialLR(o, 0.01 ** (1 / EPOCHS)),
    "step": lambda o: schedulers.StepLR(o, 3, 0.5),
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, EPOCHS, 0.01 * LR),
    "inverse_sqrt": lambda o: schedulers.LambdaLR(o, lambda epoch: (1 + epoch) ** -0.5),
}


@pytest.mark.parametrize("name", TORCH)
def test_with_one_update_per_epoch_it_is_torch_s(name):
    """Where an epoch is one update the rates are those of ``torch.optim.lr_scheduler``."""
    ours = all_rates(Schedule(name, LR, EPOCHS, lr_drop_epochs=3), n_steps=1)
    np.testing.assert_allclose(ours, torch_rates(TORCH[name]), rtol=1e-6)


def test_another_schedule_is_noticed():
    """Negative control: the comparison with torch tells linear from exponential."""
    ours = all_rates(Schedule("linear", LR, EPOCHS), n_steps=1)
    assert not np.allclose(ours, torch_rates(TORCH["exponential"]), rtol=0.05)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "constant"])
def test_each_schedule_decays(name):
    """All but the constant one end below the highest rate, those with drops after a drop."""
    assert Schedule(name, LR, EPOCHS).rates(EPOCHS, 1, drops=1)[0] < LR


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_say_what_they_use(name):
    """A rate depends on a hyperparameter just where its schedule says so."""
    usual = {field.name: field.default for field in fields(Schedule) if field.name not in GENERAL}
    used = {"lr_drop_epochs"} if name == "plateau" else set()  # it decides when there is a drop
    for changed, value in usual.items():
        other = value + 1 if isinstance(value, int) else value / 2
        pair = [
            all_rates(Schedule(name, LR, 3 * EPOCHS, **values), n_epochs=3 * EPOCHS, drops=1)
            for values in (usual, usual | {changed: other})
        ]
        used |= set() if np.array_equal(*pair) else {changed}
    assert used == set(SCHEDULES[name].uses)
