"""``python -m textsep_lab.cli`` is the command ``textsep``."""

import sys

from textsep_lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
