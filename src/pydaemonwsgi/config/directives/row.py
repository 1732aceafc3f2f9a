"""A row of the directive table: what httpd calls a `command_rec`. Sans-I/O."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from pydaemonwsgi.config.apache.tree import Node
from pydaemonwsgi.config.directives.drafts import Draft, Place
from pydaemonwsgi.config.model.position import Position
from pydaemonwsgi.config.values import BadValueError, ValueKind

__all__ = [
    "ANYWHERE",
    "HOSTS",
    "SECTIONS",
    "SERVER",
    "Context",
    "Line",
    "Row",
    "Support",
    "noted",
    "parsed",
    "refused",
    "setting",
]


class Context(Enum):
    """Where a directive may stand; the value is how messages call it."""

    SERVER = "the server's own configuration"
    HOST = "<VirtualHost>"
    DIRECTORY = "<Directory>"
    LOCATION = "<Location>"
    FILES = "<Files>"
    LIMIT = "<Limit>"
    REQUIRE = "<RequireAny>"
    INTERPRETER = "<WSGIInterpreterOptions>"


SERVER = frozenset({Context.SERVER})
HOSTS = frozenset({Context.SERVER, Context.HOST})
SECTIONS = frozenset({Context.DIRECTORY, Context.LOCATION, Context.FILES})
ANYWHERE = HOSTS | SECTIONS


class Support(Enum):
    """What becomes of a directive."""

    OBEYED = "obeyed"
    NOTED = "accepted without effect"
    REFUSED = "refused"


@dataclass(slots=True)
class Line:
    """A directive where it stands, while it is being obeyed.

    Attributes:
        words: the arguments; as many as the row allows.
        place: the drafts that it writes to.
        draft: the draft of the whole server.
    """

    row: "Row"
    node: Node
    words: list[str]
    place: Place
    draft: Draft

    @property
    def position(self) -> Position:
        """Where it was written."""
        return self.node.position

    def word(self, index: int) -> str | None:
        """An argument that may be missing."""
        return self.words[index] if index < len(self.words) else None

    def path(self, text: str) -> str:
        """A file name, completed with the server's root."""
        return self.draft.path(text)

    def value(self, kind: "ValueKind[Value]", text: str, name: str = "") -> "Value":
        """The value of a text; seconds beyond the most there are count as the most, for httpd takes any number.

        Args:
            kind: what it is a value of.
            text: as it is written.
            name: what stands in front of it.

        Raises:
            BadValueError: with the whole sentence.
        """
        if kind.longest is None or not re.fullmatch("[0-9]+", text) or float(text) <= kind.longest:
            return parsed(kind, text)
        value = parsed(kind, f"{kind.longest:.0f}")
        self.warn(f"{name}{text} is more than there is; it counts as {kind.render(value)}")
        return value

    def warn(self, text: str) -> None:
        """Note what works, but hardly as it was meant."""
        self.draft.problems.warning(self.position, self.node.title, text)

    def info(self, text: str) -> None:
        """Note what is worth knowing."""
        self.draft.problems.info(self.position, self.node.title, text)


Apply = Callable[[Line], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One directive.

    Attributes:
        name: as httpd spells it; case does not count when it is read. Sections are written `<Directory>`.
        contexts: where it may stand.
        usage: the arguments; `[x]` may be missing, `...` stands for more of the kind before it.
        meaning: one sentence for the reference page; why, for one that is not obeyed.
        apply: writes it into the drafts; raises BadValueError with a whole sentence. None where the reader or
            the builder does it.
        default: what counts where it is not written, in words.
        support: what becomes of it.
        heading: under which the reference page shows it; given by the table.
        raw: the arguments are not split into words; `apply` does it.
        value: for a directive that sets one value: which field, and how its text is read and written.
    """

    name: str
    contexts: frozenset[Context]
    usage: str
    meaning: str
    apply: Apply | None = None
    default: str = ""
    support: Support = Support.OBEYED
    heading: str = ""
    raw: bool = False
    value: "tuple[str, ValueKind[Any]] | None" = None
    arity: tuple[int, int | None] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "arity", _arity(self.usage))

    @property
    def is_section(self) -> bool:
        """Whether it is written with angle brackets."""
        return self.name.startswith("<")

    def check_words(self, words: list[str]) -> None:
        """Refuse too few and too many arguments.

        Raises:
            BadValueError: saying how many there may be.
        """
        least, most = self.arity
        if least <= len(words) and (most is None or len(words) <= most):
            return
        amount = (
            "no argument" if most == 0
            else f"{_count(least)} or more" if most is None
            else _count(least) if least == most
            else f"{least} to {most} arguments"
        )  # fmt: skip
        raise BadValueError(f"takes {amount}, not {len(words)}: {self.name} {self.usage}".rstrip(": "))


def _count(number: int) -> str:
    return f"{number} argument" + ("" if number == 1 else "s")


def _arity(usage: str) -> tuple[int, int | None]:
    least = most = 0
    for part in _tokens(usage):
        inside = _tokens(part[1:-1]) if _is_optional(part) else None
        if part == "..." or (inside is not None and "..." in inside):
            return least, None
        least += inside is None
        most += 1 if inside is None else len(inside)
    return least, most


def _tokens(usage: str) -> list[str]:
    """The words of a usage; a blank inside brackets separates none."""
    return re.findall(r"(?:\[(?:[^][]|\[[^][]*\])*\]|[^ ])+", usage)


def _is_optional(part: str) -> bool:
    """Whether one pair of brackets is around all of it: `[a [b]]`, not `[a]b[c]`."""
    return re.fullmatch(r"\[(?:[^][]|\[[^][]*\])*\]", part) is not None


Value = TypeVar("Value")


def parsed(kind: ValueKind[Value], text: str) -> Value:
    """The value of a text, or a sentence that says what to give.

    Raises:
        BadValueError: with the whole sentence.
    """
    try:
        return kind.parse(text)
    except BadValueError as error:
        raise BadValueError(f"{text!r} {error}; give {kind.accepted}") from None


def setting(
    name: str,
    contexts: frozenset[Context],
    field_name: str,
    kind: ValueKind[Any],
    meaning: str,
    *,
    usage: str = "",
    default: str = "",
) -> Row:
    """A directive whose one argument becomes one field of `Settings`."""

    def apply(line: Line) -> None:
        line.place.settings.put(field_name, parsed(kind, line.words[0]), line.position)

    return Row(name, contexts, usage or kind.metavar, meaning, apply, default, value=(field_name, kind))


def noted(names: str, why: str) -> tuple[Row, ...]:
    """Directives that are accepted anywhere, with any arguments, and change nothing."""
    return tuple(Row(name, ANYWHERE, "...", why, support=Support.NOTED, raw=True) for name in names.split())


def refused(names: str, why: str) -> tuple[Row, ...]:
    """Directives that ask for something that would be missed if it were left out."""
    return tuple(Row(name, ANYWHERE, "...", why, support=Support.REFUSED, raw=True) for name in names.split())
