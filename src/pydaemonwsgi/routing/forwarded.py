"""`WSGITrustedProxies` and `WSGITrustedProxyHeaders`: which of a proxy's headers are believed. Sans-I/O.

The rules are mod_wsgi's. Every synonym of a declared category is removed when its sender is not trusted, not only
those that were declared (CVE-2022-2255).
"""

import ipaddress
from collections.abc import Mapping
from typing import Final, NamedTuple

from pydaemonwsgi.config.model import UNIX_PEERS
from pydaemonwsgi.routing.access import read_network

__all__ = ["CATEGORIES", "Changes", "TrustedProxies"]

CATEGORIES: Final[dict[str, tuple[str, ...]]] = {
    "client": ("HTTP_X_FORWARDED_FOR", "HTTP_X_CLIENT_IP", "HTTP_X_REAL_IP"),
    "host": ("HTTP_X_FORWARDED_HOST", "HTTP_X_HOST"),
    "server": ("HTTP_X_FORWARDED_SERVER",),
    "port": ("HTTP_X_FORWARDED_PORT",),
    "script": ("HTTP_X_SCRIPT_NAME", "HTTP_X_FORWARDED_SCRIPT_NAME"),
    "scheme": (
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_FORWARDED_SCHEME",
        "HTTP_X_SCHEME",
        "HTTP_X_FORWARDED_HTTPS",
        "HTTP_X_FORWARDED_SSL",
        "HTTP_X_HTTPS",
    ),
}
_CATEGORY: Final = {name: category for category, names in CATEGORIES.items() for name in names}
_VARIABLE: Final = {
    "client": "REMOTE_ADDR",
    "host": "HTTP_HOST",
    "server": "SERVER_NAME",
    "port": "SERVER_PORT",
    "script": "SCRIPT_NAME",
    "scheme": "wsgi.url_scheme",
}
_SWITCHES: Final = frozenset({"HTTP_X_FORWARDED_HTTPS", "HTTP_X_FORWARDED_SSL", "HTTP_X_HTTPS"})
_ON: Final = frozenset({"on", "true", "1", "yes"})
_OFF: Final = frozenset({"off", "false", "0", "no"})


class Changes(NamedTuple):
    """What becomes of a request's variables.

    Attributes:
        values: name and new value; `wsgi.url_scheme` and `mod_wsgi.mount_point` are among them when they apply.
        removed: names that the application must not see.
    """

    values: dict[str, str]
    removed: frozenset[str]


class TrustedProxies:
    """The two directives of one context.

    Args:
        headers: environ keys in the order of the configuration.
        proxies: addresses, networks and `UNIX_PEERS`; None if the directive is not written, and everybody is trusted.
    """

    def __init__(self, headers: tuple[str, ...], proxies: tuple[str, ...] | None) -> None:
        self._headers = headers
        self._networks = None if proxies is None else [read_network(text) for text in proxies if text != UNIX_PEERS]
        self._trusts_unix = proxies is not None and UNIX_PEERS in proxies
        self._categories = dict.fromkeys(_CATEGORY[name] for name in headers if name in _CATEGORY)
        self.names: tuple[str, ...] = tuple(name for category in self._categories for name in CATEGORIES[category])

    def _is_trusted(self, address: str) -> bool:
        if self._networks is None:
            return True
        if not address:
            return self._trusts_unix
        try:
            parsed = ipaddress.ip_address(address.strip().partition("%")[0].strip("[]"))
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)

    def changes(self, peer: str, environ: Mapping[str, str]) -> Changes:
        """Return what becomes of `environ`, whose sender is `peer`.

        Args:
            environ: at least those of `names` that the request has.
        """
        present = [name for name in self.names if name in environ]
        if not self._is_trusted(peer):
            return Changes({}, frozenset(present))
        values: dict[str, str] = {}
        removed: set[str] = set()
        for category in self._categories:
            listed = [name for name in self._headers if _CATEGORY.get(name) == category and name in environ]
            # The last that is listed counts; no other synonym may contradict it in the application's sight.
            chosen = listed[-1] if listed else None
            removed.update(name for name in CATEGORIES[category] if name in environ and name != chosen)
            if chosen is not None:
                self._apply(category, chosen, environ[chosen].strip(), values)
        if "REMOTE_ADDR" in values and "REMOTE_HOST" in environ:
            removed.add("REMOTE_HOST")  # it is the name of the proxy
        return Changes(values, frozenset(removed))

    def _apply(self, category: str, name: str, value: str, values: dict[str, str]) -> None:
        if category == "client":
            if name == "HTTP_X_FORWARDED_FOR":
                self._forwarded_for(value, values)
            else:
                values["REMOTE_ADDR"] = value
        elif category == "scheme":
            lower = value.lower()
            if name in _SWITCHES:
                if lower in _ON | _OFF:
                    values["wsgi.url_scheme"] = "https" if lower in _ON else "http"
            elif lower in {"http", "https"}:
                values["wsgi.url_scheme"] = lower
        else:
            values[_VARIABLE[category]] = value
            if category == "script":
                values["mod_wsgi.mount_point"] = value

    def _forwarded_for(self, value: str, values: dict[str, str]) -> None:
        addresses = [item for item in (part.strip() for part in value.split(",")) if item]
        if not addresses:
            return
        if self._networks is None:
            values["REMOTE_ADDR"] = addresses[0]
            return
        index = len(addresses)
        while index and self._is_trusted(addresses[index - 1]):
            index -= 1
        # Just left of the left-most trusted one; that one itself if it is the first; the last if none is trusted.
        chosen = max(index - 1, 0)
        values["REMOTE_ADDR"] = addresses[chosen]
        values["HTTP_X_FORWARDED_FOR"] = ", ".join(addresses[chosen:])
