"""The error that the command reports in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sknethp.exceptions import first_line


class CommandError(Exception):
    """What went wrong and what to do, in one sentence, with the exit code of the command."""

    def __init__(self, message: str, exit_code: int = 2):
        super().__init__(message)
        self.exit_code = exit_code


@contextmanager
def failure_in_a_sentence(what: str) -> Iterator[None]:
    """Turn errors that the user can do something about into a CommandError."""
    try:
        yield
    except OSError as error:
        raise CommandError(str(error)) from error
    except ValueError as error:
        from sknethp.model_selection.results import why_all_failed

        reason = why_all_failed(error) or first_line(error)
        raise CommandError(f"the {what} failed: {reason}") from error


@contextmanager
def written_to(where: Any, advice: str = "") -> Iterator[None]:
    """Turn an error of writing to a file or folder into a CommandError, with advice if any."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        what = f"cannot write to {str(where)!r} ({reason})"
        raise CommandError(f"{what}; {advice}" if advice else what) from error
