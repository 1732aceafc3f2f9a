"""`name=value` options behind a directive's words, split as mod_wsgi does it. Sans-I/O."""

import re
from collections.abc import Callable

from pydaemonwsgi.config.apache.words import BLANKS, next_word
from pydaemonwsgi.config.values import BadValueError

__all__ = ["read_options"]

_NAME = re.compile(r"([^\s=\"']*)(\s*)(=?)")


def read_options(text: str, most: int, warn: Callable[[str], None]) -> tuple[list[str], list[tuple[str, str]]]:
    """Words up to the first option, and the options in their order, the last of each name; a value may be quoted.

    Args:
        text: the arguments of a directive.
        most: how many words there may be before the options.
        warn: told of a name that is given twice.

    Raises:
        BadValueError: with a whole sentence.
    """
    words: list[str] = []
    rest = text.strip(BLANKS)
    while rest and len(words) < most:
        word, rest = next_word(rest)
        words.append(word)
    options: dict[str, str] = {}
    while rest:
        match = _NAME.match(rest)
        assert match is not None, "the pattern matches whatever comes"
        name, blanks, equals = match.groups()
        if not name or not equals:
            wrong = next_word(rest)[0]
            raise BadValueError(f"{wrong!r} is no option; options are written name=value")
        rest = rest[match.end() :]
        if blanks or rest[:1].isspace() or not rest:
            raise BadValueError(f"{name}: no blank may stand around the = of {name}=value, and a value must follow")
        value, rest = next_word(rest)
        if options.pop(name, None) is not None:
            warn(f"{name}= is given twice; the last one counts")
        options[name] = value
    return words, list(options.items())
