"""From URL path to file: `Alias`, `WSGIScriptAlias`, `Redirect`, their Match variants, `DocumentRoot`. Sans-I/O.

Of each kind the first that fits counts, in the order of the configuration. A run of slashes in an alias matches one
or more; without a slash at its end an alias matches whole segments only; with one it needs that slash, and what
follows is glued to the target as it is: alias and target must agree about it.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from pydaemonwsgi.config.model import Alias, Redirect, ScriptAlias
from pydaemonwsgi.config.patterns import compile_pattern, expand_groups
from pydaemonwsgi.errors import ConfigurationError, OvertimeError
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.paths import absolute_prefix, escape_controls, escape_path, escape_url, merge_slashes
from pydaemonwsgi.routing.request import Request

__all__ = ["AliasMatch", "AliasTable", "RedirectTable", "Redirection", "match_prefix"]

_RUN: Final = re.compile("/+")


def match_prefix(alias: str, path: str) -> int:
    """Return how many characters of `path` an alias matches, or 0.

    It may be more than the alias has, where slashes are doubled.
    """
    position = at = 0
    length, end = len(alias), len(path)
    while position < length:
        if alias[position] == "/":
            if at >= end or path[at] != "/":
                return 0
            while position < length and alias[position] == "/":
                position += 1
            while at < end and path[at] == "/":
                at += 1
        else:
            if at >= end or path[at] != alias[position]:
                return 0
            position += 1
            at += 1
    if alias[-1:] != "/" and at < end and path[at] != "/":
        return 0
    return at


class AliasMatch(NamedTuple):
    """An alias that fits.

    Attributes:
        filename: the target with what follows of the path.
        prefix: the part of the URL path that the alias stands for.
        root: the file or directory that it stands for.
        rest: what follows of the path.
    """

    source: Alias | ScriptAlias
    filename: str
    prefix: str
    root: str
    rest: str


_Matcher = Callable[[str], AliasMatch | None]


def _literal(alias: Alias | ScriptAlias) -> _Matcher:
    url, target = alias.url, alias.target
    plain = _RUN.sub("/", url) == url and not url.endswith("/")
    length = len(url)
    if url == "/" and isinstance(alias, ScriptAlias):

        def root(path: str) -> AliasMatch:
            return AliasMatch(alias, target + path, "", target, path)

        return root

    def match(path: str) -> AliasMatch | None:
        if plain and path.startswith(url):
            # The common case, at the speed of startswith.
            if len(path) == length or path[length] == "/":
                return AliasMatch(alias, target + path[length:], url, target, path[length:])
            return None
        matched = match_prefix(url, path)
        if not matched:
            return None
        prefix = merge_slashes(path[:matched])
        return AliasMatch(alias, target + path[matched:], prefix, target, path[matched:])

    return match


def _pattern(alias: Alias | ScriptAlias) -> _Matcher:
    try:
        regex = compile_pattern(alias.url)
    except ConfigurationError as error:
        raise MistakeError(alias.position, error) from error
    target = alias.target
    takes_rest = isinstance(alias, ScriptAlias)

    def match(path: str) -> AliasMatch | None:
        try:
            found = regex.search(path)
        except OvertimeError as error:
            raise OvertimeError(f"{error}: AliasMatch {alias.url} ({alias.position})") from error
        if found is None:
            return None
        root = expand_groups(target, found)
        # mod_alias replaces the whole path; mod_wsgi keeps what follows the match.
        rest = path[found.end() :] if takes_rest else ""
        return AliasMatch(alias, root + rest, path[: found.end()], root, rest)

    return match


class AliasTable:
    """The aliases of one host, of one kind.

    Raises:
        ConfigurationError: a regular expression is wrong; the message begins with the place.
    """

    __slots__ = ("_matchers",)

    def __init__(self, aliases: "tuple[Alias, ...] | tuple[ScriptAlias, ...]") -> None:
        self._matchers = tuple(_pattern(alias) if alias.is_regex else _literal(alias) for alias in aliases)

    def find(self, path: str) -> AliasMatch | None:
        """Return the first that fits."""
        for match in self._matchers:
            found = match(path)
            if found is not None:
                return found
        return None


class Redirection(NamedTuple):
    """A `Redirect` that fits: with `status`, to `location` if that is not None."""

    source: Redirect
    status: int
    location: str | None


class RedirectTable:
    """The redirects of one context.

    Raises:
        ConfigurationError: a regular expression is wrong; the message begins with the place.
    """

    __slots__ = ("_redirects",)

    def __init__(self, redirects: tuple[Redirect, ...]) -> None:
        compiled: list[tuple[Redirect, re.Pattern[str] | None]] = []
        for redirect in redirects:
            try:
                compiled.append((redirect, compile_pattern(redirect.pattern) if redirect.is_regex else None))
            except ConfigurationError as error:
                raise MistakeError(redirect.position, error) from error
        self._redirects = tuple(compiled)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._redirects)

    def find(self, request: Request) -> Redirection | None:
        """Return the first that fits the request's path."""
        for redirect, regex in self._redirects:
            try:
                found = _target(redirect, regex, request.uri)
            except OvertimeError as error:
                raise OvertimeError(f"{error}: RedirectMatch {redirect.pattern} ({redirect.position})") from error
            if found is not None:
                if redirect.target is None:
                    return Redirection(redirect, redirect.status, None)
                return Redirection(redirect, redirect.status, _complete(found, request))
        return None


def _target(redirect: Redirect, regex: "re.Pattern[str] | None", path: str) -> str | None:
    if regex is not None:
        found = regex.search(path)
        if found is None:
            return None
        return _escaped(expand_groups(redirect.target or "", found))
    matched = match_prefix(redirect.pattern, path)
    if not matched:
        return None
    return (redirect.target or "") + escape_path(path[matched:])


def _escaped(url: str) -> str:
    """Return a URL whose path is escaped; query and fragment stay as they were written, as in httpd."""
    end = next((place for place, character in enumerate(url) if character in "?#"), len(url))
    return escape_url(url[:end]) + escape_controls(url[end:])


def _complete(location: str, request: Request) -> str:
    """Return the location as an absolute URL with the client's query, unless it has one."""
    if not absolute_prefix(location) and location.startswith("/"):
        location = request.url(location)
    if "?" not in location:
        query = request.query_string()
        if query is not None:
            # httpd appends it to a fragment, where no server sees it.
            url, mark, fragment = location.partition("#")
            location = f"{url}?{query}{mark}{fragment}"
    return location
