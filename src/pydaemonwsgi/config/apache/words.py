"""Words of a configuration line, quoted and not, as httpd's `ap_getword_conf` splits them. Sans-I/O.

Blanks separate words. A word that begins with a quotation mark ends at the next one of its kind, or at the end of the
line; a quotation mark inside a word is a character like others. A backslash stands for itself unless another
backslash follows, or, inside quotation marks, the mark: so `\\\\` and `\\"` are what `quote` needs.
"""

import re

__all__ = ["BLANKS", "is_closed", "next_word", "quote", "split_words"]

BLANKS = " \t\n\v\f\r"
"""What separates words: the "C" locale's isspace."""

_PLAIN = re.compile(r"[A-Za-z0-9_./:%{}()^$|*?+,=@~!&;\[\]-]+")
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_BARE = re.compile(r"[^ \t\n\v\f\r]*")
_QUOTED = {mark: re.compile(rf"((?:\\[{mark}\\]|[^{mark}])*)({mark}?)", re.DOTALL) for mark in "\"'"}
_ESCAPE = {"": re.compile(r"\\(\\)"), '"': re.compile(r'\\(["\\])'), "'": re.compile(r"\\(['\\])")}


def next_word(text: str) -> tuple[str, str]:
    """The first word and what follows it without the blanks between; ("", "") if there is none."""
    text = text.lstrip(BLANKS)
    mark = text[:1] if text[:1] in _QUOTED else ""
    if mark:
        match = _QUOTED[mark].match(text, 1)
        assert match is not None, "the pattern matches the empty text too"
        word = match[1]
    else:
        match = _BARE.match(text)
        assert match is not None, "the pattern matches the empty text too"
        word = match[0]
    if "\\" in word:
        word = _ESCAPE[mark].sub(r"\1", word)
    return word, text[match.end() :].lstrip(BLANKS)


def split_words(text: str) -> list[str]:
    """All words of a text."""
    if "\\" not in text and '"' not in text and "'" not in text:
        return _WORD.findall(text)
    words = []
    rest = text.strip(BLANKS)
    while rest:
        word, rest = next_word(rest)
        words.append(word)
    return words


def is_closed(text: str) -> bool:
    """Whether every quotation mark that begins a word is closed; httpd does not mind, people should."""
    rest = text.strip(BLANKS)
    while rest:
        mark = rest[0]
        if mark in _QUOTED:
            match = _QUOTED[mark].match(rest, 1)
            if match is None or not match[2]:
                return False
        rest = next_word(rest)[1]
    return True


def quote(word: str) -> str:
    """A text that is read back as this one word; with quotation marks only where they are needed.

    `${NAME}` in it is expanded when it is read back if NAME is defined: there is no way to write that literally.

    Raises:
        ValueError: the word holds a line's end or a NUL, which no configuration line can hold.
    """
    if any(character in word for character in "\n\0"):
        raise ValueError("a configuration line cannot hold a line's end or a NUL")
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
