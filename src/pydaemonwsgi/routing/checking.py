"""Everything that is wrong with a configuration's patterns, rules and addresses, not only the first of it. Sans-I/O.

A router compiles all of a host at once and stops at the first mistake. Where that finds one, each line is compiled by
itself, so that one look at a file finds what is wrong in all of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from pydaemonwsgi.config.model import (
    DEFAULT_SETTINGS,
    Host,
    Position,
    Rewrite,
    Section,
    Server,
    Settings,
    merge_settings,
)
from pydaemonwsgi.config.problems import Problem, Severity
from pydaemonwsgi.routing.access import compile_access
from pydaemonwsgi.routing.aliases import AliasTable, RedirectTable
from pydaemonwsgi.routing.conditions import Condition
from pydaemonwsgi.routing.environment import EnvironmentTest
from pydaemonwsgi.routing.headers import HeaderEdit
from pydaemonwsgi.routing.maps import Maps, compile_maps
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.rules import Rule
from pydaemonwsgi.routing.sections import SectionTable
from pydaemonwsgi.routing.site import Site

__all__ = ["check_routing"]


def check_routing(server: Server) -> list[Problem]:
    """Return everything that is wrong with a server's patterns, rules and addresses."""
    found: dict[tuple[Position, str], Problem] = {}
    for number, host in enumerate(server.hosts):
        whole = _of_whole(number, host)
        for problem in (*_of_host(host), *whole) if whole else ():
            # A host inherits the main server's mistakes, and the whole of it has those of its parts.
            found.setdefault((problem.position, problem.text), problem)
    return list(found.values())


def _of_whole(number: int, host: Host) -> list[Problem]:
    """What is wrong only when everything is laid over each other."""
    try:
        mistakes = Site(number, host, {}).check()
    except MistakeError as error:
        mistakes = [error]
    return [Problem(Severity.ERROR, mistake.position, "", mistake.text) for mistake in mistakes]


def _mistake(directive: str, compiles: Callable[[], object]) -> list[Problem]:
    try:
        compiles()
    except MistakeError as error:
        return [Problem(Severity.ERROR, error.position, directive, error.text)]
    return []


def _of_host(host: Host) -> Iterator[Problem]:
    maps = compile_maps(host.rewrite_maps, {})
    yield from _of_rewrite(host.rewrite, maps)
    yield from _of_settings(host.settings, maps)
    for alias in host.aliases:
        yield from _mistake("AliasMatch", lambda: AliasTable((alias,)))  # noqa: B023
    for script_alias in host.script_aliases:
        yield from _mistake("WSGIScriptAliasMatch", lambda: AliasTable((script_alias,)))  # noqa: B023
    for redirect in host.redirects:
        yield from _mistake("RedirectMatch", lambda: RedirectTable((redirect,)))  # noqa: B023
    for section in host.sections:
        yield from _of_section(section, maps)


def _of_section(section: Section, maps: Maps) -> Iterator[Problem]:
    base = merge_settings(DEFAULT_SETTINGS, Settings())
    alone = replace(section, settings=Settings(), sections=())
    yield from _mistake(f"<{section.kind.value}>", lambda: SectionTable((alone,), base, {}))
    yield from _of_settings(section.settings, maps)
    for inner in section.sections:
        yield from _of_section(inner, maps)


def _of_settings(settings: Settings, maps: Maps) -> Iterator[Problem]:
    yield from _of_rewrite(settings.rewrite, maps)
    for rule in settings.headers:
        name = "RequestHeader" if rule.of_request else "Header"
        yield from _mistake(name, lambda: HeaderEdit(rule))  # noqa: B023
    for condition in settings.environment_conditions:
        yield from _mistake("SetEnvIf", lambda: EnvironmentTest(condition))  # noqa: B023
    for redirect in settings.redirects:
        yield from _mistake("RedirectMatch", lambda: RedirectTable((redirect,)))  # noqa: B023
    yield from _mistake("Require", lambda: compile_access(settings.require, None))
    yield from _mistake("Allow", lambda: compile_access(None, settings.access_list))


def _of_rewrite(rewrite: Rewrite | None, maps: Maps) -> Iterator[Problem]:
    if rewrite is None or not rewrite.engine:
        return
    for rule in rewrite.rules:
        for condition in rule.conditions:
            yield from _mistake("RewriteCond", lambda: Condition(condition, maps))  # noqa: B023
        alone = replace(rule, conditions=())
        yield from _mistake("RewriteRule", lambda: Rule(alone, maps))  # noqa: B023
