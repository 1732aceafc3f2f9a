"""Checks of regular expressions: which of them a hostile client can keep busy. Sans-I/O."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.checking.row import Check, Finding
from pydaemonwsgi.config.model import Host, Matching, Position, Rewrite, Section, Server, Settings
from pydaemonwsgi.config.patterns import compile_pattern, literal_beginning
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["CHECKS"]

# Enough for a pattern whose work grows with the cube of the length; one that doubles with each character needs thirty.
_LENGTH: Final = 500
_MOST_CHARACTERS: Final = 12
# What no pattern has at the end of what it repeats, so that all that was tried was in vain.
_MISFIT: Final = "\x01"
_PLAIN_TEST: Final = re.compile(r"-[a-zA-Z]{1,2}(?: |$)|[<>=]")


class _Pattern(NamedTuple):
    position: Position
    directive: str
    text: str
    ignore_case: bool = False


def _endless(server: Server, machine: Machine) -> Iterator[Finding]:
    seen: set[tuple[Position, str]] = set()
    for pattern in (pattern for host in server.hosts for pattern in _of_host(host)):
        key = pattern.position, pattern.text  # a host inherits those of the main server
        if key in seen:
            continue
        seen.add(key)
        try:
            compiled = compile_pattern(pattern.text, ignore_case=pattern.ignore_case)
        except ConfigurationError:
            continue  # it has been told
        beginning = literal_beginning(pattern.text) or ""
        for character in _characters(pattern.text):
            if machine.takes_long(compiled, beginning + character * _LENGTH + _MISFIT):
                yield Finding(
                    pattern.position,
                    pattern.directive,
                    f"a client can keep the regular expression {pattern.text!r} busy, as by {_LENGTH} times "
                    f"{character!r}: it fits the same text in too many ways. Such a request gets 500 after 0.1 s "
                    "in which nobody else is served; write [^/]* in place of .*, and no repetition inside another",
                )
                break


def _characters(pattern: str) -> list[str]:
    """Characters that a text may be made of, those of the pattern first."""
    own = re.findall(r"[A-Za-z0-9/_.=&-]", re.sub(r"\\.|\[:\w+:\]", "", pattern))
    return list(dict.fromkeys([*own, "a", "/", "1", " "]))[:_MOST_CHARACTERS]


def _of_host(host: Host) -> Iterator[_Pattern]:
    yield from _of_rewrite(host.rewrite)
    yield from _of_settings(host.settings)
    for alias in host.aliases:
        if alias.is_regex:
            yield _Pattern(alias.position, "AliasMatch", alias.url)
    for script in host.script_aliases:
        if script.is_regex:
            yield _Pattern(script.position, "WSGIScriptAliasMatch", script.url)
    for redirect in host.redirects:
        if redirect.is_regex:
            yield _Pattern(redirect.position, "RedirectMatch", redirect.pattern)
    for section in host.sections:
        yield from _of_section(section)


def _of_section(section: Section) -> Iterator[_Pattern]:
    if section.matching is Matching.REGEX:
        yield _Pattern(section.position, f"<{section.kind.value}Match>", section.pattern)
    yield from _of_settings(section.settings)
    for inner in section.sections:
        yield from _of_section(inner)


def _of_settings(settings: Settings) -> Iterator[_Pattern]:
    yield from _of_rewrite(settings.rewrite)
    for condition in settings.environment_conditions:
        yield _Pattern(condition.position, "SetEnvIf", condition.pattern, condition.ignore_case)
    for rule in settings.headers:
        if rule.action in {"edit", "edit*"}:
            yield _Pattern(rule.position, "RequestHeader" if rule.of_request else "Header", rule.value)
    for redirect in settings.redirects:
        if redirect.is_regex:
            yield _Pattern(redirect.position, "RedirectMatch", redirect.pattern)


def _of_rewrite(rewrite: Rewrite | None) -> Iterator[_Pattern]:
    for rule in rewrite.rules if rewrite is not None and rewrite.engine else ():
        yield _Pattern(rule.position, "RewriteRule", rule.pattern, rule.has("NC"))
        for condition in rule.conditions:
            if not _PLAIN_TEST.match(condition.pattern):
                yield _Pattern(condition.position, "RewriteCond", condition.pattern, condition.ignore_case)


CHECKS = (Check("regular expressions that a client can keep busy", _endless),)
