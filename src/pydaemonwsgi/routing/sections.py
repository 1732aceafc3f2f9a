"""Sections: which of a host's apply to a request, and what they make together. Sans-I/O.

httpd's order: `<Directory>` from the shortest path to the longest (those of one length in the order of the file),
`<DirectoryMatch>`, `<Files>` and `<FilesMatch>`, `<Location>` and `<LocationMatch>`; a later one is laid over an
earlier one. The sections that apply make a tuple of numbers; what they make together is compiled once for each
such tuple, so a request pays for finding them, not for merging them.
"""

import functools
import itertools
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from pydaemonwsgi.config.model import Matching, Section, SectionKind, Settings, merge_settings
from pydaemonwsgi.config.patterns import compile_pattern
from pydaemonwsgi.errors import ConfigurationError, OvertimeError
from pydaemonwsgi.routing.access import AccessCheck, compile_access
from pydaemonwsgi.routing.aliases import RedirectTable
from pydaemonwsgi.routing.environment import EnvironmentTest, fixed_environment
from pydaemonwsgi.routing.expiry import expiry_edits
from pydaemonwsgi.routing.forwarded import TrustedProxies
from pydaemonwsgi.routing.headers import HeaderEdit, HeaderEdits, ResponseEdits
from pydaemonwsgi.routing.maps import NO_MAPS, Maps
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.paths import merge_slashes, wildcard_pattern
from pydaemonwsgi.routing.rewrite import Program, compile_rewrite

__all__ = ["Context", "SectionTable", "compile_context"]

# Combinations and directories remembered for each host; a site has fewer, a scanner may invent more.
_REMEMBERED: Final = 1024


class Context(NamedTuple):
    """What counts for a request after all merging, compiled.

    Attributes:
        settings: complete; nothing that has a default is None.
        options: names in lower case.
        access: the test, or None if everybody is let in.
        rewrite: the rules of directory context, or None.
        redirects: those of sections; the host's own are asked elsewhere.
        tests: `SetEnvIf` of sections; the host's own have been applied before.
        variables: of SetEnv, PassEnv, UnsetEnv.
        extensions: for each extension its attributes.
        is_plain: nothing in it looks at the request: whoever comes with the same path gets the same decision.
    """

    settings: Settings
    options: frozenset[str]
    access: AccessCheck | None
    rewrite: Program | None
    redirects: RedirectTable
    tests: tuple[EnvironmentTest, ...]
    variables: tuple[tuple[str, str], ...]
    request_edits: HeaderEdits
    response_edits: ResponseEdits
    extensions: Mapping[str, Mapping[str, str]]
    proxies: TrustedProxies | None
    is_plain: bool


def compile_context(
    settings: Settings, base: Settings, process_environment: Mapping[str, str], maps: Maps = NO_MAPS
) -> Context:
    """Return what `settings` mean; what they have from the host's `base` that runs elsewhere is left out.

    Raises:
        ConfigurationError: something in them is wrong; the message begins with the place.
    """
    # Both are appended to what the host says, so what sections say is the rest.
    tests = settings.environment_conditions[len(base.environment_conditions) :]
    edits = tuple(HeaderEdit(rule) for rule in settings.headers)
    access = compile_access(settings.require, settings.access_list)
    rewrite = compile_rewrite(settings.rewrite, maps) if settings.rewrite is not base.rewrite else None
    redirects = settings.redirects[: len(settings.redirects) - len(base.redirects)]
    extensions: dict[str, dict[str, str]] = {}
    for rule in settings.extensions:
        if rule.value is None:
            extensions.get(rule.extension, {}).pop(rule.attribute, None)
        else:
            extensions.setdefault(rule.extension, {})[rule.attribute] = rule.value
    request_edits = tuple(edit for edit in edits if edit.of_request)
    proxies = None
    if settings.trusted_proxy_headers:
        proxies = TrustedProxies(settings.trusted_proxy_headers, settings.trusted_proxies)
    return Context(
        settings=settings,
        options=settings.options.effective if settings.options is not None else frozenset(),
        access=access,
        rewrite=rewrite,
        redirects=RedirectTable(redirects),
        tests=tuple(EnvironmentTest(test) for test in tests),
        variables=fixed_environment(settings.environment, process_environment),
        request_edits=request_edits,
        response_edits=(*expiry_edits(settings), *(edit for edit in edits if not edit.of_request)),
        extensions=extensions,
        proxies=proxies,
        is_plain=not (access or rewrite or redirects or tests or request_edits)
        and settings.accept_path_info != "off"
        and all(edit.condition is None for edit in edits),
    )


class _Compiled(NamedTuple):
    number: int
    section: Section
    matches: Callable[[str], bool]


class SectionTable:
    """The sections of one host.

    Args:
        sections: the main server's before the host's.
        base: the host's settings laid over the defaults.
        process_environment: for PassEnv.
        maps: of the host's rules.

    Raises:
        ConfigurationError: a pattern is wrong; the message begins with the place.

    Attributes:
        named: the patterns of sections that have named groups, by number.
    """

    def __init__(
        self,
        sections: tuple[Section, ...],
        base: Settings,
        process_environment: Mapping[str, str],
        maps: Maps = NO_MAPS,
    ) -> None:
        self._sections: list[Section] = []
        self._base = base
        self._process_environment = process_environment
        self._maps = maps
        self._paths: dict[str, list[int]] = {}
        self._globs: dict[int, list[_Compiled]] = {}
        self._patterns: list[_Compiled] = []
        self._files: list[_Compiled] = []
        self._locations: list[_Compiled] = []
        self._nested: dict[int, list[_Compiled]] = {}
        self._contexts: dict[tuple[int, ...], Context] = {}
        self._directories: dict[str, tuple[int, ...]] = {}
        self.named: dict[int, re.Pattern[str]] = {}
        for section in sections:
            self._add(section)
        self.base = self.context(())
        self.has_locations = bool(self._locations)

    def _add(self, section: Section) -> None:
        number = len(self._sections)
        self._sections.append(section)
        literal = section.matching is Matching.LITERAL
        if section.kind is SectionKind.DIRECTORY and literal:
            self._paths.setdefault(_directory(section.pattern), []).append(number)
        else:
            try:
                compiled = _Compiled(number, section, _matcher(section))
            except ConfigurationError as error:
                raise MistakeError(section.position, error) from error
            if section.kind is SectionKind.FILES:
                self._files.append(compiled)
            elif section.kind is SectionKind.LOCATION:
                self._locations.append(compiled)
            elif section.matching is Matching.GLOB:
                self._globs.setdefault(_depth(_directory(section.pattern)), []).append(compiled)
            else:
                self._patterns.append(compiled)
        self._note_names(number, section)
        nested = [inner for inner in section.sections if inner.kind is SectionKind.FILES]
        if nested:
            self._nested[number] = []
            for inner in nested:
                self._nested[number].append(_Compiled(len(self._sections), inner, _matcher(inner)))
                self._note_names(len(self._sections), inner)
                self._sections.append(inner)

    def _note_names(self, number: int, section: Section) -> None:
        if section.matching is Matching.REGEX:
            pattern = compile_pattern(section.pattern)
            if pattern.groupindex:
                self.named[number] = pattern

    def captured(self, numbers: tuple[int, ...], uri: str, filename: str) -> dict[str, str]:
        """Return the variables that sections set by the named groups of their patterns: `(?<site>…)` is MATCH_SITE."""
        found: dict[str, str] = {}
        for number in numbers:
            pattern = self.named.get(number)
            if pattern is None:
                continue
            kind = self._sections[number].kind
            if kind is SectionKind.LOCATION:
                subject = uri
            else:
                subject = filename if kind is SectionKind.DIRECTORY else filename[filename.rfind("/") + 1 :]
            match = pattern.search(subject)
            for name, value in (match.groupdict() if match is not None else {}).items():
                if value is not None:
                    found[f"MATCH_{name.upper()}"] = value
        return found

    def section(self, number: int) -> Section:
        """Return a section by its number, for explanations."""
        return self._sections[number]

    def of_directory(self, directory: str) -> tuple[int, ...]:
        """Return the `<Directory>` sections for this very directory; no slash at its end, but "/"."""
        literal = self._paths.get(directory)
        globs = self._globs.get(_depth(directory)) if self._globs else None
        if globs is None:
            return tuple(literal) if literal is not None else ()
        found = [compiled.number for compiled in globs if compiled.matches(directory)]
        return tuple(sorted(found + (literal or [])))

    def on_the_way(self, directory: str) -> tuple[int, ...]:
        """Return the `<Directory>` sections from the root to a directory, in the order of merging."""
        found = self._directories.get(directory)
        if found is None:
            found = self.of_directory("/")
            position = directory.find("/", 1)
            while position > 0:
                found += self.of_directory(directory[:position])
                position = directory.find("/", position + 1)
            if directory != "/":
                found += self.of_directory(directory)
            if len(self._directories) >= _REMEMBERED:
                self._directories.clear()
            self._directories[directory] = found
        return found

    def of_file(self, numbers: tuple[int, ...], filename: str) -> tuple[int, ...]:
        """Return `numbers` with the `<DirectoryMatch>`, `<Files>` and `<FilesMatch>` that apply to a file."""
        if self._patterns:
            numbers += tuple(compiled.number for compiled in self._patterns if compiled.matches(filename))
        candidates = self._files
        if self._nested:
            candidates = candidates + [
                compiled for number in numbers if number in self._nested for compiled in self._nested[number]
            ]
        if candidates:
            name = filename[filename.rfind("/") + 1 :]
            numbers += tuple(compiled.number for compiled in candidates if compiled.matches(name))
        return numbers

    def of_location(self, uri: str) -> tuple[int, ...]:
        """Return the `<Location>` and `<LocationMatch>` sections for an URL path."""
        if not self._locations:
            return ()
        # Runs of slashes count as one, but for a regular expression (MergeSlashes Off leaves them in the path).
        merged = merge_slashes(uri)
        return tuple(
            compiled.number
            for compiled in self._locations
            if compiled.matches(uri if compiled.section.matching is Matching.REGEX else merged)
        )

    def context(self, numbers: tuple[int, ...]) -> Context:
        """Return what sections make together."""
        found = self._contexts.get(numbers)
        if found is None:
            settings = self._base
            # Those of one kind by themselves first, as httpd walks: AuthMerging makes a difference of it.
            for _, alike in itertools.groupby(numbers, lambda number: self._sections[number].kind):
                own = functools.reduce(merge_settings, (self._sections[number].settings for number in alike))
                settings = merge_settings(settings, own)
            found = self._compile(settings)
            if len(self._contexts) >= _REMEMBERED:
                self._contexts.clear()
            self._contexts[numbers] = found
        return found

    def _compile(self, settings: Settings) -> Context:
        return compile_context(settings, self._base, self._process_environment, self._maps)

    def check(self) -> list[MistakeError]:
        """Compile each section by itself and return what is wrong with them."""
        problems = []
        for section in self._sections:
            try:
                self._compile(merge_settings(self._base, section.settings))
            except MistakeError as error:
                problems.append(error)
        return problems

    def follows_links(self) -> bool:
        """Whether links are followed everywhere, so that nobody need look for them."""
        for section in self._sections:
            options = section.settings.options
            if options is None:
                continue
            if "followsymlinks" in options.removed:
                return False
            if options.whole is not None and "followsymlinks" not in options.whole | options.added:
                return False
        return "followsymlinks" in self.base.options


def _directory(pattern: str) -> str:
    return pattern.rstrip("/") or "/"


def _depth(directory: str) -> int:
    return 0 if directory == "/" else directory.count("/")


def _named(find: Callable[[str], "re.Match[str] | None"], name: str) -> Callable[[str], bool]:
    """Return whether a pattern fits, by a function that tells its name where that takes too long."""

    def matches(text: str) -> bool:
        try:
            return find(text) is not None
        except OvertimeError as error:
            raise OvertimeError(f"{error}: {name}") from error

    return matches


def _matcher(section: Section) -> Callable[[str], bool]:
    pattern = section.pattern
    if section.matching is Matching.REGEX:
        return _named(compile_pattern(pattern).search, f"<{section.kind.value}Match {pattern}> ({section.position})")
    if section.matching is Matching.GLOB:
        glob = wildcard_pattern(_directory(pattern) if section.kind is SectionKind.DIRECTORY else pattern)
        return _named(re.compile(glob).fullmatch, f"<{section.kind.value} {pattern}> ({section.position})")
    if section.kind is SectionKind.LOCATION and not pattern.endswith("/"):
        inside = pattern + "/"
        return lambda text: text == pattern or text.startswith(inside)
    if section.kind is SectionKind.LOCATION:
        return lambda text: text.startswith(pattern)
    return lambda text: text == pattern
