"""Whether the kernel has killed a process for lack of memory. No policy.

Two sources, neither of which is everywhere: the kernel's log names the pid, but only root may read it, and in a
container pids are other numbers; the memory control group counts its kills, but does not say whom. Both are looked at
when somebody has died by SIGKILL, never before.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["OutOfMemoryWatch", "counter_path", "read_counter"]

_CGROUPS: Final = Path("/sys/fs/cgroup")
# "Out of memory: Killed process 41 (…)", "Memory cgroup out of memory: Killed process 41 (…)"
_KILLED: Final = re.compile(r"(?:O|o)ut of memory: Killed process (\d+) ")
# A record of the kernel's log is no longer than this.
_RECORD: Final = 8192
# Records read at once; the log is bounded, this bounds it once more.
_RECORDS: Final = 20_000
# Pids remembered that the log has named; most are of processes that are not ours.
_NAMED: Final = 1000
# Seconds within which processes that were killed together are asked for.
_MOMENT: Final = 2.0


def counter_path(membership: str, root: Path = _CGROUPS) -> Path | None:
    """Return the file that has the kills of a memory control group, or None.

    Args:
        membership: content of /proc/PID/cgroup.
        root: where control groups are mounted; there are two generations of them, and mixtures.
    """
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        relative = path.lstrip("/")
        candidates: list[Path] = []
        if "memory" in controllers.split(","):
            candidates = [root / "memory" / relative / "memory.oom_control", root / "memory" / "memory.oom_control"]
        elif not controllers:
            candidates = [root / relative / "memory.events", root / "unified" / relative / "memory.events"]
        for candidate in candidates:
            if candidate.is_file():
                return candidate
    return None


def read_counter(path: Path) -> int | None:
    """Return the number of kills in `memory.events` or `memory.oom_control`; None where it does not say."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for line in lines:
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.isdigit():
            return int(number)
    return None


class OutOfMemoryWatch:
    """Remembers how things stood, to see what has changed when a process has died.

    Args:
        counter: the control group's file; None for none.
        kernel_log: path of the kernel's log.
        clock: monotonic seconds.
    """

    def __init__(
        self, counter: Path | None, kernel_log: str = "/dev/kmsg", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._counter = counter
        self._named: set[int] = set()
        self._rise = ""
        self._unexplained = 0
        self._rose_at = 0.0
        self._count = None if counter is None else read_counter(counter)
        self._log = -1
        try:
            self._log = os.open(kernel_log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._log, 0, os.SEEK_END)
        except OSError:
            self._close()  # not root, or a container without it

    @classmethod
    def of_this_process(cls) -> "OutOfMemoryWatch":
        """Return a watch over the control group of this process, which its children are in as well."""
        try:
            membership = Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return cls(None)
        return cls(counter_path(membership))

    def explain(self, pid: int) -> str | None:
        """Return how it is known that the kernel killed `pid` for lack of memory; None if nothing says so.

        To be asked once for each process that died by SIGKILL, soon afterwards.
        """
        self._named |= self._killed()
        risen = self._has_risen()
        if pid in self._named:
            self._named.discard(pid)
            return "the kernel's log names it"
        return self._rise if risen else None

    def _has_risen(self) -> bool:
        """Whether the counter has a kill that explains a death; each explains one.

        Several processes may be killed before anybody looks. What is left over after a moment was somebody else: the
        counter also counts processes that the application has started.
        """
        now = self._clock()
        before, self._count = self._count, None if self._counter is None else read_counter(self._counter)
        if before is not None and self._count is not None and self._count > before:
            self._unexplained, self._rose_at = self._count - before, now
            self._rise = f"oom_kill in {self._counter} went from {before} to {self._count}"
        if not self._unexplained or now > self._rose_at + _MOMENT:
            return False
        self._unexplained -= 1
        return True

    def _killed(self) -> set[int]:
        """Return the pids that the kernel's log names since it was read last."""
        found: set[int] = set()
        if len(self._named) > _NAMED:
            self._named.clear()
        for _ in range(_RECORDS if self._log >= 0 else 0):
            try:
                record = os.read(self._log, _RECORD)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # records were overwritten before we read them; the next read goes on with the oldest
            except OSError:
                self._close()
                break
            if not record:
                break
            # prefix;text: the text alone is the kernel's
            text = record.decode("ascii", "replace").partition(";")[2]
            found.update(int(match.group(1)) for match in _KILLED.finditer(text))
        return found

    def _close(self) -> None:
        if self._log >= 0:
            os.close(self._log)
        self._log = -1
