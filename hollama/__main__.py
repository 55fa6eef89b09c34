"""`python -m hollama`: the same as the `hollama` command."""

import sys

from hollama.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
