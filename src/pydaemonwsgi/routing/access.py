"""Who may have a resource: `Require` and its blocks (2.4), `Order`, `Allow`, `Deny` (2.2). Sans-I/O.

Where both families are written, both must let the request pass, as in httpd with mod_access_compat.
"""

import ipaddress
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

from pydaemonwsgi.config.model import (
    AccessList,
    Combination,
    Methods,
    Order,
    Position,
    Require,
    RequireBlock,
)
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.request import Request

__all__ = ["AccessCheck", "Verdict", "compile_access", "needs_remote_host", "read_network"]


class Verdict(Enum):
    """What a requirement says; a block combines what its items say."""

    GRANTED = "granted"
    DENIED = "denied"
    NEUTRAL = "no opinion"


AccessCheck = Callable[[Request], bool]
_Check = Callable[[Request], Verdict]
_Predicate = Callable[[Request], bool]
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LOOPBACK: Final = ("127.0.0.0/8", "::1/128")


def read_network(text: str) -> _Network:
    """Return the network of an address, a network, or the beginning of an IPv4 address (`10.1`).

    Raises:
        ConfigurationError: it is none of them.
    """
    host, slash, mask = text.partition("/")
    parts = host.removesuffix(".").split(".")
    try:
        if len(parts) < 4 and all(part.isdecimal() for part in parts):
            padded = ".".join(parts + ["0"] * (4 - len(parts)))
            return ipaddress.ip_network(f"{padded}/{mask if slash else 8 * len(parts)}", strict=False)
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no IP address and no network; write 10.1.2.3 or 10.0.0.0/8") from error


def _in_networks(networks: Iterable[_Network]) -> _Predicate:
    """Return the test; addresses and masks are compared as numbers, an IPv4 address in IPv6 form as IPv4."""
    four: list[tuple[int, int]] = []
    six: list[tuple[int, int]] = []
    for network in networks:
        (four if network.version == 4 else six).append((int(network.network_address), int(network.netmask)))

    def test(request: Request) -> bool:
        try:
            address = ipaddress.ip_address(request.fact("remote_address").partition("%")[0])
        except ValueError:
            return False  # a Unix socket
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is None:
                number = int(address)
                return any(number & mask == base for base, mask in six)
            address = address.ipv4_mapped
        number = int(address)
        return any(number & mask == base for base, mask in four)

    return test


def _in_domain(names: Iterable[str]) -> _Predicate:
    wanted = tuple((name.lower().lstrip("."), "." + name.lower().lstrip(".")) for name in names)

    def test(request: Request) -> bool:
        host = request.fact("checked_host").lower()
        return any(host == name or host.endswith(suffix) for name, suffix in wanted)

    return test


def _is_local(request: Request) -> bool:
    address = request.fact("remote_address")
    return not address or _LOCAL(request) or address == request.fact("local_address")


_LOCAL: Final = _in_networks([ipaddress.ip_network(text) for text in _LOOPBACK])


def _predicate(require: Require) -> _Predicate:
    arguments = require.arguments
    match require.provider:
        case "all":
            granted = arguments[0] == "granted"
            return lambda _: granted
        case "ip":
            return _in_networks([read_network(argument) for argument in arguments])
        case "host":
            return _in_domain(arguments)
        case "local":
            return _is_local
        case "env":
            return lambda request: any(name in request.environment for name in arguments)
        case "method":
            methods = frozenset(arguments)
            return lambda request: request.facts.method in methods
        case _:
            raise ConfigurationError(
                f"there is no Require {require.provider}; there are all, ip, host, local, env, method"
            )


def _counts(methods: Methods | None, method: str) -> bool:
    """Whether what stands in `<Limit>` counts for a method; HEAD is GET."""
    if methods is None:
        return True
    return (("GET" if method == "HEAD" else method) in methods.names) is not methods.inverted


def _requirement(require: Require) -> _Check:
    try:
        test = _predicate(require)
    except ConfigurationError as error:
        raise MistakeError(require.position, error) from error
    negated, methods = require.negated, require.methods
    if require.provider == "method" and "GET" in require.arguments and "HEAD" not in require.arguments:
        test = _predicate(Require("method", (*require.arguments, "HEAD")))

    def check(request: Request) -> Verdict:
        if methods is not None and not _counts(methods, request.facts.method):
            return Verdict.NEUTRAL
        passed = test(request)
        if negated:
            return Verdict.DENIED if passed else Verdict.NEUTRAL
        return Verdict.GRANTED if passed else Verdict.DENIED

    def traced(request: Request) -> Verdict:
        verdict = check(request)
        if request.trace is not None:
            text = f"Require {'not ' if negated else ''}{' '.join((require.provider, *require.arguments))}"
            request.trace.note("access", f"{text}: {verdict.value}", require.position)
        return verdict

    return traced


def _block(block: RequireBlock) -> _Check:
    for item in block.items:
        # Neither can ever let anybody in by itself; httpd refuses both here.
        if block.combination is not Combination.ALL and (
            item.combination is Combination.NONE if isinstance(item, RequireBlock) else item.negated
        ):
            what = "<RequireNone>" if isinstance(item, RequireBlock) else "Require not"
            raise MistakeError(
                item.position,
                f"{what} has no effect in <{block.combination.value}>; put it into <RequireAll> "
                "with Require all granted",
            )
    checks = [_block(item) if isinstance(item, RequireBlock) else _requirement(item) for item in block.items]
    match block.combination:
        case Combination.ALL:

            def check_all(request: Request) -> Verdict:
                verdict = Verdict.NEUTRAL
                for check in checks:
                    one = check(request)
                    if one is Verdict.DENIED:
                        return one
                    if one is Verdict.GRANTED:
                        verdict = one
                return verdict

            return check_all
        case Combination.ANY:

            def check_any(request: Request) -> Verdict:
                verdict = Verdict.NEUTRAL
                for check in checks:
                    one = check(request)
                    if one is Verdict.GRANTED:
                        return one
                    if one is Verdict.DENIED:
                        verdict = one
                return verdict

            return check_any
        case Combination.NONE:

            def check_none(request: Request) -> Verdict:
                if any(check(request) is Verdict.GRANTED for check in checks):
                    return Verdict.DENIED
                return Verdict.NEUTRAL

            return check_none


def _applies(block: RequireBlock, method: str) -> bool:
    """Whether any requirement counts for the method; without one, everybody is let in."""
    return any(
        _applies(item, method) if isinstance(item, RequireBlock) else _counts(item.methods, method)
        for item in block.items
    )


def _has_limits(block: RequireBlock) -> bool:
    return any(
        _has_limits(item) if isinstance(item, RequireBlock) else item.methods is not None for item in block.items
    )


def _who(who: str) -> _Predicate:
    if who == "all":
        return lambda _: True
    if who.startswith("env=!"):
        absent = who[5:]
        return lambda request: absent not in request.environment
    if who.startswith("env="):
        name = who[4:]
        return lambda request: name in request.environment
    try:
        return _in_networks([read_network(who)])
    except ConfigurationError:
        return _in_domain([who])


def _list_check(access: AccessList) -> AccessCheck:
    rules = []
    for rule in access.rules:
        try:
            rules.append((rule, _who(rule.who)))
        except ConfigurationError as error:
            raise MistakeError(rule.position, error) from error

    def named(request: Request, *, allows: bool) -> Position | None:
        for rule, test in rules:
            if rule.allows is allows and _counts(rule.methods, request.facts.method) and test(request):
                return rule.position
        return None

    def check(request: Request) -> bool:
        order = Order.DENY_ALLOW
        for written, methods in access.orders:
            if _counts(methods, request.facts.method):
                order = written
        if order is Order.DENY_ALLOW:
            decisive = named(request, allows=False)
            if decisive is not None:
                allowed = named(request, allows=True)
                passed, decisive = allowed is not None, allowed or decisive
            else:
                passed = True
        else:
            decisive = named(request, allows=True)
            passed = decisive is not None
            if decisive is not None:
                denied = named(request, allows=False)
                passed, decisive = denied is None, denied or decisive
        if request.trace is not None:
            text = f"Order {order.value}: {'allowed' if passed else 'denied'}"
            request.trace.note("access", text, decisive or access.position)
        return passed

    return check


def compile_access(require: RequireBlock | None, access: AccessList | None) -> AccessCheck | None:
    """Return the test of a context, or None if everybody is let in.

    Raises:
        ConfigurationError: an address or provider is wrong; the message begins with the place.
    """
    checks: list[AccessCheck] = []
    if access is not None and (access.rules or access.orders):
        checks.append(_list_check(access))
    if require is not None and require.items:
        verdict = _block(require)
        limited = _has_limits(require)
        block = require

        def check_require(request: Request) -> bool:
            if limited and not _applies(block, request.facts.method):
                return True
            return verdict(request) is Verdict.GRANTED

        if not _grants_all(require):
            checks.append(check_require)
    if not checks:
        return None
    if len(checks) == 1:
        return checks[0]
    return lambda request: all(check(request) for check in checks)


def _grants_all(block: RequireBlock) -> bool:
    """Whether it is the plain `Require all granted`."""
    if len(block.items) != 1 or block.combination is Combination.NONE:
        return False
    item = block.items[0]
    if isinstance(item, RequireBlock):
        return _grants_all(item)
    return item.provider == "all" and item.arguments == ("granted",) and not item.negated and item.methods is None


def needs_remote_host(require: RequireBlock | None, access: AccessList | None) -> bool:
    """Whether a context asks for the client's name."""
    if require is not None:
        for item in require.items:
            if isinstance(item, RequireBlock) and needs_remote_host(item, None):
                return True
            if isinstance(item, Require) and item.provider == "host":
                return True
    if access is not None:
        for rule in access.rules:
            if rule.who == "all" or rule.who.startswith("env="):
                continue
            try:
                read_network(rule.who)
            except ConfigurationError:
                return True
    return False
