"""Rules of mod_rewrite, compiled: pattern, conditions, substitution and what the flags say. Sans-I/O.

`rewrite` applies them.
"""

import re
from collections.abc import Callable
from typing import Final

from pydaemonwsgi.config.model import RewriteRule
from pydaemonwsgi.config.patterns import compile_pattern, literal_beginning
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.routing.conditions import Condition
from pydaemonwsgi.routing.maps import NO_MAPS, Maps
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.paths import escape_reference
from pydaemonwsgi.routing.templates import Template

__all__ = ["Rule"]

# [N] without a number; httpd's REWRITE_MAX_ROUNDS as its documentation has it.
_ROUNDS: Final = 10000
_KNOWN_FLAGS: Final = frozenset(
    "B BNP C CO DPI E END F G H L N NC NE NS PT QSA QSD QSL R S T UNC UNSAFEALLOW3F UNSAFEPREFIXSTAT".split()
)
_WRITTEN_BEGINNING: Final = re.compile(r"/[^/$%\\]+(?:/|$)|%\{(?:CONTEXT_)?DOCUMENT_ROOT\}", re.IGNORECASE)
_GONE, _FORBIDDEN = 410, 403


class Rule:
    """One rule, compiled.

    Args:
        rule: as it was written.
        maps: of the host.

    Raises:
        ConfigurationError: pattern, substitution or a flag is wrong; the message begins with the place.
    """

    __slots__ = (
        "allows_question_mark",
        "beginning",
        "chained",
        "conditions",
        "cookies",
        "discards_path_info",
        "ends",
        "environment",
        "escape",
        "escapes_redirect",
        "handler",
        "is_redirect",
        "last",
        "may_be_file",
        "media_type",
        "negated",
        "not_for_subrequests",
        "only_status",
        "passes_through",
        "query_appends",
        "query_discards",
        "query_last",
        "regex",
        "rounds",
        "search",
        "skip",
        "source",
        "status",
        "substitution",
    )

    def __init__(self, rule: RewriteRule, maps: Maps = NO_MAPS) -> None:
        self.source = rule
        flags: dict[str, str] = {}
        try:
            for flag in rule.flags:
                if flag.name == "P":
                    raise ConfigurationError("RewriteRule [P]: there is no proxy here")
                if flag.name.upper() not in _KNOWN_FLAGS:
                    raise ConfigurationError(f"RewriteRule has no flag {flag.name}")
                flags[flag.name.upper()] = flag.value
            self.regex = compile_pattern(rule.pattern, ignore_case="NC" in flags)
            self.search = self.regex.search
            self.beginning = None if rule.negated or "NC" in flags else literal_beginning(rule.pattern)
            self.substitution = None if rule.substitution == "-" else Template(rule.substitution, maps)
            self.environment = tuple(_assignment(flag.value, maps) for flag in rule.flags if flag.name == "E")
            self.cookies = tuple(Template(flag.value, maps) for flag in rule.flags if flag.name == "CO")
            self.handler = Template(flags["H"], maps) if "H" in flags else None
            self.media_type = Template(flags["T"], maps) if "T" in flags else None
            self.skip = int(flags.get("S") or 0)
            self.rounds = (int(flags["N"] or _ROUNDS)) if "N" in flags else 0
            self.status = _status(flags)
        except ConfigurationError as error:
            raise MistakeError(rule.position, error) from error
        except ValueError as error:
            raise MistakeError(rule.position, f"RewriteRule: a flag's value is no number: {error}") from error
        self.conditions = tuple(Condition(condition, maps) for condition in rule.conditions)
        self.negated = rule.negated
        self.is_redirect = "R" in flags and 300 <= self.status < 400
        # F, G and R with an error answer at once, and substitute nothing.
        self.only_status = 0 if self.is_redirect else self.status
        self.last = "L" in flags or "END" in flags
        self.ends = "END" in flags
        self.passes_through = "PT" in flags
        self.chained = "C" in flags
        self.discards_path_info = "DPI" in flags
        self.query_appends = "QSA" in flags
        self.query_discards = "QSD" in flags
        self.query_last = "QSL" in flags
        self.escapes_redirect = "NE" not in flags
        self.not_for_subrequests = "NS" in flags
        self.allows_question_mark = "UNSAFEALLOW3F" in flags
        # Where the client writes how the path begins, it shall not choose a directory of the machine.
        self.may_be_file = "UNSAFEPREFIXSTAT" in flags or _WRITTEN_BEGINNING.match(rule.substitution) is not None
        self.escape = _escape(flags)

    def named(self, problem: str = "") -> str:
        """Return the rule as it was written and where, after what is wrong with what it does."""
        source = self.source
        text = f"RewriteRule {self._written_pattern} {source.substitution}{self._written_flags} ({source.position})"
        return f"{problem}: {text}" if problem else text

    def applied(self, subject: str) -> str:
        """Return that the rule is for a text, and what it makes of it."""
        return f"{subject!r} fits {self._written_pattern} → {self.source.substitution}{self._written_flags}"

    @property
    def _written_pattern(self) -> str:
        return f"{'!' if self.negated else ''}{self.source.pattern}"

    @property
    def _written_flags(self) -> str:
        flags = ",".join(f"{flag.name}={flag.value}" if flag.value else flag.name for flag in self.source.flags)
        return f" [{flags}]" if flags else ""


def _status(flags: dict[str, str]) -> int:
    if "F" in flags:
        return _FORBIDDEN
    if "G" in flags:
        return _GONE
    if "R" not in flags:
        return 0
    status = int(flags["R"] or 302)
    if not 100 <= status <= 599:
        raise ConfigurationError(f"RewriteRule [R={status}]: this is no status")
    return status


def _escape(flags: dict[str, str]) -> Callable[[str], str] | None:
    if "B" not in flags:
        return None
    only, plus = flags["B"], "BNP" not in flags
    return lambda text: escape_reference(text, only=only, plus=plus)


def _assignment(text: str, maps: Maps) -> tuple[str, Template | None]:
    if text.startswith("!"):
        return text[1:], None
    name, _, value = text.partition(":")
    return name, Template(value, maps)
