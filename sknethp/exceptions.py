"""Errors and warnings of this package."""


class DivergenceError(ArithmeticError, ValueError):
    """The loss of a network became NaN or infinite."""


class UnscaledInputWarning(UserWarning):
    """Columns are so large that a net can hardly learn from them."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
