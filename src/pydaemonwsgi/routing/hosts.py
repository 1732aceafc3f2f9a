"""Which virtual host a request is for, in httpd's order. Sans-I/O.

First the address that the client connected to: hosts written for exactly this address and port, else for the address
and any port, else for `*` (which is `_default_`) and the port, else for `*`, else the main server. Among the hosts of
one address the first whose address text, `ServerName` or `ServerAlias` is the name asked for, else the first.
Names are looked up in a dictionary; only aliases with wildcards are walked.
"""

import ipaddress
import re
from collections.abc import Iterable

from pydaemonwsgi.config.model import Host, HostAddress

__all__ = ["HostTable", "is_named"]


def _canonical(address: str) -> str:
    """Return an address as this table writes it; an IPv4 address in IPv6 form is the IPv4 address."""
    text = address.strip("[]").partition("%")[0]
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return text.lower()
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return str(parsed)


def _wildcard(alias: str) -> "re.Pattern[str]":
    # ap_strcasecmp_match: here a star matches a dot and anything else.
    first, *others = ("".join("." if character == "?" else re.escape(character) for character in part)
                      for part in alias.split("*"))  # fmt: skip
    if not others:
        return re.compile(first)
    *middle, last = others
    # What stands between two stars is searched for once, for a lookahead is not tried again: no name keeps it busy.
    found = "".join(f"(?=(?P<g{number}>.*?{part}))(?P=g{number})" for number, part in enumerate(middle))
    return re.compile(f"{first}{found}.*{last}")


class _Names:
    """The hosts of one address.

    Args:
        hosts: index of each in the server's list, and the host, in the order of the configuration.
    """

    __slots__ = ("_exact", "_first", "_wild")

    def __init__(self, hosts: Iterable[tuple[int, Host, HostAddress]]) -> None:
        self._exact: dict[str, tuple[int, int]] = {}
        self._wild: list[tuple[int, re.Pattern[str], int]] = []
        self._first = -1
        for rank, (index, host, address) in enumerate(hosts):
            if self._first < 0:
                self._first = index
            names = [] if address.is_everywhere else [address.address]
            if host.server_name is not None:
                names.append(host.server_name.lower())
            for alias in host.server_aliases:
                if "*" in alias or "?" in alias:
                    self._wild.append((rank, _wildcard(alias.lower()), index))
                else:
                    names.append(alias.lower())
            for name in names:
                self._exact.setdefault(name.rstrip("."), (rank, index))

    def find(self, name: str) -> int:
        """Return the index of the host for a name in lower case."""
        found = self._exact.get(name)
        if self._wild:
            for rank, pattern, index in self._wild:
                if found is not None and found[0] <= rank:
                    break
                if pattern.fullmatch(name):
                    return index
        return self._first if found is None else found[1]


class HostTable:
    """All hosts of a server.

    Args:
        hosts: the main server first, then the virtual hosts in the order of the configuration.
    """

    def __init__(self, hosts: tuple[Host, ...]) -> None:
        grouped: dict[tuple[str, int | None], list[tuple[int, Host, HostAddress]]] = {}
        for index, host in enumerate(hosts):
            for address in host.addresses:
                text = "*" if address.is_everywhere else _canonical(address.address)
                grouped.setdefault((text, address.port), []).append((index, host, address))
        self._addresses = {address: _Names(members) for address, members in grouped.items()}
        self._remembered: dict[tuple[str, int], _Names | None] = {}

    def find(self, local_address: str, local_port: int, name: str) -> int:
        """Return the index of the host; 0 is the main server.

        Args:
            local_address: what the client connected to.
            name: the Host header's host in lower case; "" if there is none.
        """
        key = (local_address, local_port)
        try:
            names = self._remembered[key]
        except KeyError:
            names = self._find_address(local_address, local_port)
            if len(self._remembered) >= 1024:  # a machine has few addresses
                self._remembered.clear()
            self._remembered[key] = names
        if names is None:
            return 0
        return names.find(name.removesuffix("."))

    def _find_address(self, address: str, port: int) -> _Names | None:
        text = _canonical(address)
        for key in ((text, port), (text, None), ("*", port), ("*", None)):
            found = self._addresses.get(key)
            if found is not None:
                return found
        return None


def is_named(host: Host, name: str) -> bool:
    """Whether a host goes by a name in lower case."""
    if name in {host.server_name, *host.server_aliases}:
        return True
    return any(
        _wildcard(alias.lower()).fullmatch(name) is not None
        for alias in host.server_aliases
        if "*" in alias or "?" in alias
    )
