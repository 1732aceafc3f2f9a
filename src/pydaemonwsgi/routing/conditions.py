"""`RewriteCond`: what must be true besides a rule's pattern. Sans-I/O."""

import re
from collections.abc import Callable
from typing import Final

from pydaemonwsgi.config.model import RewriteCondition
from pydaemonwsgi.config.patterns import compile_pattern
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.routing.files import FileFacts, FileKind
from pydaemonwsgi.routing.maps import NO_MAPS, Maps
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.templates import RewriteState, Template

__all__ = ["Condition"]

_FILE_TESTS: Final[dict[str, Callable[[FileFacts], bool]]] = {
    "-f": lambda found: found.kind is FileKind.FILE,
    "-d": lambda found: found.kind is FileKind.DIRECTORY,
    "-s": lambda found: found.kind is FileKind.FILE and found.size > 0,
    "-x": lambda found: bool(found.mode & 0o111),
}
_LINK_TESTS: Final = frozenset({"-l", "-L", "-h"})
_SUBREQUESTS: Final = frozenset({"-F", "-U"})
_INTEGER: Final = re.compile(r"-(eq|ne|lt|le|gt|ge) ?(.*)", re.DOTALL)
_LEXICOGRAPHIC: Final = re.compile(r"(<=|>=|<|>|=)(.*)", re.DOTALL)
_LEADING_INTEGER: Final = re.compile(r"\s*([+-]?[0-9]+)")
_COMPARISONS: Final[dict[str, Callable[[int], bool]]] = {
    "<": lambda order: order < 0,
    "<=": lambda order: order <= 0,
    "=": lambda order: order == 0,
    ">=": lambda order: order >= 0,
    ">": lambda order: order > 0,
    "lt": lambda order: order < 0,
    "le": lambda order: order <= 0,
    "eq": lambda order: order == 0,
    "ne": lambda order: order != 0,
    "ge": lambda order: order >= 0,
    "gt": lambda order: order > 0,
}


def _integer(text: str) -> int:
    """Return what C's `atoi` returns."""
    found = _LEADING_INTEGER.match(text)
    return int(found.group(1)) if found is not None else 0


def _compare(left: str, right: str) -> int:
    """Return the order that httpd calls lexicographic: a shorter text comes first, whatever is in it."""
    if len(left) != len(right):
        return 1 if len(left) > len(right) else -1
    return (left > right) - (left < right)


class Condition:
    """One condition, compiled.

    Attributes:
        varies_by: names of the headers that an answer depends on where it holds.

    Raises:
        ConfigurationError: its pattern or a variable is wrong; the message begins with the place.
    """

    __slots__ = ("_holds", "_negated", "or_next", "source", "test", "varies_by")

    def __init__(self, condition: RewriteCondition, maps: Maps = NO_MAPS) -> None:
        self.source = condition
        self.or_next = condition.or_next
        self._negated = condition.negated
        try:
            if condition.test.lower() == "expr":
                raise ConfigurationError("RewriteCond expr: expressions (ap_expr) are not offered here")
            self.test = Template(condition.test, maps)
            # Never Host: it is a part of what a cache keeps an answer under (RFC 9111 section 4).
            names = self.test.headers if condition.varies else ()
            self.varies_by = tuple(name for name in names if name.lower() != "host")
            self._holds = self._compile(condition.pattern, condition.ignore_case)
        except ConfigurationError as error:
            raise MistakeError(condition.position, error) from error

    def holds(self, state: RewriteState) -> bool:
        """Return whether it holds; a regular expression that matched is remembered for `%N`."""
        return self._holds(self.test.expand(state), state)

    def _compile(self, pattern: str, ignore_case: bool) -> Callable[[str, RewriteState], bool]:
        negated = self._negated
        if pattern in _FILE_TESTS:
            test = _FILE_TESTS[pattern]
            return lambda text, state: test(state.request.stat(text)) is not negated
        if pattern in _LINK_TESTS:
            return lambda text, state: (state.request.lstat(text).kind is FileKind.LINK) is not negated
        if pattern in _SUBREQUESTS:
            raise ConfigurationError(f"RewriteCond {pattern} asks by a subrequest, which is not offered here; use -f")
        if (integer := _INTEGER.fullmatch(pattern)) is not None:
            compare, number = _COMPARISONS[integer.group(1)], _integer(integer.group(2))
            return lambda text, _: compare(_integer(text) - number) is not negated
        if (ordered := _LEXICOGRAPHIC.fullmatch(pattern)) is not None:
            return self._lexicographic(ordered.group(1), ordered.group(2), ignore_case)
        regex = compile_pattern(pattern, ignore_case=ignore_case)
        if negated:
            return lambda text, _: regex.search(text) is None

        def search(text: str, state: RewriteState) -> bool:
            match = regex.search(text)
            if match is None:
                return False
            state.condition_match = match
            return True

        return search

    def _lexicographic(self, operator: str, operand: str, ignore_case: bool) -> Callable[[str, RewriteState], bool]:
        negated, compare = self._negated, _COMPARISONS[operator]
        if operand == '""':
            operand = ""
        if ignore_case:
            # strcasecmp, which does not ask for the lengths first.
            lower = operand.lower()
            return lambda text, _: compare((text.lower() > lower) - (text.lower() < lower)) is not negated
        return lambda text, _: compare(_compare(text, operand)) is not negated
