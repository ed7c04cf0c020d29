"""Errors and warnings of this package."""


class DivergenceError(ArithmeticError, ValueError):
    """The loss of a network became NaN or infinite."""


class UnscaledInputWarning(UserWarning):
    """Columns are so large that a net can hardly learn from them."""
