"""Directives of mod_expires: how long caches may keep answers. Sans-I/O."""

import re

from pydaemonwsgi.config.directives.kinds import flag
from pydaemonwsgi.config.directives.row import ANYWHERE, Line, Row, setting
from pydaemonwsgi.config.model import Expiry
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.values import BadValueError

__all__ = ["ROWS"]

_SHORT = re.compile(r"([AM])([0-9]{1,10})", re.IGNORECASE)
_TYPE = re.compile(r"[\w.+-]+/(?:[\w.+-]+|\*)", re.ASCII)
_BASES = {"access": False, "now": False, "modification": True}
# Seconds of each, as mod_expires has them: a month has 30 days.
_UNITS = {
    "years": 365 * 86400, "months": 30 * 86400, "weeks": 7 * 86400, "days": 86400,
    "hours": 3600, "minutes": 60, "seconds": 1,
}  # fmt: skip
_ACCEPTED = 'give "access plus 1 month", "modification plus 2 hours 30 minutes", or seconds like A3600 and M3600'
# A hundred years; a date that far away is all that anybody can mean by more.
_LONGEST = 100 * 365 * 86400


def _read(text: str) -> tuple[bool, int]:
    """Return whether a time counts from the last modification, and its seconds.

    Raises:
        BadValueError: with a whole sentence.
    """
    short = _SHORT.fullmatch(text.strip())
    if short is not None:
        return short[1].upper() == "M", min(int(short[2]), _LONGEST)
    base, *words = text.lower().split() or [""]
    if base not in _BASES:
        raise BadValueError(f"{text!r} does not begin with access, now or modification; {_ACCEPTED}")
    if words[:1] == ["plus"]:
        words.pop(0)
    seconds = 0
    for number, unit in zip(words[::2], [*words[1::2], ""], strict=False):
        if not re.fullmatch("[0-9]{1,10}", number):
            raise BadValueError(f"{text!r}: {number!r} is not a whole number; {_ACCEPTED}")
        name = unit if unit.endswith("s") else f"{unit}s"
        if name not in _UNITS:
            problem = (
                f"there is no unit {unit!r}{nearest(unit, _UNITS)}" if unit else f"a unit must follow the {number}"
            )
            raise BadValueError(f"{text!r}: {problem}; {_ACCEPTED}")
        seconds += int(number) * _UNITS[name]
    return _BASES[base], min(seconds, _LONGEST)


def _default(line: Line) -> None:
    from_modification, seconds = _read(line.words[0])
    expiry = Expiry("", from_modification=from_modification, seconds=seconds, position=line.position)
    line.place.settings.put("expires_default", expiry, line.position)


def _by_type(line: Line) -> None:
    media_type = line.words[0].lower()
    if not _TYPE.fullmatch(media_type):
        raise BadValueError(f"{line.words[0]!r} is no media type such as text/css or image/*")
    from_modification, seconds = _read(line.words[1])
    expiry = Expiry(media_type, from_modification=from_modification, seconds=seconds, position=line.position)
    line.place.settings.lists["expires_by_type"].append(expiry)


ROWS = (
    setting(
        "ExpiresActive",
        ANYWHERE,
        "expires_active",
        flag(),
        "Whether answers without Expires are given one, and Cache-Control: max-age, by the directives below.",
        default="Off",
    ),
    Row(
        "ExpiresByType",
        ANYWHERE,
        'TYPE "TIME"',
        'For how long answers of a media type are good: `"access plus 1 month"`, `A2592000`; `image/*` for all images.',
        _by_type,
    ),
    Row("ExpiresDefault", ANYWHERE, '"TIME"', "For how long other answers are good.", _default),
)
