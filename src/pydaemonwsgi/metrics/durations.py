"""How long things took: a mean, extremes and a histogram of fixed buckets. Sans-I/O.

The buckets are mod_wsgi's: 16 octaves from 1 ms to 65.536 s, each in four equal parts, and one for all beyond. What
takes a millisecond or less is in the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["BUCKETS", "Durations", "bucket_of"]

_OCTAVES: Final = 16
_PARTS: Final = 4
BUCKETS: Final = _OCTAVES * _PARTS + 1
"""How many buckets a histogram has."""


def bucket_of(seconds: float) -> int:
    """Return the number of the bucket that a duration falls into."""
    milliseconds = seconds * 1000
    if milliseconds <= 1:
        return 0
    mantissa, exponent = math.frexp(milliseconds)  # mantissa in [0.5, 1)
    return min((exponent - 1) * _PARTS + int((mantissa * 2 - 1) * _PARTS), BUCKETS - 1)


class Durations:
    """Durations that were seen; all in seconds.

    Attributes:
        count: how many.
        buckets: how many fell into each bucket.
    """

    __slots__ = ("_least", "_most", "_total", "buckets", "count")

    def __init__(self) -> None:
        self.count = 0
        self.buckets = [0] * BUCKETS
        self._total = 0.0
        self._least = math.inf
        self._most = 0.0

    def add(self, seconds: float) -> None:
        """Note one; clocks that were set back make it 0 at worst."""
        self.add_all([seconds])

    def add_all(self, seconds: Sequence[float]) -> None:
        """Note several, at least one."""
        least, most = min(seconds), max(seconds)
        if least < 0.0:
            seconds = [max(0.0, one) for one in seconds]
            least, most = 0.0, max(0.0, most)
        self.count += len(seconds)
        self._total += sum(seconds)
        self._least = min(self._least, least)
        self._most = max(self._most, most)
        if bucket_of(most) == 0:  # what takes longer has time for the other way
            self.buckets[0] += len(seconds)
        else:
            for one in seconds:
                self.buckets[bucket_of(one)] += 1

    def summary(self, name: str) -> dict[str, Any]:
        """Return mean in seconds, extremes in microseconds (None without any) and buckets, as mod_wsgi names them."""
        return {
            name: self._total / self.count if self.count else 0.0,
            f"{name}_min_us": round(self._least * 1e6) if self.count else None,
            f"{name}_max_us": round(self._most * 1e6) if self.count else None,
            f"{name}_buckets": self.buckets,
        }
