"""The structure of a network, and the layout of its parameters in one flat vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from sknethp.training.inputs import PLAIN, Inputs
from sknethp.training.slots import Kind, Slot


@dataclass(frozen=True)
class Architecture:
    """Layers of a fully connected network, with one entry per hidden layer in the tuples.

    `residual` adds a hidden layer's input to its output where their widths are equal.
    """

    n_features: int
    hidden_units: tuple[int, ...]
    activations: tuple[str, ...]
    n_outputs: int
    normalization: str | None = None
    residual: bool = False
    inputs: Inputs = PLAIN

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Numbers of units from what the first layer gets to the outputs."""
        return (self.n_features + self.inputs.n_added, *self.hidden_units, self.n_outputs)

    @cached_property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """``(fan_in, fan_out)`` of each layer."""
        return tuple(pairwise(self.widths))

    @cached_property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the linear layers."""
        return (*(f"linear_{layer}" for layer in range(len(self.hidden_units))), "output")

    @cached_property
    def skips(self) -> tuple[bool, ...]:
        """Tell for each hidden layer whether its input is added to its output."""
        return tuple(
            self.residual and fan_in == fan_out for fan_in, fan_out in self.weight_shapes[:-1]
        )

    @cached_property
    def weights(self) -> tuple[Slot, ...]:
        """The weights, which come first in the flat parameter vector."""
        return tuple(
            Slot(f"{name}.weight", layer, "weight", shape)
            for layer, (name, shape) in enumerate(
                zip(self.layer_names, self.weight_shapes, strict=True)
            )
        )

    @cached_property
    def vectors(self) -> tuple[Slot, ...]:
        """Biases, scales and shifts, in the order of the flat parameter vector."""
        biases = (
            Slot(f"{name}.bias", layer, "bias", (units,))
            for layer, (name, units) in enumerate(
                zip(self.layer_names, self.widths[1:], strict=True)
            )
        )
        norms = self._of_norms(("weight", "scale"), ("bias", "shift")) if self.normalization else ()
        return (*biases, *norms)

    @cached_property
    def parameters(self) -> tuple[Slot, ...]:
        """All trained parameters, in the order of the flat parameter vector."""
        return self.weights + self.vectors + self.inputs.parameters

    @cached_property
    def statistics(self) -> tuple[Slot, ...]:
        """Statistics of the inputs and of batch normalisation, in the order of their vector."""
        own = self.inputs.statistics(self.n_features)
        if self.normalization != "batch":
            return own
        return (*own, *self._of_norms(("running_mean", "mean"), ("running_var", "variance")))

    def _of_norms(self, *parts: tuple[str, Kind]) -> Iterator[Slot]:
        for layer, units in enumerate(self.hidden_units):
            for name, kind in parts:
                yield Slot(f"norm_{layer}.{name}", layer, kind, (units,))

    @cached_property
    def n_parameters(self) -> int:
        """Number of trained parameters."""
        return sum(slot.size for slot in self.parameters)

    @cached_property
    def n_statistics(self) -> int:
        """Number of statistics."""
        return sum(slot.size for slot in self.statistics)


def widest(architectures: Sequence[Architecture]) -> Architecture:
    """Return an architecture that has room for all of those given."""
    units = zip(*(architecture.hidden_units for architecture in architectures), strict=True)
    inputs = max((a.inputs for a in architectures), key=lambda inputs: len(inputs.columns))
    return replace(architectures[0], hidden_units=tuple(map(max, units)), inputs=inputs)
