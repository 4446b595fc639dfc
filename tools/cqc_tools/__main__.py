"""`python -m cqc_tools`: the command line."""

import sys

from cqc_tools.cli import main

if __name__ == "__main__":
    sys.exit(main())
