"""What a command prints. Shell."""

import os
import sys

__all__ = ["write_out"]


def write_out(text: str) -> None:
    """Write to standard output; who reads no more, as in `pydaemonwsgi ps | head`, has seen enough."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer goes nowhere, instead of into an error at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
