"""The command ``sknethp``."""

from sknethp.cli.app import main

__all__ = ["main"]
