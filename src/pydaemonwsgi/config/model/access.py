"""Who may have a resource: the `Require` family (2.4) and `Order`, `Allow`, `Deny` (2.2). Sans-I/O."""

from dataclasses import dataclass, field
from enum import Enum

from pydaemonwsgi.config.model.position import NOWHERE, Position

__all__ = [
    "AccessList",
    "AccessRule",
    "Combination",
    "Methods",
    "Order",
    "Require",
    "RequireBlock",
]


@dataclass(frozen=True, slots=True)
class Methods:
    """What `<Limit GET POST>` (or `<LimitExcept>`) says; `GET` includes `HEAD`, as in httpd."""

    names: frozenset[str]
    inverted: bool = False


class Combination(Enum):
    """How the requirements in a block count together; the value is httpd's section name."""

    ALL = "RequireAll"
    ANY = "RequireAny"
    NONE = "RequireNone"


@dataclass(frozen=True, slots=True)
class Require:
    """One `Require` line.

    Attributes:
        provider: `all` (argument `granted` or `denied`), `ip` (addresses, networks `10.0.0.0/8`, beginnings `10.1`),
            `host` (ends of host names), `local` (no argument), `env` (names of variables, one suffices),
            `method` (names of methods).
        arguments: as written, checked by the builder; partial addresses are completed to networks.
        negated: `Require not …`.
        methods: the `<Limit>` around it.
    """

    provider: str
    arguments: tuple[str, ...] = ()
    negated: bool = False
    methods: Methods | None = None
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class RequireBlock:
    """`<RequireAll>`, `<RequireAny>`, `<RequireNone>`; what stands in no block is an implicit `ANY`.

    Attributes:
        merging: `AuthMerging` of the context whose outermost block this is: `And` (ALL) and `Or` (ANY) combine it with
            the contexts before, None (`Off`) replaces them.
    """

    combination: Combination
    items: "tuple[Require | RequireBlock, ...]"
    position: Position = field(default=NOWHERE, compare=False)
    merging: Combination | None = None


class Order(Enum):
    """Which of Allow and Deny is asked last, and so wins and decides for those whom neither names."""

    DENY_ALLOW = "Deny,Allow"
    ALLOW_DENY = "Allow,Deny"
    MUTUAL_FAILURE = "Mutual-Failure"


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One operand of `Allow from` or `Deny from`.

    Attributes:
        allows: of `Allow`, not of `Deny`.
        who: `all`, an address, a network `10.0.0.0/8`, the end of a host name, or `env=NAME` or `env=!NAME`.
        methods: the `<Limit>` around it.
    """

    allows: bool
    who: str
    methods: Methods | None = None
    position: Position = field(default=NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class AccessList:
    """All `Order`, `Allow` and `Deny` of one context; a section's list replaces that of the sections before it.

    Attributes:
        orders: what `Order` says, and for which methods; the last that fits a method counts, `Deny,Allow` if none.
        rules: in the order of the file.
    """

    orders: tuple[tuple[Order, Methods | None], ...] = ()
    rules: tuple[AccessRule, ...] = ()
    position: Position = field(default=NOWHERE, compare=False)
