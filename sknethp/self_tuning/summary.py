"""What a fit has done, in numbers and in a line."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from sknethp.fusion.summary import Summary
from sknethp.self_tuning.candidate import COMPLETE


@dataclass(frozen=True)
class TuningSummary:
    """Candidates by how they ended, and seconds by phase.

    Attributes
    ----------
    states : dict of str to int
        How many candidates were finished, no longer improving, behind others and so on.
    n_folds : int
        Folds on which each was trained.
    seconds : float
        From the beginning to the end of ``fit``.
    seconds_by_phase : dict of str to float
    notes : list of str
        What was less than asked for, to fit the time.
    fused : Summary
        The networks, and how they were trained together.
    """

    states: dict[str, int]
    n_folds: int
    seconds: float
    seconds_by_phase: dict[str, float]
    notes: list[str]
    fused: Summary

    @property
    def n_complete(self) -> int:
        """How many candidates more epochs would not make better."""
        return sum(self.states.get(state, 0) for state in COMPLETE)

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.states.items())
        phases = ", ".join(f"{name} {s:.1f} s" for name, s in self.seconds_by_phase.items())
        folds = f"{self.n_folds} fold{'' if self.n_folds == 1 else 's'}"
        processes = f" in {1 + self.fused.workers} processes" if self.fused.workers else ""
        text = (
            f"sknethp: {sum(self.states.values())} candidates on {folds}{processes} ({states}), "
            f"{self.seconds:.1f} s ({phases})"
        )
        return text + (f"; to fit the time: {', '.join(self.notes)}" if self.notes else "")

    def warn(self, max_time: float) -> None:
        """Warn if no candidate was trained to its end."""
        if self.n_complete:
            return
        if self.states.get("interrupted"):
            reason = "Before fit was interrupted"
        else:
            reason = f"In max_time={max_time:g} seconds"
        warnings.warn(
            f"{reason}, no net was trained to its last epoch: the best of the unfinished ones are "
            "kept.",
            UserWarning,
            stacklevel=3,
        )
