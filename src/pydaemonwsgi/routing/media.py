"""What a file is, by the extensions of its name: type, charset, encoding, languages, handler. Sans-I/O.

mod_mime's rules: every extension counts, the right-most of each kind wins, languages add up, and what the
configuration says comes before the table of types.
"""

from collections.abc import Mapping
from typing import NamedTuple

from pydaemonwsgi.http.media_types import MEDIA_TYPES

__all__ = ["Extensions", "Media", "read_media"]

Extensions = Mapping[str, Mapping[str, str]]


class Media(NamedTuple):
    """What a file's name says.

    Attributes:
        unknown: extensions that say nothing.
        handled: some extension names a handler.
    """

    media_type: str | None = None
    charset: str | None = None
    encoding: str | None = None
    languages: tuple[str, ...] = ()
    handler: str | None = None
    unknown: tuple[str, ...] = ()


def read_media(name: str, extensions: Extensions) -> Media:
    """Return what the extensions of a file's name (without directories) say."""
    media_type = charset = encoding = handler = None
    languages: list[str] = []
    unknown: list[str] = []
    for extension in name.lower().split(".")[1:]:
        configured = extensions.get(extension)
        table_type = MEDIA_TYPES.get(extension)
        if not configured:
            if table_type is None:
                unknown.append(extension)
            else:
                media_type = table_type
            continue
        if "type" in configured:
            media_type = configured["type"]
        elif table_type is not None and "encoding" not in configured:
            # `AddEncoding gzip .gz`: then x.html.gz is HTML, not an archive.
            media_type = table_type
        charset = configured.get("charset", charset)
        if "language" in configured:
            languages.append(configured["language"])
        if "encoding" in configured:
            encoding = f"{encoding}, {configured['encoding']}" if encoding else configured["encoding"]
        handler = configured.get("handler", handler)
    return Media(media_type, charset, encoding, tuple(languages), handler, tuple(unknown))
