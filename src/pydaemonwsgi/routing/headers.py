"""`Header` and `RequestHeader`: how header fields are edited. Sans-I/O."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

from pydaemonwsgi.config.model import HeaderRule
from pydaemonwsgi.config.patterns import compile_pattern
from pydaemonwsgi.errors import ConfigurationError, OvertimeError
from pydaemonwsgi.routing.mistakes import MistakeError

__all__ = [
    "HeaderEdit",
    "HeaderEdits",
    "Headers",
    "Occasion",
    "ResponseEdit",
    "ResponseEdits",
    "apply_edits",
    "without_patterns",
]

_FORMAT: Final = re.compile(r"%(?:\{([^{}]*)\}([es])|([%tDlib]))")


class Occasion(NamedTuple):
    """What the formats of a value may ask for.

    Attributes:
        environment: of the request.
        received: when the request was received, microseconds since the epoch.
        duration: microseconds since then.
        status: of the answer.
        media_type: of what is answered with, where no header says it; "" if it is unknown.
    """

    environment: Mapping[str, str]
    received: int = 0
    duration: int = 0
    status: int = 200
    media_type: str = ""


Headers = list[tuple[str, str]]
_Value = Callable[[Occasion], str]


class ResponseEdit(Protocol):
    """What changes the headers of an answer.

    Attributes:
        always: for errors and redirects that the server answers itself, too.
        lasts: seconds for which it makes the same of the same headers: 0, one (the clock's next), or `math.inf`.
        name: of the header that it changes.
        searches: it compares what others have written with a pattern.
    """

    @property
    def always(self) -> bool: ...
    @property
    def lasts(self) -> float: ...
    @property
    def name(self) -> str: ...
    @property
    def searches(self) -> bool: ...

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Whether its condition holds."""

    def apply(self, headers: Headers, occasion: Occasion, request_headers: Mapping[str, str]) -> Headers:
        """Return the headers as edited."""


class HeaderEdit:
    """One line, compiled.

    Attributes:
        always, lasts, name, searches: see `ResponseEdit`.
        timed: its value changes with time.

    Raises:
        ConfigurationError: a format or pattern is wrong; the message begins with the place.
    """

    __slots__ = (
        "_names",
        "_regex",
        "_value",
        "action",
        "always",
        "condition",
        "lasts",
        "name",
        "of_request",
        "searches",
        "source",
        "timed",
    )

    def __init__(self, rule: HeaderRule) -> None:
        self.source = rule
        self.action = rule.action.lower()
        self.name = rule.name
        self.always = rule.always
        self.of_request = rule.of_request
        self.condition = rule.condition
        self._names: re.Pattern[str] | None = None
        self._regex: re.Pattern[str] | None = None
        self.searches = self.action in {"edit", "edit*", "echo"}
        written = rule.replacement if self.action in {"edit", "edit*"} else rule.value
        self.timed = self.action != "echo" and ("%t" in written or "%D" in written)
        # What `echo` makes depends on the request's headers.
        self.lasts = 0.0 if self.timed or self.action == "echo" else math.inf
        try:
            if self.condition is not None and self.condition.startswith("expr="):
                raise ConfigurationError("Header with expr=: expressions (ap_expr) are not offered here; use env=")
            if self.action == "echo":
                self._names = compile_pattern(rule.name, ignore_case=True)
            if self.action in {"edit", "edit*"}:
                self._regex = compile_pattern(rule.value, many=self.action == "edit*")
            self._value = _format(written)
        except ConfigurationError as error:
            raise MistakeError(rule.position, error) from error

    def applies(self, environment: Mapping[str, str]) -> bool:
        """Whether its `env=` condition holds."""
        if self.condition is None:
            return True
        if self.condition.startswith("!"):
            return self.condition[1:] not in environment
        return self.condition in environment

    def apply(self, headers: Headers, occasion: Occasion, request_headers: Mapping[str, str]) -> Headers:
        """Return the headers as edited."""
        lower = self.name.lower()
        match self.action:
            case "add":
                return [*headers, (self.name, self._value(occasion))]
            case "set":
                value = self._value(occasion)
                return [header for header in headers if header[0].lower() != lower] + [(self.name, value)]
            case "setifempty":
                if any(name.lower() == lower for name, _ in headers):
                    return headers
                return [*headers, (self.name, self._value(occasion))]
            case "unset":
                return [header for header in headers if header[0].lower() != lower]
            case "append" | "merge":
                return self._append(headers, self._value(occasion))
            case "edit" | "edit*" | "echo":
                try:
                    return self._search(headers, occasion, request_headers)
                except OvertimeError as error:
                    raise OvertimeError(f"{error}: {self._written()}") from error
            case _:
                return headers  # note: for the log only

    def _search(self, headers: Headers, occasion: Occasion, request_headers: Mapping[str, str]) -> Headers:
        if self.action == "echo":
            assert self._names is not None
            names = self._names
            echoed = [(name, value) for name, value in request_headers.items() if names.search(name)]
            return headers + [(name.title(), value) for name, value in echoed]
        lower = self.name.lower()
        return [
            (name, self._edited(value, occasion)) if name.lower() == lower else (name, value) for name, value in headers
        ]

    def _written(self) -> str:
        """Return the line as it was written, and where."""
        source = self.source
        directive = "RequestHeader" if source.of_request else "Header always" if source.always else "Header"
        words = (directive, source.action, source.name, source.value, source.replacement)
        return f"{' '.join(word for word in words if word)} ({source.position})"

    def _append(self, headers: Headers, value: str) -> Headers:
        lower = self.name.lower()
        places = [place for place, (name, _) in enumerate(headers) if name.lower() == lower]
        if not places:
            return [*headers, (self.name, value)]
        if self.action == "merge" and any(
            value == item.strip() for place in places for item in headers[place][1].split(",")
        ):
            return headers
        # To the first of several: what stands in lines of its own (cookies) is no list.
        first = places[0]
        name, old = headers[first]
        return [*headers[:first], (name, f"{old}, {value}"), *headers[first + 1 :]]

    def _edited(self, text: str, occasion: Occasion) -> str:
        assert self._regex is not None
        replacement = self._value(occasion)

        def substitute(match: "re.Match[str]") -> str:
            return re.sub(
                r"\$([0-9])|\\([$\\])",
                lambda found: found.group(2) or _group(match, int(found.group(1))),
                replacement,
            )

        return self._regex.sub(substitute, text, count=0 if self.action == "edit*" else 1)


def _group(match: "re.Match[str]", number: int) -> str:
    return (match.group(number) or "") if number <= match.re.groups else ""


def _format(text: str) -> _Value:
    """Return the function that completes a value."""
    if "%" not in text:
        return lambda _: text
    parts: list[str | _Value] = []
    position = 0
    while (percent := text.find("%", position)) >= 0:
        found = _FORMAT.match(text, percent)
        if found is None:
            raise ConfigurationError(f"{text!r}: a % is followed by none of {{NAME}}e, {{NAME}}s, t, D and %")
        parts.append(text[position:percent])
        position = found.end()
        variable, kind, single = found.groups()
        if variable is not None:
            # Variables of mod_ssl (%{…}s) are unknown without TLS; httpd writes (null) for what is unknown.
            parts.append(_variable(variable) if kind == "e" else "(null)")
        elif single == "%":
            parts.append("%")
        elif single == "t":
            parts.append(lambda occasion: f"t={occasion.received}")
        elif single == "D":
            parts.append(lambda occasion: f"D={occasion.duration}")
        else:
            raise ConfigurationError(f"{text!r}: load averages (%{single}) are not offered here")
    parts.append(text[position:])
    return lambda occasion: "".join([part if isinstance(part, str) else part(occasion) for part in parts])


def _variable(name: str) -> _Value:
    return lambda occasion: occasion.environment.get(name, "(null)")


HeaderEdits = tuple[HeaderEdit, ...]
ResponseEdits = tuple[ResponseEdit, ...]


def without_patterns(edits: ResponseEdits) -> ResponseEdits:
    """Return what may still be done where patterns have taken too long: nothing to the headers that they are about."""
    searched = {edit.name.lower() for edit in edits if edit.searches}
    return tuple(edit for edit in edits if edit.name.lower() not in searched)


def apply_edits(
    edits: ResponseEdits,
    headers: Headers,
    occasion: Occasion,
    *,
    error_page: bool = False,
    request_headers: Mapping[str, str] | None = None,
) -> Headers:
    """Return response headers with the edits applied, in their order.

    Args:
        edits: of the decision; those whose condition does not hold have been left out.
        error_page: the server itself answers with an error: only `always` edits count.
        request_headers: names in lower case, for `Header echo`.
    """
    for edit in edits:
        if not error_page or edit.always:
            headers = edit.apply(headers, occasion, request_headers or {})
    return headers
