"""What kind of text a file holds: its encoding, separator, names of columns and decimal sign."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sknethp.cli.errors import CommandError

SEPARATORS = ",;\t|"
_SEPARATOR_NAMES = {"\t": "tab", ";": "semicolon", "|": "vertical bar", ",": "comma", " ": "space"}
_HEAD = 1 << 18
_CHUNK = 1 << 20
_ODD_LINES = 1 << 16
# Of text in a western language, this share of the letters has accents, at most.
_ACCENTS = 0.25
# The detector takes digits and separators among letters for a mess.
_WORDS = bytes(32 if chr(byte) in "0123456789,;.\t\"'" else byte for byte in range(256))
_MOST_ODD_ROWS = 0.1
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_OPEN: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


@dataclass(frozen=True)
class Look:
    """How to read a file of text, and what to tell about that."""

    separator: str
    encoding: str
    decimal: str
    columns: list[str]
    notes: list[str] = field(default_factory=list)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, those inside where it is compressed."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(_only_file(archive)) as file:
            yield file
        return
    with _OPEN.get(path.suffix.lower(), open)(path, "rb") as file:
        yield file


def _only_file(archive: zipfile.ZipFile) -> str:
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if len(names) != 1:
        raise CommandError(
            f"{archive.filename!r} holds {len(names)} files: give an archive with one"
        )
    return names[0]


def look_at(path: Path, separator: str | None, encoding: str | None, max_bytes: float) -> Look:
    """Look into a file of text, whose columns are divided as they are in most of its rows."""
    found, notes = _encoding(path, max_bytes) if encoding is None else (encoding, [])
    text = _head(path, found)
    if not text.strip():
        raise CommandError(f"{str(path)!r} is empty")
    separator = _separator(text) if separator is None else separator
    rows = list(_rows(text, separator))
    decimal = _decimal(rows, separator)
    if decimal == ",":
        notes.append("numbers are read with decimal commas")
    if separator != ",":
        name = _SEPARATOR_NAMES.get(separator, repr(separator))
        notes.append(f"columns are separated by {name}s")
    return Look(separator, found, decimal, _names(rows[0], path), notes)


def _encoding(path: Path, max_bytes: float) -> tuple[str, list[str]]:
    """Return the encoding of all of a file: UTF-8, or what is likely."""
    decoder, odd, n_bytes = codecs.getincrementaldecoder("utf-8")(), b"", 0
    with opened(path) as file:
        while chunk := file.read(_CHUNK):
            if not n_bytes:
                for mark, name in _BYTE_ORDER_MARKS.items():
                    if chunk.startswith(mark):
                        return name, []
                if b"\0" in chunk[:_HEAD]:
                    raise CommandError(f"{str(path)!r} holds no text: it has null bytes")
            n_bytes += len(chunk)
            if n_bytes > max_bytes:
                raise too_large(path)
            if odd or not _decodes(decoder.decode, chunk):
                odd += b"\n".join(line for line in chunk.splitlines() if not line.isascii())
            if len(odd) > _ODD_LINES:
                break
    if not odd:
        return "utf-8", []
    likely = _likely_encoding(odd)
    note = f"{path.name} is read as {likely}, since it is not UTF-8; --encoding takes another"
    return likely, [note]


def _decodes(decode: Callable[[bytes], Any], text: bytes) -> bool:
    try:
        decode(text)
    except UnicodeDecodeError:
        return False
    return True


def _likely_encoding(odd: bytes) -> str:
    """Return the likely encoding of lines that are not UTF-8.

    The detector needs many words; it takes a few accents for Chinese.
    """
    letters = [byte for byte in odd if byte > 127 or chr(byte).isalpha()]
    is_western = sum(byte > 127 for byte in letters) <= _ACCENTS * len(letters)
    if is_western and _decodes(codecs.getdecoder("cp1252"), odd):
        return "cp1252"
    from charset_normalizer import from_bytes

    best = from_bytes(odd.translate(_WORDS)).best()
    return "latin-1" if best is None else best.encoding


def too_large(path: Path) -> CommandError:
    """Return the error of a file that would not fit in memory."""
    return CommandError(
        f"{str(path)!r} is too large for the memory of this machine: take a sample of its rows, "
        "or fewer columns"
    )


def _head(path: Path, encoding: str) -> str:
    """Return the beginning of a file, without a last line that may be cut."""
    try:
        with opened(path) as file, io.TextIOWrapper(file, encoding, newline="") as text:
            head = text.read(_HEAD)
    except (UnicodeError, LookupError) as error:
        raise CommandError(f"cannot read {str(path)!r} as {encoding}: {error}") from error
    complete, newline, _ = head.rpartition("\n")
    return complete + newline if len(head) == _HEAD and newline else head


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    """Yield the fields of lines that are not empty."""
    lines = io.StringIO(text, newline="")
    try:
        yield from filter(None, csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error:  # of a field that is very long
        return


def _separator(text: str) -> str:
    """Return what divides most lines into as many fields as the first, and into most fields."""
    found = {}
    for separator in SEPARATORS:
        sizes = [len(row) for row in _rows(text, separator)]
        if sizes and sizes[0] > 1:
            is_regular = sum(size != sizes[0] for size in sizes) <= _MOST_ODD_ROWS * len(sizes)
            found[separator] = (is_regular, sizes[0])
    return max(found, key=found.__getitem__, default=",")


def _decimal(rows: list[list[str]], separator: str) -> str:
    """Return the decimal sign: a comma, where there are numbers with one and none with a point."""
    if separator == ",":
        return "."
    fields = [cell.strip() for row in rows[1:] for cell in row]
    commas = any(re.fullmatch(r"[+-]?\d+,\d+", cell) for cell in fields)
    points = any(re.fullmatch(r"[+-]?\d+\.\d+", cell) for cell in fields)
    return "," if commas and not points else "."


def _names(header: list[str], path: Path) -> list[str]:
    names = [name.strip() for name in header]
    check_names(names, path)
    if all(re.fullmatch(r"[+-]?[\d.,]*\d[\d.,]*(e[+-]?\d+)?", name.lower()) for name in names):
        raise CommandError(
            f"the first line of {str(path)!r} has numbers and no names: put a line with the "
            "names of the columns before it"
        )
    return names


def check_names(names: list[str], path: Path) -> None:
    """Raise an error if columns have the same name."""
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if twice:
        raise CommandError(
            f"{str(path)!r} has several columns named {', '.join(map(repr, twice[:5]))}: "
            "give each another name"
        )


def ragged(path: Path, look: Look) -> str | None:
    """Say which is the first row with more or fewer fields than the header; None if none is."""
    with (
        opened(path) as file,
        io.TextIOWrapper(file, look.encoding, newline="") as text,
    ):
        reader = csv.reader(text, delimiter=look.separator, skipinitialspace=True)
        expected = len(next(filter(None, reader)))
        try:
            for row in reader:
                if row and len(row) != expected:
                    return (
                        f"line {reader.line_num} of {str(path)!r} has {_fields(len(row))}, but the "
                        f"header has {expected}; correct it, or name the separator with --sep"
                    )
        except csv.Error:
            return None
    return None


def _fields(n: int) -> str:
    return f"{n} field{'s' * (n != 1)}"
