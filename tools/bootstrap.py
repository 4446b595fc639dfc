"""The first code that runs on a user's machine: make sure of a Python that can run the rest.

Written for any Python, however old, so that it is told that it is too old instead of failing on the syntax.
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
