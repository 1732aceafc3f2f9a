"""Writing to what somebody else has opened, and may have stopped reading. No policy.

The error log is the standard error that the server was started with. Where that is a pipe, a socket or a terminal,
whoever writes waits for its reader, and the descriptor may not be made non-blocking: others share it, who would not
expect that (open(2)). So it is asked first whether there is room, and each write is told not to wait (RWF_NOWAIT).
Standard library only: daemon processes use it too.
"""

import errno
import os
import select
import stat
import time

__all__ = ["write_within"]

# So much a pipe takes as a whole, or not at all (pipe(7)).
_ATOMIC = select.PIPE_BUF
# Linux before 6.5 for pipes, terminals of any version: it cannot be told not to wait.
_CANNOT_TELL = frozenset((errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS))
# Another Python, of a python-home, may have been built where this was not known.
_NOWAIT = getattr(os, "RWF_NOWAIT", 0)
# Seconds until the next attempt where there was room, and somebody else has taken it.
_PAUSE = 0.001


def write_within(descriptor: int, data: bytes, seconds: float) -> int:
    """Write as much as is taken in time; return how many bytes those were.

    Args:
        descriptor: blocking or not; a regular file takes what it is given.
        data: what to write.
        seconds: how long to wait for a reader in all; 0 for not at all.

    Raises:
        OSError: as write(2), but for EAGAIN.
    """
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.write(descriptor, data)
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    end = time.monotonic() + seconds
    taken = 0
    while taken < len(data):
        left = end - time.monotonic()
        if not room.poll(max(0.0, left * 1000)):
            break
        try:
            taken += _write_now(descriptor, memoryview(data)[taken:])
        except BlockingIOError:
            if left <= 0:
                break
            time.sleep(_PAUSE)
    return taken


def _write_now(descriptor: int, data: memoryview) -> int:
    if _NOWAIT:
        try:
            return os.pwritev(descriptor, [data], -1, _NOWAIT)
        except NotImplementedError:
            pass
        except OSError as error:
            if error.errno not in _CANNOT_TELL:
                raise
    return os.write(descriptor, data[:_ATOMIC])
