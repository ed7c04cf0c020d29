"""The structure of a network, and where each of its parameters lies in one flat vector."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from torch import Tensor


@dataclass(frozen=True)
class Architecture:
    """Layers of a fully connected network.

    Parameters
    ----------
    n_features : int
    hidden_units : tuple of int
        One entry per hidden layer.
    activations : tuple of str
        One entry per hidden layer.
    n_outputs : int
        1 for two classes, else the number of classes.
    normalization : {None, "batch", "layer"}
    residual : bool
        Whether a hidden layer's input is added to its output where their widths are equal.

    Notes
    -----
    The flat parameter vector holds the weights, ``(fan_in, fan_out)`` layer after layer, and
    then the vectors: the biases layer after layer, then for each hidden layer the scale and
    the shift of its normalisation.
    """

    n_features: int
    hidden_units: tuple[int, ...]
    activations: tuple[str, ...]
    n_outputs: int
    normalization: str | None = None
    residual: bool = False

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Numbers of units from the inputs to the outputs."""
        return (self.n_features, *self.hidden_units, self.n_outputs)

    @cached_property
    def weight_shapes(self) -> tuple[tuple[int, int], ...]:
        """``(fan_in, fan_out)`` of each layer."""
        return tuple(pairwise(self.widths))

    @cached_property
    def vector_sizes(self) -> tuple[int, ...]:
        """Lengths of the biases, then of scale and shift of each normalisation."""
        normalized = self.hidden_units if self.normalization else ()
        return self.widths[1:] + tuple(units for units in normalized for _ in range(2))

    @cached_property
    def skips(self) -> tuple[bool, ...]:
        """For each hidden layer, whether its input is added to its output."""
        return tuple(
            self.residual and fan_in == fan_out for fan_in, fan_out in self.weight_shapes[:-1]
        )

    @cached_property
    def block_sizes(self) -> tuple[int, ...]:
        """Lengths of the weights of each layer, then of all vectors together."""
        weights = tuple(fan_in * fan_out for fan_in, fan_out in self.weight_shapes)
        return (*weights, sum(self.vector_sizes))

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters."""
        return sum(self.block_sizes)

    @property
    def n_statistics(self) -> int:
        """Number of running means and variances of batch normalisation."""
        return 2 * sum(self.hidden_units) if self.normalization == "batch" else 0

    def weights(self, flat: Tensor) -> list[Tensor]:
        """Views ``(fan_in, fan_out)`` of the weights in a flat parameter vector."""
        blocks = flat.split(self.block_sizes)[:-1]
        return [block.view(shape) for block, shape in zip(blocks, self.weight_shapes, strict=True)]

    def vectors(self, flat: Tensor) -> list[Tensor]:
        """Views of the biases, and of the normalisations' scales and shifts."""
        return list(flat.split(self.block_sizes)[-1].split(self.vector_sizes))

    def statistics(self, flat: Tensor) -> list[Tensor]:
        """Views of running mean and variance of each hidden layer, alternating."""
        return list(flat.split([units for units in self.hidden_units for _ in range(2)]))
