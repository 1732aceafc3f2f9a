"""`name=value` options behind a directive's words, split as mod_wsgi does it. Sans-I/O."""

import re

from pydaemonwsgi.config.apache.words import BLANKS, next_word
from pydaemonwsgi.config.values import BadValueError

__all__ = ["read_options"]

_NAME = re.compile(r"([^\s=\"']*)(\s*)(=?)")


def read_options(text: str, most: int) -> tuple[list[str], list[tuple[str, str]]]:
    """Words up to the first option, and the options in their order; a value may be quoted.

    Args:
        text: the arguments of a directive.
        most: how many words there may be before the options.

    Raises:
        BadValueError: with a whole sentence.
    """
    words: list[str] = []
    rest = text.strip(BLANKS)
    while rest and len(words) < most:
        word, rest = next_word(rest)
        words.append(word)
    options: list[tuple[str, str]] = []
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
        if name in [given for given, _ in options]:
            raise BadValueError(f"{name}= is given twice; leave one out")
        options.append((name, value))
    return words, options
