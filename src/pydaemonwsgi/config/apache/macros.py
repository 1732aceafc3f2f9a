"""`<Macro>`, `Use`, `UndefMacro`: lines that are written once and read several times. Sans-I/O.

As in mod_macro a macro is text: where a parameter's name stands in a line, whatever is around it, its value takes its
place; where several names fit, the longest; and what is put in is not looked at again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydaemonwsgi.config.apache.lines import LONGEST_LINE, LogicalLine
from pydaemonwsgi.config.apache.words import next_word
from pydaemonwsgi.config.model.position import Position
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.values import BadValueError

__all__ = ["MOST_LINES", "Macro", "Macros"]

MOST_LINES = 1_000_000
"""Lines that macros may make; two that use each other's results ten times over make any number."""


@dataclass(slots=True)
class Macro:
    """One macro; while it is read, `lines` grows.

    Attributes:
        depth: of `<Macro>` inside of it, which are lines like others until it is used.
    """

    name: str
    parameters: tuple[str, ...]
    position: Position
    lines: list[LogicalLine] = field(default_factory=list)
    depth: int = 0

    def take(self, line: LogicalLine) -> bool:
        """Take one more line; return False for the one that ends the macro."""
        text = line.text.lower()
        if text.startswith("</macro") and text[7:].lstrip().startswith(">"):
            if not self.depth:
                return False
            self.depth -= 1
        elif next_word(text)[0].rstrip(">") == "<macro":
            self.depth += 1
        self.lines.append(line)
        return True


class Macros:
    """The macros that are defined at the place that is being read."""

    def __init__(self) -> None:
        self._macros: dict[str, Macro] = {}
        self._lines = 0

    def begin(self, words: Sequence[str], position: Position) -> Macro:
        """Return the macro whose lines follow.

        Raises:
            BadValueError: it cannot be meant; with a whole sentence.
        """
        if not words or not words[0]:
            raise BadValueError("the macro's name is missing; write <Macro NAME $PARAMETER>")
        name, *parameters = words
        for number, parameter in enumerate(parameters):
            if not parameter:
                raise BadValueError("the name of a parameter is empty")
            if parameter in parameters[:number]:
                raise BadValueError(f"the parameter {parameter} is named twice")
        return Macro(name, tuple(parameters), position)

    def define(self, macro: Macro) -> Macro | None:
        """Add a macro whose end has been read; return the one that had its name before."""
        before = self._macros.get(macro.name.lower())
        self._macros[macro.name.lower()] = macro
        return before

    def undefine(self, words: Sequence[str]) -> None:
        """Forget a macro.

        Raises:
            BadValueError: there is none; with a whole sentence.
        """
        if len(words) != 1:
            raise BadValueError("takes one argument: UndefMacro NAME")
        del self._macros[self._find(words[0]).name.lower()]

    def use(self, words: Sequence[str], position: Position) -> list[LogicalLine]:
        """Return the lines that a `Use` stands for; each knows where it was written, and where it is used.

        Raises:
            BadValueError: there is no such macro, or it cannot be used so; with a whole sentence.
        """
        if not words:
            raise BadValueError("takes the name of a macro, and a value for each of its parameters")
        macro, values = self._find(words[0]), words[1:]
        if len(values) != len(macro.parameters):
            wanted = " ".join(("Use", macro.name, *macro.parameters))
            count = len(macro.parameters)
            raise BadValueError(
                f"{macro.name} ({macro.position}) takes {count} value{'' if count == 1 else 's'}, not {len(values)}: "
                f"{wanted}; quote a value that holds blanks"
            )
        self._lines += len(macro.lines)
        if self._lines > MOST_LINES:
            raise BadValueError(f"macros make more than {MOST_LINES} lines")
        return [
            LogicalLine(text, replace(line.position, used_at=position))
            for line, text in zip(macro.lines, self._texts(macro, values), strict=True)
        ]

    @staticmethod
    def _texts(macro: Macro, values: Sequence[str]) -> list[str]:
        if not macro.parameters:
            return [line.text for line in macro.lines]
        by_name = dict(zip(macro.parameters, values, strict=True))
        longest_first = sorted(macro.parameters, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, longest_first)))
        return [_replaced(line.text, pattern, by_name) for line in macro.lines]

    def _find(self, name: str) -> Macro:
        macro = self._macros.get(name.lower())
        if macro is None:
            names = [one.name for one in self._macros.values()]
            hint = nearest(name, names) or "; it must be written before it is used"
            raise BadValueError(f"there is no macro {name!r}{hint}")
        return macro


def _replaced(text: str, pattern: re.Pattern[str], values: Mapping[str, str]) -> str:
    length = len(text)

    def value_of(match: re.Match[str]) -> str:
        nonlocal length
        value = values[match[0]]
        length += len(value)
        if length > LONGEST_LINE:
            raise BadValueError(f"the values make a line longer than {LONGEST_LINE} characters")
        return value

    return pattern.sub(value_of, text)
