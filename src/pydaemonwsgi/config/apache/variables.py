"""`Define`, `UnDefine` and `${VARIABLE}`. Sans-I/O.

As in httpd 2.4 a line is expanded once, as a whole, before it is split into words; what a variable holds is not
expanded again. A variable that was not defined is looked for in the environment, and stays as written if it is not
there either (`${map:key}`, with a colon, belongs to others and is left alone without a word).
"""

import re
from collections.abc import Callable, Iterable, Mapping

from pydaemonwsgi.config.apache.lines import LONGEST_LINE

__all__ = ["TooLongError", "Variables"]

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


class TooLongError(ValueError):
    """A line would become longer than anybody can mean."""


class Variables:
    """What is defined at the place that is being read.

    Args:
        defined: names without a value, as with httpd's `-D NAME`.
        environment: what a name means that is not defined.
    """

    def __init__(self, defined: Iterable[str] = (), environment: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, str | None] = dict.fromkeys(defined)
        self._environment = environment or {}

    def define(self, name: str, value: str | None) -> None:
        """Define a name; without a value it only counts for `<IfDefine>`."""
        self._values[name] = value

    def undefine(self, name: str) -> None:
        """Forget a name, if it was known."""
        self._values.pop(name, None)

    def is_defined(self, name: str) -> bool:
        """Whether `<IfDefine NAME>` is true; the environment does not count."""
        return name in self._values

    def expand(self, text: str, undefined: Callable[[str], None]) -> str:
        """Replace every `${NAME}`; tell `undefined` the names that nobody knows.

        Raises:
            TooLongError: the result is longer than a line may be; two lines that double each other make any length.
        """
        if "${" not in text:
            return text
        length = len(text)

        def value_of(match: re.Match[str]) -> str:
            nonlocal length
            name = match[1]
            value = self._values.get(name)
            if value is None:
                value = self._environment.get(name)
            if value is None:
                if ":" not in name:
                    undefined(name)
                return match[0]
            length += len(value)
            if length > LONGEST_LINE:
                raise TooLongError(f"its variables make the line longer than {LONGEST_LINE} characters")
            return value

        return _REFERENCE.sub(value_of, text)
