"""`python -m tests.perf`: see `tests.perf.table`."""

from __future__ import annotations

import sys

from tests.perf.table import main

if __name__ == "__main__":
    sys.exit(main())
