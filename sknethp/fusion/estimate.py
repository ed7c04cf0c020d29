"""How long the fits of a scheduler take here, and with worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sknethp.training.epoch import Epoch

# Multiplications, as `work` counts them, that a core or two do in a second in networks of 64 units.
_USUAL_RATE = 12e9
# A batch of tasks is pickled and sent.
_SECONDS_TO_SEND = 0.1
# A process starts and imports torch, on an idle core.
_SECONDS_TO_START = 5.0


def work(epochs: Sequence[Epoch]) -> float:
    """Return the multiplications of samples with weights in a fit's epochs, one for each network.

    Only those of the forward passes are counted.
    """
    return sum(
        float(epoch.n_steps)
        * epoch.network.settings.batch_size
        * epoch.network.architecture.n_parameters
        for epoch in epochs
    )


def usual_seconds(epochs: Sequence[Epoch]) -> float:
    """Return roughly how long the rest of a fit takes to train among many, by its size alone."""
    return epochs[0].n_left * work(epochs) / _USUAL_RATE


@dataclass(frozen=True)
class Rates:
    """What was measured: seconds per multiplication, with torch's threads and with one, and others.

    `other` has the seconds of a fit beside its training, `slowdown` by how much the machine's load
    prolongs work.
    """

    here: float
    on_one_thread: float
    other: float
    slowdown: float = 1.0

    def seconds_here(self, n_fits: int, multiplications: float) -> float:
        """Return the seconds that fits take in this process."""
        return self.here * multiplications + self.other * n_fits

    def seconds_shared(
        self, n_fits: int, multiplications: float, n_processes: int, are_ready: bool
    ) -> float:
        """Return the seconds that they take if worker processes join this one.

        Until the workers have started, this process goes on alone.
        """
        alone = self.on_one_thread * multiplications + self.other * n_fits
        start = 0.0 if are_ready else _SECONDS_TO_START * self.slowdown
        start = min(alone, start + _SECONDS_TO_SEND * self.slowdown)
        return start + (alone - start) / n_processes
