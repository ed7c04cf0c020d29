"""Errors of this package."""


class DivergenceError(ArithmeticError, ValueError):
    """The loss of a network became NaN or infinite."""
