"""`python -m pydaemonwsgi`: the same as the command `pydaemonwsgi`."""

import sys

from pydaemonwsgi.cli import main

if __name__ == "__main__":
    sys.exit(main())
