"""One option: the row of the option table, and how the field that it derives from is written. Sans-I/O."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, TypeVar

from pydaemonwsgi.config import values
from pydaemonwsgi.config.values import BadValueError, ValueKind
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["Option", "Scope", "option", "rows", "timeout"]

Default = TypeVar("Default")


class Scope(Enum):
    """What a value of an option is for; it says where a configuration file may give it."""

    APPLICATION = "one script: what it is and where it is found"
    GROUP = "one process group: an option of WSGIDaemonProcess"
    FRONT = "the front: listeners and clients"
    SERVER = "the server as a whole"


def option(
    default: Default,
    meaning: str,
    kind: ValueKind[Any] | None = None,
    *,
    heading: str,
    unit: str = "",
    zero: str = "",
    unset: str = "",
    metavar: str | None = None,
    repeatable: bool = False,
    flag: str | None = None,
    scope: Scope | None = None,
) -> Default:
    """A dataclass field that is an option; the arguments are the attributes of `Option`."""
    metadata: dict[str, Any] = {
        "meaning": meaning,
        "kind": kind,
        "heading": heading,
        "unit": unit,
        "zero": zero,
        "unset": unset,
        "metavar": metavar or (kind.metavar if kind is not None else ""),
        "repeatable": repeatable,
        "own_flag": flag,
    }
    if scope is not None:
        metadata["scope"] = scope
    return field(default=default, metadata=metadata)


def timeout(default: float, meaning: str, *, zero: str = "no timeout") -> float:
    """An option that bounds a wait."""
    return option(default, meaning, values.duration(), heading="Timeouts", zero=zero)


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the table: a field of an options class and what derives from it.

    Attributes:
        name: the field's name.
        scope: what a value of it is for.
        default: the field's default; MISSING for SCRIPT.
        meaning: one plain sentence for --help and the reference page.
        kind: how a value is read and written; None for an option that is only on or off.
        heading: the heading under which --help and the reference page show it.
        unit: what a plain number counts.
        zero: what 0 means, where that is not simply none.
        unset: what a default that is no value stands for.
        metavar: what stands for the value in --help.
        repeatable: given again, it adds to what was given before; `kind` then reads and writes tuples.
        own_flag: the flag, where it does not derive from the name.
    """

    name: str
    scope: Scope
    default: object
    meaning: str
    kind: ValueKind[Any] | None
    heading: str
    unit: str = ""
    zero: str = ""
    unset: str = ""
    metavar: str = ""
    repeatable: bool = False
    own_flag: str | None = None

    @property
    def flag(self) -> str:
        """What the user writes: `--queue-timeout`; SCRIPT for the positional argument."""
        return self.own_flag or f"--{self.name.replace('_', '-')}"

    @property
    def daemon_option(self) -> str | None:
        """Its name as an option of `WSGIDaemonProcess`, such as `queue-timeout`; None for what is none there."""
        return self.name.replace("_", "-") if self.scope is Scope.GROUP else None

    @property
    def is_positional(self) -> bool:
        """Whether it is written without a flag."""
        return not self.flag.startswith("-")

    @property
    def default_text(self) -> str:
        """The default in words."""
        if self.kind is None:
            return "off"
        if self.default is None or self.default == ():
            return self.unset
        if self.default == 0:
            return f"0: {self.zero}"
        return " ".join(filter(None, (self.kind.render(self.default), self.unit)))

    def parse(self, text: str) -> Any:
        """The value that a text means; for a repeatable option, a tuple of them.

        Raises:
            ConfigurationError: naming the option, the text and what to give instead.
        """
        assert self.kind is not None, "an option that is only on or off has no text"
        try:
            return self.kind.parse(text)
        except BadValueError as error:
            line = f"{self.flag}: {text!r} {error}; give {self.kind.accepted}"
            raise ConfigurationError(line) from None

    def render(self, value: Any) -> tuple[str, ...]:
        """The texts that mean a value: one, or one per entry if the option is repeatable."""
        assert self.kind is not None, "an option that is only on or off has no text"
        if self.repeatable:
            return tuple(self.kind.render((entry,)) for entry in value)
        return (self.kind.render(value),)


def rows(options_class: type, scope: Scope) -> Iterator[Option]:
    """The rows of the fields that a dataclass has itself, not from its bases; `scope` where a field names none."""
    own = inspect.get_annotations(options_class)
    for row in fields(options_class):
        if row.name in own:
            yield Option(row.name, default=row.default, **{"scope": scope, **row.metadata})
