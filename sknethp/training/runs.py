"""Runs of equal neighbours."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any


def runs(keys: Sequence[Any]) -> list[tuple[slice, Any]]:
    """Split a sequence into runs of equal neighbours.

    >>> runs(["a", "a", "b"])
    [(slice(0, 2, None), 'a'), (slice(2, 3, None), 'b')]
    """
    parts, start = [], 0
    for key, members in groupby(keys):
        stop = start + len(list(members))
        parts.append((slice(start, stop), key))
        start = stop
    return parts
