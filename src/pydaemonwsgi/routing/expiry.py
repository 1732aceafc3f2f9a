"""`ExpiresActive`, `ExpiresByType`, `ExpiresDefault`: until when caches may believe an answer. Sans-I/O.

As mod_expires: answers that are no errors and have no Expires of their own get one, and `max-age` in Cache-Control,
before `Header` has its turn. What counts from a modification counts from the answer's Last-Modified.
"""

from collections.abc import Mapping
from email.utils import formatdate

from pydaemonwsgi.config.model import Settings
from pydaemonwsgi.http.conditional import read_date
from pydaemonwsgi.routing.headers import Headers, Occasion

__all__ = ["ExpiryEdit", "expiry_edits"]

_FIRST_ERROR = 400


class ExpiryEdit:
    """What the three directives of a context do to an answer's headers; see `headers.ResponseEdit`."""

    __slots__ = ("_by_type", "_default")

    always = True  # redirects that the server itself answers are good for as long
    lasts = 1.0  # dates have whole seconds
    name = "Expires"
    searches = False

    def __init__(self, settings: Settings) -> None:
        self._default = settings.expires_default
        self._by_type = {expiry.media_type: expiry for expiry in settings.expires_by_type}

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Return True: it has no condition."""
        del environment
        return True

    def apply(self, headers: Headers, occasion: Occasion, request_headers: Mapping[str, str]) -> Headers:
        """Return the headers with Expires and Cache-Control."""
        del request_headers
        present = {name.lower(): value for name, value in headers}
        if occasion.status >= _FIRST_ERROR or "expires" in present:
            return headers
        media_type = present.get("content-type", occasion.media_type).partition(";")[0].strip().lower()
        expiry = self._by_type.get(media_type) or self._by_type.get(f"{media_type.partition('/')[0]}/*")
        expiry = expiry or self._default
        if expiry is None:
            return headers
        now = (occasion.received + occasion.duration) // 1_000_000
        left = expiry.seconds
        if expiry.from_modification:
            modified = read_date(present.get("last-modified"))
            if modified is None:
                return headers
            left = max(0, modified + left - now)
        control = present.get("cache-control")
        max_age = f"max-age={left}" if control is None else f"{control}, max-age={left}"
        kept = [field for field in headers if field[0].lower() != "cache-control"]
        return [*kept, ("Cache-Control", max_age), ("Expires", formatdate(now + left, usegmt=True))]


def expiry_edits(settings: Settings) -> tuple[ExpiryEdit, ...]:
    """Return what a context's settings do to answers: nothing, or one edit."""
    if not settings.expires_active or not (settings.expires_default or settings.expires_by_type):
        return ()
    return (ExpiryEdit(settings),)
