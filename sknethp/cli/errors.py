"""The error that the command reports in one sentence."""


class CommandError(Exception):
    """What went wrong and what to do, in one sentence, with the exit code of the command."""

    def __init__(self, message: str, exit_code: int = 2):
        super().__init__(message)
        self.exit_code = exit_code
