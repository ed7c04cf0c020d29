"""The error that the command reports in one sentence."""


class CommandError(Exception):
    """What went wrong and what to do, in one sentence for the person at the terminal."""
