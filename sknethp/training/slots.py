"""Named places of a network's numbers in flat vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Literal

from torch import Tensor

Kind = Literal[
    "weight", "bias", "scale", "shift", "mean", "variance", "frequency", "phase", "slope"
]


@dataclass(frozen=True)
class Slot:
    """A parameter of a network, or one of its running statistics.

    `name` is its name in the ``state_dict`` of the network's module. `layer` counts from 0 to the
    output layer, whose weights have the shape ``(fan_in, fan_out)`` and whose other values are
    ``(n_units,)``; what comes before the first layer has -1 (see `inputs`).
    """

    name: str
    layer: int
    kind: Kind
    shape: tuple[int, ...]

    @cached_property
    def module(self) -> str:
        """Name of the part of the module that it belongs to."""
        return self.name.rpartition(".")[0]

    @cached_property
    def own_name(self) -> str:
        """Its name in that part."""
        return self.name.rpartition(".")[2]

    def for_module(self, values: Tensor) -> Tensor:
        """Return its values as the module has them: the weights of a layer transposed."""
        return values.t() if self.kind == "weight" and self.layer >= 0 else values

    @cached_property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)


def views(flat: Tensor, slots: Sequence[Slot]) -> dict[str, Tensor]:
    """Return views, by name, into a flat vector that holds the values of slots in their order."""
    parts = flat.split([slot.size for slot in slots])
    return {slot.name: part.view(slot.shape) for slot, part in zip(slots, parts, strict=True)}
