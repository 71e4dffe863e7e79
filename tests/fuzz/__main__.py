"""`python -m tests.fuzz`: see `runner`, whose functions worker processes must find
under a name of their own.
"""

import sys

from tests.fuzz.runner import main

if __name__ == "__main__":
    sys.exit(main())
