"""Whether a child that should give a sign of life every second does. Sans-I/O.

Children write the time into shared memory; all that counts is that it changes. So a child that writes nonsense, or
whose clock differs, cannot confuse us.
"""

from typing import Final

__all__ = ["Pulse"]

# Seconds between two looks that are believed at most: if it was longer we have been asleep ourselves, and perhaps the
# whole machine with us.
_LONGEST_LOOK: Final = 2.0
# Seconds between two looks.
_LOOK: Final = 1.0


class Pulse:
    """The signs of life of one child.

    Args:
        timeout: seconds without one after which it counts as dead; 0 for never.
        now: monotonic seconds.

    Attributes:
        silence: seconds without one.
    """

    __slots__ = ("_beat", "_looked", "_timeout", "silence")

    def __init__(self, timeout: float, now: float) -> None:
        self._timeout = timeout
        self._looked = now
        self._beat = 0.0
        self.silence = 0.0

    def look(self, beat: float, now: float) -> bool:
        """Return whether it counts as dead; `beat` is what it has written last."""
        if beat != self._beat:
            self._beat = beat
            self.silence = 0.0
        else:
            self.silence += min(now - self._looked, _LONGEST_LOOK)
        self._looked = now
        return 0.0 < self._timeout <= self.silence

    def next_look(self) -> float | None:
        """Return when to look again, monotonic; None where it does not matter."""
        if not self._timeout:
            return None
        return self._looked + min(_LOOK, max(0.0, self._timeout - self.silence))
