"""Run the command: ``python -m sknethp``."""

import sys

from sknethp.cli import main

if __name__ == "__main__":
    sys.exit(main())
