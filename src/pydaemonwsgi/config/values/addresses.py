"""Where to listen. Sans-I/O."""

import ipaddress
import re
from dataclasses import dataclass

from pydaemonwsgi.config.values.kinds import BadValueError, ValueKind

__all__ = ["LONGEST_SOCKET_PATH", "ListenAddress", "host_name", "listen_address"]


# sun_path on Linux holds 108 bytes, the last one a NUL.
LONGEST_SOCKET_PATH = 107


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where to accept connections: a TCP address, or a Unix socket when `path` is set.

    An empty host means every interface; port 0 means any free port.
    """

    host: str
    port: int
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def host_name() -> ValueKind[str]:
    """A host name or a literal address; an IPv6 address may stand in brackets."""
    return ValueKind(
        "HOST",
        "a host name or an IP address; 0.0.0.0 for every interface with IPv4, :: with IPv6 only",
        _parse_host,
        str,
    )


def listen_address() -> ValueKind[tuple[ListenAddress, ...]]:
    """One listener; a tuple, because the option that holds it is repeatable."""

    def parse(text: str) -> tuple[ListenAddress, ...]:
        return (_parse_listen_address(text),)

    accepted = "HOST:PORT, [IPV6-ADDRESS]:PORT, :PORT for every interface, or unix:PATH"
    return ValueKind("ADDRESS", accepted, parse, lambda addresses: ",".join(map(str, addresses)))


def _parse_host(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in bare or bare != text:
        try:
            ipaddress.IPv6Address(bare)
        except ValueError:
            raise BadValueError("is not an IPv6 address") from None
    elif not re.fullmatch(r"[A-Za-z0-9._-]+", bare):
        raise BadValueError("is not a host")
    return bare


def _parse_listen_address(text: str) -> ListenAddress:
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path or "\0" in path:
            raise BadValueError("names no socket file")
        if len(path.encode("utf-8", "surrogateescape")) > LONGEST_SOCKET_PATH:
            raise BadValueError(f"is longer than a socket's path may be ({LONGEST_SOCKET_PATH} bytes)")
        return ListenAddress("", 0, path)
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        raise BadValueError("names no port")
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise BadValueError("has a port that is not a number from 0 to 65535")
    if ":" in host and not host.startswith("["):
        raise BadValueError("holds an IPv6 address without brackets")
    return ListenAddress("" if host in ("", "*") else _parse_host(host), int(port))
