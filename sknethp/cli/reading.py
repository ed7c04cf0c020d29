"""Tables from files: CSV and its relatives, and Parquet."""

from __future__ import annotations

import os
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from lzma import LZMAError
from pathlib import Path

import pandas as pd

from sknethp.cli.errors import CommandError
from sknethp.cli.text_files import Look, check_names, look_at, ragged, too_large
from sknethp.exceptions import first_line

TEXT_ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".dat", ".data")
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zip")
PARQUET_ENDINGS = (".parquet", ".pq")
# A table, and what is made of it, takes about so many times the size of its file in memory.
_TIMES_TEXT, _TIMES_PARQUET = 3, 4
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Table:
    """A table, and sentences about how its file was read."""

    frame: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def read_table(path: Path, separator: str | None = None, encoding: str | None = None) -> Table:
    """Read a file by its name; raises a CommandError that says what is wrong with it."""
    name = path.name.lower()
    is_parquet = name.endswith(PARQUET_ENDINGS)
    bare = name.removesuffix(path.suffix.lower()) if name.endswith(COMPRESSIONS) else name
    if not is_parquet and not bare.endswith(TEXT_ENDINGS):
        raise CommandError(
            f"{str(path)!r} is neither CSV nor Parquet by its name, which must end in "
            f"{', '.join(TEXT_ENDINGS + PARQUET_ENDINGS)}, or for compressed text in "
            f"{', '.join('.csv' + ending for ending in COMPRESSIONS)}"
        )
    with _errors_of(path, "Parquet" if is_parquet else "CSV"):
        table = _read_parquet(path) if is_parquet else _read_text(path, separator, encoding)
    if not len(table.frame):
        raise CommandError(f"{str(path)!r} has a header, but no rows")
    return table


@contextmanager
def _errors_of(path: Path, kind: str) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise too_large(path) from error
    except (ValueError, OSError, EOFError, LZMAError, zlib.error, zipfile.BadZipFile) as error:
        raise CommandError(f"cannot read {str(path)!r} as {kind}: {first_line(error)}") from error


def _read_text(path: Path, separator: str | None, encoding: str | None) -> Table:
    look = look_at(path, separator, encoding, memory_size() / _TIMES_TEXT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = _parsed(path, look)
    except (pd.errors.ParserError, pd.errors.ParserWarning, UserWarning) as error:
        raise CommandError(
            ragged(path, look) or f"cannot read {str(path)!r} as CSV: {error}"
        ) from error
    # pandas fills short rows up with gaps.
    if len(frame) and frame.iloc[:, -1].isna().any() and (reason := ragged(path, look)):
        raise CommandError(reason)
    return Table(frame, look.notes)


def _parsed(path: Path, look: Look) -> pd.DataFrame:
    frame = pd.read_csv(
        path,
        sep=look.separator,
        encoding=look.encoding,
        decimal=look.decimal,
        skipinitialspace=True,
        index_col=False,
        low_memory=False,
    )
    return frame.rename(columns=str.strip)


def _read_parquet(path: Path) -> Table:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        metadata = file.metadata
        size = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        names = file.schema_arrow.names
    if size * _TIMES_PARQUET > memory_size():
        raise too_large(path)
    check_names([str(name) for name in names], path)
    return Table(pd.read_parquet(path))


def memory_size() -> float:
    """Return the bytes of memory of this machine, or of the container; infinity if unknown."""
    size = float("inf")
    with suppress(AttributeError, ValueError, OSError):
        size = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    with suppress(ValueError, OSError):
        size = min(size, float(_CGROUP_LIMIT.read_text()))
    return size
