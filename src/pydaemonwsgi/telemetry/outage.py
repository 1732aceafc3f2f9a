"""What the error log says while telemetry cannot be sent: once that it cannot, once that it can again. Sans-I/O.

                missed, and nothing was said lately
        SENDING ─────────────────────────────────▶ TOLD ──sent──▶ SENDING, and says so
           │ missed                                  ▲
           ▼                                         │ missed, and nothing was said lately
         SILENT ─────────────────────────────────────┘
           └─────sent──▶ SENDING

A collector that comes and goes would fill the log with warnings and their ends; so the time in which nothing is said
doubles with each warning, and is short again after two hours without one. What may be over in a moment (a full queue,
of as few as ten datagrams) is said only if it is not. Another reason than before is told like a new outage: the
collector is there by now, and the user may not write to its socket.
"""

from typing import Final

__all__ = ["Outage"]

# Seconds without a word after the first warning, at most, and after which an old warning counts no more.
_FIRST: Final = 5.0
_LONGEST: Final = 3600.0
_FORGOTTEN: Final = 2 * _LONGEST


class Outage:
    """See the module's docstring; times are monotonic seconds."""

    def __init__(self) -> None:
        self._reason: str | None = None
        self._since = 0.0
        self._lost = 0
        self._told: str | None = None
        self._told_at = 0.0
        self._quiet = 0.0

    def missed(self, now: float, reason: str, datagrams: int, patience: float = 0.0) -> str | None:
        """Note what could not be sent; return the reason if it is to be said now.

        Args:
            now: the time.
            reason: why not, in words that stay the same while the reason does.
            datagrams: how many.
            patience: seconds that it must have lasted before it is said.
        """
        if self._reason is None:
            self._since = now
        self._reason = reason
        self._lost += datagrams
        silent_for = now - self._told_at
        if self._told == reason or now - self._since < patience or (self._quiet and silent_for < self._quiet):
            return None
        self._quiet = min(2 * self._quiet, _LONGEST) if self._quiet and silent_for < _FORGOTTEN else _FIRST
        self._told, self._told_at = reason, now
        return reason

    def sent(self, now: float) -> str | None:
        """Note that it could be sent; return how long and how much was missed if it is to be said now."""
        if self._reason is None:
            return None
        was_told = self._told is not None
        text = f"after {now - self._since:.0f} s; {self._lost} datagrams were not sent"
        self._reason = self._told = None
        self._lost = 0
        return text if was_told else None
