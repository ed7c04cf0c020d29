"""Operations that round alike whatever networks are trained together, and on however many threads.

Measured with torch 2.13 and MKL on x86: elementwise functions round differently in the last, partly
filled vector of a thread's share; matrix products do where a network's result does not begin at a
multiple of 16 bytes, with a vector, at other widths, and where threads share the terms of a sum;
sums do where there are other columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np
import torch
from torch import Tensor

from sknethp.training.threads import most_threads, one_torch_thread, torch_threads

ALIGNED = 4  # numbers in 16 bytes
# Numbers in two AVX-512 registers, which torch's loops process at a time, and the least that it
# gives a thread (at::internal::GRAIN_SIZE).
_VECTOR = 32
_GRAIN = 32768
_FINEST = 2.0**-36
# Terms of a sum, of which MKL lets threads share 384 at the least.
_FEW_TERMS = 256

Spans = Sequence[tuple[slice, int]]
"""Runs of neighbouring networks, with their own number of units in a layer."""


def aligned(n: int) -> int:
    """Round a count of numbers up to a multiple of 16 bytes."""
    return -(-n // ALIGNED) * ALIGNED


def _n_in_whole_vectors(size: int, n_threads: int) -> int:
    """Return how many of `size` numbers torch computes in full vectors in every thread."""
    while True:
        shares = min(n_threads, -(-size // _GRAIN)) if size >= _GRAIN else 1
        whole = size - size % (_VECTOR * shares)
        if whole == size:
            return whole
        size = whole


def in_whole_vectors(function: Callable[..., object], size: int) -> Callable[..., object]:
    """Return an elementwise function that rounds each number alike, wherever it lies.

    It is called as ``function(*inputs, out=out)``, with contiguous tensors of `size` numbers.
    """
    if all(_n_in_whole_vectors(size, n) == size for n in (1, most_threads())):
        return function

    def run(*inputs: Tensor, out: Tensor) -> None:
        whole = _n_in_whole_vectors(size, torch.get_num_threads())
        flat_inputs, flat_out = [tensor.view(-1) for tensor in inputs], out.view(-1)
        padded = [_padded(flat[whole:]) for flat in flat_inputs]
        if whole:
            function(*(flat[:whole] for flat in flat_inputs), out=flat_out[:whole])
        rest = torch.empty_like(padded[0])
        function(*padded, out=rest)
        flat_out[whole:] = rest[: size - whole]

    return run


def _padded(rest: Tensor) -> Tensor:
    padded = rest.new_zeros(-(-len(rest) // _VECTOR) * _VECTOR)
    padded[: len(rest)] = rest
    return padded


def sum_rows(values: Tensor, spans: Spans, out: Tensor | None = None) -> Tensor:
    """Sum ``(n, n_rows, n_units)`` over its rows, to ``(n, 1, n_units)``.

    Each network's own units are summed separately, as if no other network were wider.
    """
    if len(spans) == 1 and spans[0][1] == values.shape[2]:
        return torch.sum(values, 1, keepdim=True, out=out)
    out = values.new_empty(len(values), 1, values.shape[2]) if out is None else out
    out.zero_()
    for run, width in spans:
        out[run, :, :width] = values[run, :, :width].contiguous().sum(1, keepdim=True)
    return out


def sum_units(values: Tensor, spans: Spans, out: Tensor) -> None:
    """Sum ``(n, n_rows, n_units)`` over each network's own units into `out`, ``(n, n_rows, 1)``."""
    for run, width in spans:
        torch.sum(values[run, :, :width], 2, keepdim=True, out=out[run])


def total(values: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    """Sum in float64, in any order: for multiples of 2^-36 the sum is exact up to 2^17."""
    return (values.double() / _FINEST).round_().sum(dim) * _FINEST


def norm(values: Tensor, dim: int) -> Tensor:
    """Return the Euclidean norm; on the CPU in float64, so that padding does not change it."""
    dtype = torch.float64 if values.is_cpu else torch.float32  # which is all that "mps" has
    return torch.linalg.vector_norm(values, dim=dim, keepdim=True, dtype=dtype)


class Product:
    """Writes ``added + a @ b`` of each network to `out`, alike on any number of threads.

    Threads that outnumber the networks would share the terms of long sums. They share the rows
    instead, or leave the product to one of them.
    """

    def __init__(self, out: Tensor, a: Tensor, b: Tensor, added: Tensor | None = None):
        self._tensors = out, a, b, added
        self._is_short = not out.is_cpu or a.shape[2] < _FEW_TERMS
        self._whole = _multiplication(*self._tensors)
        self._by_threads: dict[int, Callable[[], object]] = {}

    def __call__(self) -> None:
        """Multiply."""
        if self._is_short:
            self._whole()
            return
        n_threads = torch.get_num_threads()
        if n_threads not in self._by_threads:
            self._by_threads[n_threads] = self._shared(n_threads)
        self._by_threads[n_threads]()

    def _shared(self, n_threads: int) -> Callable[[], object]:
        out, a, b, added = self._tensors
        if n_threads <= len(out):
            return self._whole
        transposed = a.stride(2) != 1, b.stride(2) != 1
        n_parts = _n_parts_that_round_alike((*a.shape[1:], b.shape[2]), transposed, n_threads)
        if n_parts is None:
            return one_torch_thread()(self._whole)
        parts = [
            _multiplication(
                _in_parts(out[i], n_parts),
                _in_parts(a[i], n_parts),
                b[i].expand(n_parts, -1, -1),
                None if added is None else _in_parts(added[i].expand_as(out[i]), n_parts),
            )
            for i in range(len(out))
        ]
        return lambda: [part() for part in parts]


def _in_parts(rows: Tensor, n_parts: int) -> Tensor:
    return rows.unflatten(0, (n_parts, -1))


def _multiplication(
    out: Tensor, a: Tensor, b: Tensor, added: Tensor | None
) -> Callable[[], object]:
    if added is None:
        return partial(torch.bmm, a, b, out=out)
    return partial(torch.baddbmm, added, a, b, out=out)


@cache
def _n_parts_that_round_alike(
    sizes: tuple[int, int, int], transposed: tuple[bool, bool], n_threads: int
) -> int | None:
    """Try into how many parts to divide the rows of a product so that it rounds as on one thread.

    `sizes` are rows, terms and columns; `transposed` tells which factor's memory is.
    """
    n_rows, n_terms, n_columns = sizes
    rng = np.random.default_rng(0)

    def drawn(n: int, m: int, is_transposed: bool) -> Tensor:
        shape = (m, n) if is_transposed else (n, m)
        matrix = torch.from_numpy(rng.standard_normal(shape, np.float32))
        return matrix.T if is_transposed else matrix

    a, b = drawn(n_rows, n_terms, transposed[0]), drawn(n_terms, n_columns, transposed[1])
    with one_torch_thread():
        expected = torch.bmm(a[None], b[None])[0]
    with torch_threads(n_threads):
        for n_parts in (1, *range(n_threads, 2 * n_threads)):
            if n_rows % n_parts == 0:
                found = torch.bmm(_in_parts(a, n_parts), b.expand(n_parts, -1, -1))
                if torch.equal(found.flatten(0, 1), expected):
                    return n_parts
    return None


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return ``a @ b`` of each network; MKL computes up to three columns faster as rows."""
    if b.shape[2] >= ALIGNED:
        return torch.bmm(a, b)
    return torch.bmm(b.transpose(1, 2), a.transpose(1, 2)).transpose(1, 2)


def weight_gradient(x: Tensor, d: Tensor, out: Tensor | None = None) -> Tensor:
    """Return ``x.T @ d`` of each network, for sizes at which it cannot be written directly.

    `x` ``(n, n_rows, fan_in)``; `d` ``(n, n_rows, fan_out)``; `out` ``(n, fan_in, fan_out)``.
    """
    fan_in, fan_out = x.shape[2], d.shape[2]
    if fan_in * fan_out % ALIGNED:
        padded = d.new_zeros(*d.shape[:2], aligned(fan_out))
        padded[..., :fan_out] = d
        d = padded
    # Torch's threads would split up the few rows of a single network's product.
    with one_torch_thread():
        gradient = product(x.transpose(1, 2), d)[..., :fan_out]
    return gradient if out is None else out.copy_(gradient)


@cache
def part_rounds_alike(n_rows: int, fan_in: int, fan_out: int, part: tuple[int, ...]) -> bool:
    """Try whether the gradient of some of a layer's inputs, by itself, rounds as among all."""
    rng = np.random.default_rng(0)
    d, weight = (
        torch.from_numpy(rng.standard_normal((1, n, fan_out), np.float32)) for n in (n_rows, fan_in)
    )
    among_all, alone = (torch.bmm(d, w.transpose(1, 2)) for w in (weight, weight[:, list(part)]))
    return torch.equal(among_all[..., list(part)], alone)


@cache
def layer_can_be_padded(
    n_rows: int, own: tuple[int, int], wide: tuple[int, int], has_input_gradient: bool
) -> bool:
    """Try whether a layer's products round alike at its own and at a larger width.

    `own` and `wide` are numbers of inputs and units.
    """
    if own == wide:
        return True
    if any(a != b and 1 in (a, b) for a, b in zip(own, wide, strict=True)):
        return False
    rng = np.random.default_rng(0)
    n_rows = aligned(n_rows)

    def drawn(first: tuple[int, int], second: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return random numbers for one network, and for two of them among zeros."""
        numbers = torch.from_numpy(rng.standard_normal((1, first[0], second[0]), np.float32))
        among_zeros = numbers.new_zeros(2, first[1], second[1])
        among_zeros[:, : first[0], : second[0]] = numbers
        return numbers, among_zeros

    rows, inputs, units = (n_rows, n_rows), (own[0], wide[0]), (own[1], wide[1])
    products = [
        _products(*tensors, has_input_gradient)
        for tensors in zip(
            drawn(rows, inputs),
            drawn(inputs, units),
            drawn((1, 1), units),
            drawn(rows, units),
            strict=True,
        )
    ]
    return all(
        torch.equal(alone[0], both[1, : alone.shape[1], : alone.shape[2]])
        for alone, both in zip(*products, strict=True)
    )


def _products(
    x: Tensor, weight: Tensor, bias: Tensor, d: Tensor, has_input_gradient: bool
) -> list[Tensor]:
    """Return the products of a layer's forward and backward pass, as `layers` computes them."""
    products = []
    if weight.shape[2] > 1:
        products += [torch.baddbmm(bias, x, weight), weight_gradient(x, d)]
        if weight.shape[1] > 1 and has_input_gradient:
            products.append(torch.bmm(d, weight.transpose(1, 2)))
    return products
