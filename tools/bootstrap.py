"""The first code that runs on a user's machine: checks that this Python can run the rest.

Every Python, however old, understands this file, and so prints what is needed instead of a syntax error.
"""

import sys

if sys.version_info < (3, 11):
    sys.stderr.write(
        "error: Python %d.%d was found, 3.11 or newer is needed: https://www.python.org/downloads/\n"
        "Install it, or name another one: make PYTHON=/path/to/python3\n" % sys.version_info[:2]
    )
    sys.exit(2)

from cqc_tools.toolchain.setup import main

sys.exit(main())
