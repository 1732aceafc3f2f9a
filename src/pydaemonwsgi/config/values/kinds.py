"""A kind of value: what a text means, and how a value is written. Sans-I/O.

A parser raises `BadValueError` with the end of the sentence "'<text>' ..."; whoever knows the option's name
puts the rest around it. Every `render` writes a text that its `parse` reads back.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["BadValueError", "ValueKind", "bounds", "has_control", "parse_path", "within"]


Value = TypeVar("Value")


class BadValueError(Exception):
    """A text does not name a value of its kind; the message ends the sentence "'<text>' ..."."""


@dataclass(frozen=True, slots=True)
class ValueKind(Generic[Value]):
    """One kind of value.

    Attributes:
        metavar: what stands for the value in `--help`.
        accepted: what may be given; ends the sentence "give ...".
        parse: reads a text; raises BadValueError.
        render: writes a text that `parse` reads back.
        longest: of a time, the most seconds there are.
    """

    metavar: str
    accepted: str
    parse: Callable[[str], Value]
    render: Callable[[Value], str]
    longest: float | None = None


Number = TypeVar("Number", int, float)


def within(value: Number, minimum: Number, maximum: Number | None) -> Number:
    """Return a number that lies within bounds, both included.

    Raises:
        BadValueError: it does not.
    """
    if value < minimum:
        raise BadValueError("is too small")
    if maximum is not None and value > maximum:
        raise BadValueError("is too large")
    return value


def bounds(minimum: int, maximum: int | None, render: Callable[[int], str]) -> str:
    """Return the bounds in words, for `accepted`."""
    return f"{render(minimum)} or more" if maximum is None else f"{render(minimum)} to {render(maximum)}"


def has_control(text: str) -> bool:
    """Whether there is a control character, which would end a line or worse."""
    return any(ord(character) < 32 or ord(character) == 127 for character in text)


def parse_path(text: str) -> str:
    """Return what the kernel takes for a path.

    Raises:
        BadValueError: it takes no such thing.
    """
    if not text:
        raise BadValueError("is empty")
    if "\0" in text:
        raise BadValueError("holds a NUL character")
    return text
