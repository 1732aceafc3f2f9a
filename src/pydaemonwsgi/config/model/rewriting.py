"""The rewrite directives of one context. Sans-I/O.

Regular expressions are kept as text; `config.patterns` translates PCRE to Python's.
"""

from dataclasses import dataclass, field

from pydaemonwsgi.config.model.position import NOWHERE, Position

__all__ = ["Rewrite", "RewriteCondition", "RewriteFlag", "RewriteMap", "RewriteRule"]


@dataclass(frozen=True, slots=True)
class RewriteCondition:
    """`RewriteCond TEST PATTERN [flags]`.

    Attributes:
        test: the text with `%{VARIABLE}`, `$N`, `%N` in it, unexpanded.
        pattern: without its `!`: a regular expression, or `-f`, `=text`, `-eq 1` and their like, as written.
        negated: the pattern began with `!`.
        ignore_case: flag NC.
        or_next: flag OR: this or the next condition suffices.
        varies: a header that the test looks at is named in the answer's Vary; not with flag NV.
    """

    test: str
    pattern: str
    negated: bool = False
    ignore_case: bool = False
    or_next: bool = False
    position: Position = field(default=NOWHERE, compare=False)
    varies: bool = True


@dataclass(frozen=True, slots=True)
class RewriteFlag:
    """A flag in its short upper-case form (`L`, `END`, `PT`, `R`, `E` …) and what follows its `=` (or "").

    `R` always has its status as a number, and `S` and `N` a number if one was given. `R=404` has no substitution.
    """

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class RewriteRule:
    """`RewriteRule PATTERN SUBSTITUTION [flags]` with the conditions that stand before it.

    Attributes:
        pattern: the regular expression without its `!`.
        substitution: as written, unexpanded; `-` leaves the path alone.
        negated: the pattern began with `!`.
    """

    pattern: str
    substitution: str
    negated: bool = False
    flags: tuple[RewriteFlag, ...] = ()
    conditions: tuple[RewriteCondition, ...] = ()
    position: Position = field(default=NOWHERE, compare=False)

    def has(self, flag: str) -> bool:
        """Whether it carries a flag, named in its short form."""
        return any(given.name == flag for given in self.flags)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """All rewrite directives of one context; a section's rules replace those before it unless it inherits them.

    Attributes:
        engine: `RewriteEngine`; None where it is not written, which means what it inherits, at last Off.
        base: `RewriteBase`.
        options: of `RewriteOptions`, in lower case.
        rules: in the order of the file.
        directory: the path of the `<Directory>` that they stand in, whose length is cut off before matching;
            None in server and host context.
    """

    engine: bool | None = None
    base: str | None = None
    options: frozenset[str] = frozenset()
    rules: tuple[RewriteRule, ...] = ()
    directory: str | None = None
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class RewriteMap:
    """`RewriteMap NAME KIND:SOURCE`.

    Attributes:
        kind: `int`, `txt` or `rnd`.
        source: of `int` the function's name, otherwise the file.
    """

    name: str
    kind: str
    source: str
    position: Position = field(default=NOWHERE, compare=False)
