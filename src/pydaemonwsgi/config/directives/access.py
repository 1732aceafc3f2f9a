"""Directives that say who may have a resource. Sans-I/O."""

import ipaddress
import re

from pydaemonwsgi.config.directives.row import SECTIONS, Context, Line, Row
from pydaemonwsgi.config.model import AccessRule, Combination, Order, Require
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.values import BadValueError
from pydaemonwsgi.http.methods import METHODS

__all__ = ["ROWS", "unknown_method"]

_ACCESS = SECTIONS | {Context.LIMIT}
_REQUIRE = _ACCESS | {Context.REQUIRE}

_AUTHENTICATED = frozenset(
    "user group valid-user dbm-group dbd-group ldap-user ldap-group ldap-dn wsgi-group file-owner file-group".split()
)
_MERGING = {"off": None, "and": Combination.ALL, "or": Combination.ANY}
_ORDERS = {order.value.lower(): order for order in Order}


def _network(word: str) -> str:
    """An address or a network in full; `10.1`, as httpd allows it, is `10.1.0.0/16`."""
    partial = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,3}){0,2})\.?", word)
    if partial is not None:
        octets = partial[1].split(".")
        word = ".".join([*octets, "0", "0", "0"][:4]) + f"/{8 * len(octets)}"
    try:
        if "/" in word:
            return str(ipaddress.ip_network(word, strict=False))
        return str(ipaddress.ip_address(word))
    except ValueError:
        raise BadValueError(f"{word!r} is neither an IP address nor a network such as 10.0.0.0/8") from None


def _host_end(word: str) -> str:
    if not re.fullmatch(r"\.?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?", word):
        raise BadValueError(f"{word!r} is neither an address nor the end of a host name")
    return word.lower()


def _require(line: Line) -> None:
    words = list(line.words)
    negated = words[0].lower() == "not"
    if negated:
        words.pop(0)
    if not words:
        raise BadValueError("Require not: what?")
    provider, arguments = words[0].lower(), words[1:]
    if provider in _AUTHENTICATED:
        raise BadValueError(
            f"{provider!r} needs authentication, which the server does not do; let the application or the proxy do it"
        )
    if provider == "all":
        if [word.lower() for word in arguments] not in (["granted"], ["denied"]):
            raise BadValueError("give Require all granted or Require all denied")
        if negated:
            raise BadValueError("Require not all … is not allowed; give the other one of granted and denied")
        arguments = [arguments[0].lower()]
    elif provider == "ip":
        arguments = [_network(word) for word in _some(provider, arguments)]
    elif provider == "host":
        arguments = [_host_end(word) for word in _some(provider, arguments)]
    elif provider == "local":
        if arguments:
            raise BadValueError("Require local takes no argument")
    elif provider in ("env", "method"):
        arguments = _some(provider, arguments)
        if provider == "method":
            arguments = [word.upper() for word in arguments]
            for doubt in filter(None, map(unknown_method, arguments)):
                line.warn(doubt)
    elif provider == "expr":
        raise BadValueError("expressions are not supported; write SetEnvIf, and Require env with its variable")
    else:
        raise BadValueError(f"{words[0]!r} is not supported; give all, ip, host, local, env or method")
    place = line.place
    block = place.require if place.require is not None else place.settings.require
    block.position = block.position or line.position
    block.items.append(Require(provider, tuple(arguments), negated, place.methods, line.position))


def unknown_method(word: str) -> str | None:
    """What to say of a method that HTTP does not have; None of one that it has. httpd refuses the configuration."""
    if word.upper() in METHODS:
        return None
    return f"HTTP has no method {word}, so nobody sends it{nearest(word, METHODS)}"


def _merging(line: Line) -> None:
    word = line.words[0].lower()
    if word not in _MERGING:
        raise BadValueError(f"{line.words[0]!r} is not supported; give Off, And or Or")
    line.place.settings.require.merging = _MERGING[word]


def _some(provider: str, arguments: list[str]) -> list[str]:
    if not arguments:
        raise BadValueError(f"Require {provider} needs an argument")
    return arguments


def _order(line: Line) -> None:
    word = "".join(line.words)
    if word.lower() not in _ORDERS or len(line.words) > 1:
        raise BadValueError(f"{' '.join(line.words)!r} is no order; give Deny,Allow or Allow,Deny, without a blank")
    settings = line.place.settings
    settings.access_position = settings.access_position or line.position
    settings.orders.append((_ORDERS[word.lower()], line.place.methods))


def _allow_or_deny(line: Line) -> None:
    if line.words[0].lower() != "from":
        raise BadValueError(f"the word from is missing: {line.row.name} from {' '.join(line.words)}")
    settings = line.place.settings
    settings.access_position = settings.access_position or line.position
    for word in line.words[1:]:
        if word.lower() == "all":
            who = "all"
        elif word.lower().startswith("env="):
            who = f"env={word[4:]}"
            if who in ("env=", "env=!"):
                raise BadValueError(f"{word!r} names no variable")
        elif re.fullmatch(r"[0-9./]+|[0-9a-fA-F:./]*:[0-9a-fA-F:./]*", word):
            who = _network(word)
        else:
            who = _host_end(word)
        settings.access_rules.append(AccessRule(line.row.name == "Allow", who, line.place.methods, line.position))


ROWS = (
    Row(
        "Require",
        _REQUIRE,
        "[not] PROVIDER [ARGUMENT ...]",
        "Who may have the resource: all granted, all denied, ip, host, local, env, method.",
        _require,
        "all granted",
    ),
    Row(
        "AuthMerging",
        SECTIONS,
        "Off|And|Or",
        "Whether the context's Require lines replace those of the contexts before, or count together with them.",
        _merging,
        "Off",
    ),
    Row("<RequireAll>", _REQUIRE, "", "All of what stands in it must be fulfilled."),
    Row("<RequireAny>", _REQUIRE, "", "One of what stands in it must be fulfilled."),
    Row("<RequireNone>", _REQUIRE, "", "None of what stands in it may be fulfilled."),
    Row("<Limit>", SECTIONS, "METHOD ...", "Access directives in it count for these methods only."),
    Row("<LimitExcept>", SECTIONS, "METHOD ...", "Access directives in it count for all methods but these."),
    Row(
        "Order",
        _ACCESS,
        "Deny,Allow|Allow,Deny",
        "Which of Allow and Deny wins, and what counts for those whom neither names (httpd 2.2).",
        _order,
        "Deny,Allow",
    ),
    Row("Allow", _ACCESS, "from WHO ...", "Who may: all, addresses, host names, env=NAME (httpd 2.2).", _allow_or_deny),
    Row(
        "Deny",
        _ACCESS,
        "from WHO ...",
        "Who may not: all, addresses, host names, env=NAME (httpd 2.2).",
        _allow_or_deny,
    ),
)
