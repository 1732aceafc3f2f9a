"""Regular expressions as httpd's users write them (PCRE), for Python's `re`. Sans-I/O.

Both engines agree on nearly everything. What differs is translated: `$` is the end only (httpd's default
`RegexDefaultOptions DOTALL DOLLAR_ENDONLY`), POSIX classes, `\\z`, `\\h`, `\\Q…\\E`, `(?<name>…)`, flags in the middle.
What `re` has not got (recursion, `\\K`, Unicode properties, branch reset) is an error that says so. Letters and their
case are ASCII's, as in httpd's "C" locale.
"""

import re
from functools import lru_cache
from typing import Final

from pydaemonwsgi.errors import ConfigurationError

__all__ = ["compile_pattern", "expand_groups", "literal_beginning"]

# Characters that mean themselves, wherever they stand. A `+` behind one leaves at least one of it.
_LITERAL: Final = re.compile(r"[A-Za-z0-9/_~%@:;,=&!\"'<> -]*")
_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "word": r"0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
# Escapes that mean something else in `re`, or nothing: outside a class, inside one (None: not possible there).
_ESCAPES: Final[dict[str, tuple[str, str | None]]] = {
    "e": (r"\x1b", r"\x1b"),
    "h": (r"[ \t]", r" \t"),
    "H": (r"[^ \t]", None),
    "v": (r"[\n-\r]", r"\n-\r"),
    "V": (r"[^\n-\r]", None),
    "N": (r"[^\n]", None),
    "R": (r"(?:\r\n|[\n-\r])", None),
    "z": (r"\Z", None),
    "Z": (r"(?=\n?\Z)", None),
}
_SAME: Final = frozenset("aAbBdDfnrsStwW")
_UNKNOWN: Final = {
    "K": r"\K",
    "G": r"\G",
    "X": r"\X",
    "C": r"\C",
    "p": r"Unicode properties (\p)",
    "P": r"Unicode properties (\P)",
}
_FLAGS: Final = re.compile(r"\(\?(?=[a-zA-Z-])([imsx]*)(?:-([imsx]+))?([:)])")
_BACK_REFERENCE: Final = re.compile(r"\\g(?:\{(-?\w+)\}|(-?[0-9]+))|\\k(?:<(\w+)>|\{(\w+)\}|'(\w+)')")
_HEX: Final = re.compile(r"\\x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{0,2}))")
_ANYTHING: Final = re.compile(r"(?:\((?:\?:|\?P?<[A-Za-z_]\w*>)?)*\.[*+](?!\+)")
# By which a later part depends on what the beginning has taken, or a dot on what is around; and what hides parentheses.
_REFERENCE_OR_FLAG: Final = re.compile(r"\\[1-9gkQE]|\(\?(?:P=|\(|#|[a-zA-Z-]+[):])|\(\*")
# Escapes and classes, so that what is in them is not taken for parentheses and branches; then these.
_STRUCTURE: Final = re.compile(r"\\.|\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]|\(|\)[{?*]?|\|", re.DOTALL)
_GROUP: Final = re.compile(r"\$(?:([0-9])|\{([0-9])\})|\\([$&\\])")


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str, *, ignore_case: bool = False, many: bool = False) -> re.Pattern[str]:
    """Return the pattern, for texts decoded as UTF-8 with surrogateescape.

    Args:
        pattern: as written for PCRE.
        ignore_case: ASCII's.
        many: it is going to be searched for behind its first match as well.

    Raises:
        ConfigurationError: it is no regular expression, or one that Python's `re` cannot express; the message
            says which part. Whoever knows the place in the file puts it in front.
    """
    flags = re.ASCII | re.DOTALL | (re.IGNORECASE if ignore_case else re.NOFLAG)
    try:
        translated = _Translator(pattern).translate()
        if not many and _begins_with_anything(pattern):
            translated = rf"\A(?:{translated})"
        return re.compile(translated, flags)
    except re.error as error:
        raise ConfigurationError(f"the regular expression {pattern!r} is wrong: {error.msg}") from error
    except (OverflowError, RecursionError) as error:
        raise ConfigurationError(f"the regular expression {pattern!r} is too large") from error


def _begins_with_anything(pattern: str) -> bool:
    """Whether a pattern fits at the beginning of every text that it fits anywhere, for it begins with `.*` or `.+`.

    PCRE knows it too, and looks nowhere else. Otherwise `(.*)\\.php$` would be tried at each character of a path: a
    second for one of 8000.
    """
    begin = _ANYTHING.match(pattern)
    if begin is None or _REFERENCE_OR_FLAG.search(pattern):
        return False
    lowest = depth = begin.group().count("(")
    for part in _STRUCTURE.finditer(pattern, begin.end()):
        if part.group() == "(":
            depth += 1
        elif part.group() == "|":
            if depth <= lowest:
                return False  # another branch beside what the pattern begins with
        elif part.group().startswith(")"):
            if depth <= lowest and part.group() != ")":
                return False  # it need not be there
            depth -= 1
            lowest = min(lowest, depth)
    return True


def literal_beginning(pattern: str) -> str | None:
    """Return what every text that a case-sensitive pattern matches begins with; None if that cannot be told.

    `^/old/([a-z]+)` gives `/old/`. It is used to pass over patterns without trying them.
    """
    if not pattern.startswith("^") or "|" in pattern:
        return None
    found = _LITERAL.match(pattern, 1)
    assert found is not None, "an empty text is literal too"
    end = found.end()
    if pattern[end : end + 1] in {"?", "*", "{"}:
        end -= 1  # the last character need not be there
    beginning = pattern[1:end]
    return beginning or None


def expand_groups(template: str, match: "re.Match[str]") -> str:
    """Return `template` with `$0` to `$9` replaced; a group that did not take part is empty."""
    if "$" not in template and "\\" not in template:
        return template

    def group(reference: "re.Match[str]") -> str:
        if (escaped := reference.group(3)) is not None:
            return escaped if escaped != "\\" else "\\\\"
        number = int(reference.group(1) or reference.group(2))
        return (match.group(number) or "") if number <= match.re.groups else ""

    return _GROUP.sub(group, template)


class _Translator:
    """One walk over a pattern. `_open` has, for each open group, the flag groups that were opened inside it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._position = 0
        self._output: list[str] = []
        self._open: list[list[str]] = [[]]
        self._groups = 0

    def translate(self) -> str:
        pattern = self._pattern
        while self._position < len(pattern):
            character = pattern[self._position]
            if character == "\\":
                self._escape()
            elif character == "[":
                self._class()
            elif character == "(":
                self._group()
            elif character == ")":
                self._output.append(")" * len(self._open.pop()) + ")")
                if not self._open:
                    raise self._error("it has a closing parenthesis too many")
                self._position += 1
            elif character == "|":
                # Flags that were set in the middle hold for the following branches too.
                flags = self._open[-1]
                self._output.append(")" * len(flags) + "|" + "".join(flags))
                self._position += 1
            elif character == "$":
                self._output.append("$" if self._has("m") else r"\Z")
                self._position += 1
            elif character == "{" and pattern.startswith("{,", self._position):
                self._output.append(r"\{")  # a quantifier in Python only
                self._position += 1
            elif character == "#" and self._has("x"):
                end = pattern.find("\n", self._position)
                self._position = len(pattern) if end < 0 else end
            else:
                self._output.append(character)
                self._position += 1
        if len(self._open) > 1:
            raise self._error("it has a parenthesis that is not closed")
        return "".join(self._output) + ")" * len(self._open[0])

    def _error(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"the regular expression {self._pattern!r} is wrong: {what}")

    def _cannot(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"the regular expression {self._pattern!r} uses {what}, which Python's regular expressions have not got; "
            "write it without"
        )

    def _has(self, flag: str) -> bool:
        for flags in reversed(self._open):
            for text in reversed(flags):
                on, _, off = text[2:-1].partition("-")
                if flag in on:
                    return True
                if flag in off:
                    return False
        return False

    def _escape(self, *, in_class: bool = False) -> None:
        pattern, start = self._pattern, self._position
        character = pattern[start + 1 : start + 2]
        if not character:
            raise self._error("it ends in a backslash")
        if character == "Q":
            end = pattern.find(r"\E", start + 2)
            self._output.append(re.escape(pattern[start + 2 : len(pattern) if end < 0 else end]))
            self._position = len(pattern) if end < 0 else end + 2
            return
        if character == "E":
            self._position += 2  # the end of nothing: ignored
            return
        if character == "x":
            found = _HEX.match(pattern, start)
            assert found is not None
            self._output.append(re.escape(chr(int(found.group(1) or found.group(2) or "0", 16))))
            self._position = found.end()
            return
        if character in "gk" and not in_class:
            self._back_reference()
            return
        if character == "c" and len(pattern) > start + 2:
            self._output.append(re.escape(chr(ord(pattern[start + 2].upper()) ^ 64)))
            self._position += 3
            return
        self._position += 2
        if character in _UNKNOWN:
            raise self._cannot(_UNKNOWN[character])
        if character in _ESCAPES:
            outside, inside = _ESCAPES[character]
            if in_class and inside is None:
                raise self._cannot(f"\\{character} inside brackets")
            self._output.append(outside if not in_class or inside is None else inside)
        elif character in _SAME or not (character.isascii() and character.isalpha()):
            self._output.append("\\" + character if character.isascii() else character)
        else:
            raise self._error(f"\\{character} means nothing")

    def _back_reference(self) -> None:
        found = _BACK_REFERENCE.match(self._pattern, self._position)
        if found is None:
            raise self._cannot(self._pattern[self._position : self._position + 2])
        reference = next(text for text in found.groups() if text is not None)
        if reference.lstrip("-").isdecimal():
            number = int(reference)
            number = self._groups + 1 + number if number < 0 else number
            self._output.append(f"(?:\\{number})")
        else:
            self._output.append(f"(?P={reference})")
        self._position = found.end()

    def _class(self) -> None:
        pattern = self._pattern
        self._output.append("[")
        self._position += 1
        if pattern.startswith("^", self._position):
            self._output.append("^")
            self._position += 1
        first = True
        while True:
            character = pattern[self._position : self._position + 1]
            if not character:
                raise self._error("it has a bracket that is not closed")
            if character == "]" and not first:
                self._output.append("]")
                self._position += 1
                return
            if character == "[" and pattern.startswith("[:", self._position):
                self._posix_class()
            elif character == "\\":
                self._escape(in_class=True)
            elif character == "-" and pattern.startswith("--", self._position):
                self._output.append(r"\--" if first else r"-\-")
                self._position += 2
            else:
                # `re` warns of what may become set operations one day.
                self._output.append("\\" + character if character in "[&|~]" else character)
                self._position += 1
            first = False

    def _posix_class(self) -> None:
        end = self._pattern.find(":]", self._position)
        name = self._pattern[self._position + 2 : end] if end >= 0 else ""
        inverted = name.startswith("^")
        members = _POSIX.get(name.removeprefix("^"))
        if members is None:
            if end >= 0 and name.isalpha():
                raise self._error(f"there is no class [:{name}:]")
            self._output.append(r"\[")
            self._position += 1
            return
        if inverted:
            raise self._cannot(f"[:{name}:]")
        self._output.append(members)
        self._position = end + 2

    def _group(self) -> None:
        pattern, start = self._pattern, self._position
        if pattern.startswith("(*", start):
            raise self._cannot("a verb such as (*COMMIT)")
        if not pattern.startswith("(?", start):
            self._groups += 1
            self._begin("(")
            return
        if (flags := _FLAGS.match(pattern, start)) is not None:
            on, off, end = flags.groups()
            text = f"(?{on}{'-' + off if off else ''}:" if on or off else "(?:"
            self._position = flags.end()
            self._output.append(text)
            if end == ":":
                self._open.append([])
                if on or off:
                    # The group's own parenthesis closes it; the flags are noted for what is inside.
                    self._open[-1].append(text)
                    self._output[-1] = "(?:" + text
            else:
                self._open[-1].append(text)
            return
        if pattern.startswith("(?#", start):
            end_of_comment = pattern.find(")", start)
            self._position = len(pattern) if end_of_comment < 0 else end_of_comment + 1
            return
        rest = pattern[start + 2 :]
        if named := re.match(r"(?:P?<([A-Za-z_]\w*)>|'([A-Za-z_]\w*)')", rest):
            self._groups += 1
            self._begin(f"(?P<{named.group(1) or named.group(2)}>", named.end() + 2)
        elif rest.startswith((":", "=", "!", ">")):
            self._begin(pattern[start : start + 3])
        elif rest.startswith(("<=", "<!")):
            self._begin(pattern[start : start + 4])
        elif reference := re.match(r"P=\w+\)", rest):
            self._output.append("(?" + reference.group())
            self._position += 2 + reference.end()
        elif condition := re.match(r"\((?:([0-9]+)|[<']?([A-Za-z_]\w*)[>']?)\)", rest):
            self._begin(f"(?({condition.group(1) or condition.group(2)})", condition.end() + 2)
        elif rest.startswith("|"):
            raise self._cannot("branch reset (?|")
        elif re.match(r"R|[0-9+-]|&|P>", rest):
            raise self._cannot("recursion")
        else:
            raise self._cannot(f"(?{rest[:1]}")

    def _begin(self, text: str, length: int | None = None) -> None:
        self._output.append(text)
        self._open.append([])
        self._position += len(text) if length is None else length
