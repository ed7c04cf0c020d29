"""Files that are written completely or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(file: Path, ending: str = ".tmp") -> Iterator[Path]:
    """Yield a file beside this one to write to, which takes its place unless an error is raised."""
    scratch = file.with_name(f"{file.stem}-{uuid4().hex}{ending}")
    try:
        yield scratch
        os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)
