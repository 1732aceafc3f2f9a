"""When a daemon process has grown too large (`maximum-memory`). Sans-I/O.

A process that has once been seen within the limit is replaced as soon as it is seen beyond it. One that has been
beyond it since its script was loaded would be followed by another such process at once, and so for ever: it is
replaced after `_TOO_LARGE_FROM_THE_START` seconds at the earliest, and the log says that the limit is too low.
"""

from typing import Final

__all__ = ["MemoryLimit"]

# Seconds that a process serves although it never was within the limit; replacing it helps little, if at all.
_TOO_LARGE_FROM_THE_START: Final = 60.0
_MIB: Final = 1 << 20


class MemoryLimit:
    """Knows which processes of a group have been within the limit.

    Args:
        limit: bytes of resident memory.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._within: set[int] = set()
        self._warned: set[int] = set()

    def look(self, number: int, resident: int, serving: float) -> tuple[str, bool] | None:
        """Judge one look at a process.

        Args:
            number: of the process.
            resident: bytes of memory that it has.
            serving: seconds since it loaded its script.

        Returns:
            What to say of it, and whether it is to be replaced; None if there is nothing to say.
        """
        if resident <= self._limit:
            self._within.add(number)
            return None
        text = f"{resident / _MIB:.0f}M resident, more than maximum-memory ({self._limit / _MIB:.0f}M)"
        if number in self._within:
            return text, True
        if serving >= _TOO_LARGE_FROM_THE_START:
            return f"{text} ever since its start", True
        if number in self._warned:
            return None
        self._warned.add(number)
        late = f"it is replaced after {_TOO_LARGE_FROM_THE_START:g} s"
        return f"{text} right after its start: the limit is too low for this application; {late}", False

    def forget(self, number: int) -> None:
        """A process has gone."""
        self._within.discard(number)
        self._warned.discard(number)
