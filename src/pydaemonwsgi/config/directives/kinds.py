"""Kinds of values that only directives have. Sans-I/O."""

from pydaemonwsgi.config.values import BadValueError, ValueKind

__all__ = ["choice", "flag", "text"]


def flag() -> ValueKind[bool]:
    """`On` or `Off`."""

    def parse(word: str) -> bool:
        if word.lower() not in ("on", "off"):
            raise BadValueError("is neither On nor Off")
        return word.lower() == "on"

    return ValueKind("On|Off", "On or Off", parse, lambda value: "On" if value else "Off")


def choice(*words: str) -> ValueKind[str]:
    """One of some words; the value is in lower case, the words are as httpd spells them."""
    spelling = {word.lower(): word for word in words}

    def parse(word: str) -> str:
        if word.lower() not in spelling:
            raise BadValueError("is not one of them")
        return word.lower()

    *most, last = words
    return ValueKind("|".join(words), f"{', '.join(most)} or {last}", parse, lambda value: spelling[value])


def text(metavar: str, accepted: str = "a text", *, off: str = "") -> ValueKind[str]:
    """Any text that is not empty; the word `off`, if one is given, stands for the empty text."""

    def parse(word: str) -> str:
        if not word:
            raise BadValueError("is empty")
        return "" if off and word.lower() == off.lower() else word

    return ValueKind(metavar, accepted, parse, lambda value: value or off)
