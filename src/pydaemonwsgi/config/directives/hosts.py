"""Directives of the server and its virtual hosts: names, addresses, identity. Sans-I/O."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from pydaemonwsgi.config import values
from pydaemonwsgi.config.directives.drafts import Draft
from pydaemonwsgi.config.directives.kinds import choice, flag, text
from pydaemonwsgi.config.directives.row import ANYWHERE, HOSTS, SERVER, Line, Row, parsed, setting
from pydaemonwsgi.config.model import HostAddress, Listener
from pydaemonwsgi.config.values import BadValueError, ListenAddress, ValueKind

__all__ = ["ROWS", "host_addresses"]

_NAME = re.compile(r"(?:(https?)://)?([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?|\[[0-9a-fA-F:.]+\])(?::([0-9]+))?")
_EVERYWHERE = frozenset({"", "0.0.0.0"})
_IPV4 = re.compile(r"[0-9.]+")
_ALIAS = re.compile(r"[A-Za-z0-9_.*?:\[\]-]+")


def _host_value(field: str, kind: ValueKind[Any]) -> Callable[[Line], None]:
    def apply(line: Line) -> None:
        line.place.host.single[field] = parsed(kind, line.words[0])

    return apply


def _server_value(field: str, kind: ValueKind[Any]) -> Callable[[Line], None]:
    def apply(line: Line) -> None:
        line.draft.single[field] = parsed(kind, line.words[0])

    return apply


def _server_name(line: Line) -> None:
    match = _NAME.fullmatch(line.words[0])
    if match is None or int(match[3] or 1) not in range(1, 65536):
        raise BadValueError(f"{line.words[0]!r} is not a server's name; give [http://]NAME[:PORT]")
    host = line.place.host
    host.single["server_name"] = match[2].strip("[]").rstrip(".").lower()
    host.single["scheme"] = match[1]
    host.single["server_port"] = int(match[3]) if match[3] else None


def _server_alias(line: Line) -> None:
    for word in line.words:
        if not _ALIAS.fullmatch(word):
            raise BadValueError(f"{word!r} is not a host name; give names, also with * and ?")
        line.place.host.lists["server_aliases"].append(word.rstrip(".").lower())


def _document_root(line: Line) -> None:
    line.place.host.single["document_root"] = line.path(line.words[0]).rstrip("/") or "/"


def _pid_file(line: Line) -> None:
    line.draft.single["pid_file"] = line.path(line.words[0])


def _server_root(line: Line) -> None:
    if not line.words[0].startswith("/"):
        raise BadValueError(f"{line.words[0]!r} is not absolute; give a directory that begins with /")
    line.draft.single["server_root"] = line.draft.path(line.words[0]).rstrip("/") or "/"


def _listen(line: Line) -> None:
    word = line.words[0]
    protocol = (line.word(1) or "http").lower()
    if protocol == "https":
        raise BadValueError("there is no TLS here; let nginx or HAProxy terminate it, and listen with http behind it")
    if protocol != "http":
        raise BadValueError(f"{line.words[1]!r} is not a protocol that is known; give http or leave it out")
    address = parsed(values.listen_address(), f":{word}" if re.fullmatch("[0-9]+", word) else word)[0]
    if not address.port and not address.path:
        line.warn("a port of 0 is another one at each start")
    for listener in line.draft.listeners:
        if listener.address == address and (address.port or address.path):
            raise BadValueError(f"{address} is listened to already in {listener.position}; leave one out")
        if address.port and address.port == listener.address.port:
            _check_overlap(address, listener)
    line.draft.listeners.append(Listener(address, line.position))


def _check_overlap(address: ListenAddress, listener: Listener) -> None:
    """Refuse what the machine would: nobody can have a port of all addresses, and of one of them besides."""
    other = listener.address
    if _has(other, address):
        relation = f"is part of {other}"
    elif _has(address, other):
        relation = f"has {other} in it"
    else:
        return
    raise BadValueError(f"{address} {relation}, which is listened to in {listener.position}; leave one out")


def _has(whole: ListenAddress, part: ListenAddress) -> bool:
    # Of IPv6 the machine decides; what a name means is not known before the start.
    return whole.host in _EVERYWHERE and (part.host in _EVERYWHERE or _IPV4.fullmatch(part.host) is not None)


def host_addresses(words: list[str], draft: Draft) -> tuple[HostAddress, ...]:
    """The addresses that `<VirtualHost>` names.

    Raises:
        BadValueError: with a whole sentence.
    """
    return tuple(address for word in words for address in _host_address(word, draft))


def _host_address(word: str, draft: Draft) -> tuple[HostAddress, ...]:
    match = re.fullmatch(r"(\[[^]]*\]|[^:]*|[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*)(?::([0-9]+|\*))?", word)
    port = None
    if match is None or not match[1]:
        raise BadValueError(f"{word!r} is no address; give *, *:80, 192.0.2.1:80 or [2001:db8::1]:80")
    if match[2] not in (None, "*"):
        port = int(match[2])
        if not 0 < port < 65536:
            raise BadValueError(f"{word!r}: the port is not a number from 1 to 65535")
    name = match[1].strip("[]")
    if name == "*" or name.lower() == "_default_":
        return (HostAddress("*", port),)
    try:
        return (HostAddress(str(ipaddress.ip_address(name)), port),)
    except ValueError:
        pass
    if match[1].startswith("[") or re.fullmatch(r"[0-9.:]+", name):
        raise BadValueError(f"{word!r} is no IP address")
    try:
        found = draft.lookup(name)
    except OSError as error:
        raise BadValueError(f"{word!r}: {error}; give an address, or * and tell hosts apart by ServerName") from None
    return tuple(HostAddress(address, port) for address in dict.fromkeys(found))


def listen_address_of(address: HostAddress) -> ListenAddress | None:
    """Where to listen for a virtual host, if its address names a port."""
    if address.port is None:
        return None
    return ListenAddress("" if address.address == "*" else address.address, address.port)


_ENCODED_SLASHES = choice("On", "Off", "NoDecode")
_TOKENS = choice("Full", "OS", "Minimal", "Minor", "Major", "Prod", "ProductOnly")
_ADMIN = text("ADDRESS")

ROWS = (
    Row(
        "Listen",
        SERVER,
        "[ADDRESS:]PORT [http]",
        "Accept connections at this address; several add up. A Unix socket is unix:PATH.",
        _listen,
        "the addresses of every `<VirtualHost>` that names a port",
    ),
    Row("<VirtualHost>", SERVER, "ADDRESS[:PORT] ...", "A host of its own, told apart by address, then by name."),
    Row(
        "ServerName",
        HOSTS,
        "[SCHEME://]NAME[:PORT]",
        "The host's name: what requests are told apart by, and what redirects to itself name.",
        _server_name,
    ),
    Row("ServerAlias", HOSTS, "NAME ...", "Further names of the host; * and ? are wildcards.", _server_alias),
    Row(
        "ServerAdmin",
        HOSTS,
        "ADDRESS",
        "Whom error pages and SERVER_ADMIN name.",
        _host_value("server_admin", _ADMIN),
    ),
    Row(
        "DocumentRoot",
        HOSTS,
        "DIRECTORY",
        "Where files are served from, and where URL paths are completed to file names.",
        _document_root,
        "no files are served",
    ),
    Row(
        "ServerRoot",
        SERVER,
        "DIRECTORY",
        "What relative file names are completed with.",
        _server_root,
        "the directory of the configuration file",
    ),
    Row("PidFile", SERVER, "FILE", "Where the supervisor writes its process id.", _pid_file, "none is written"),
    Row(
        "User",
        SERVER,
        "NAME",
        "As whom the front runs, and every process group that names no user, if started as root.",
        _server_value("user", values.account_name()),
    ),
    Row(
        "Group",
        SERVER,
        "NAME",
        "As which group the front runs, and every process group that names neither user nor group.",
        _server_value("group", values.account_name()),
        "the user's own",
    ),
    Row(
        "ServerTokens",
        SERVER,
        _TOKENS.metavar,
        "How much the Server header tells.",
        _server_value("server_tokens", _TOKENS),
        "Prod",
    ),
    setting(
        "ServerSignature",
        ANYWHERE,
        "server_signature",
        choice("On", "Off", "EMail"),
        "Whether error pages name the server.",
        default="Off",
    ),
    setting(
        "UseCanonicalName",
        ANYWHERE,
        "use_canonical_name",
        choice("On", "Off", "DNS"),
        "Whether redirects to itself and SERVER_NAME use ServerName (On) or what the client called the host (Off).",
        default="Off",
    ),
    setting(
        "HostnameLookups",
        ANYWHERE,
        "hostname_lookups",
        choice("On", "Off", "Double"),
        "Whether clients have names, in logs (%h) and as REMOTE_HOST; On checks them forwards as well, as Double does.",
        default="Off",
    ),
    Row(
        "AllowEncodedSlashes",
        HOSTS,
        _ENCODED_SLASHES.metavar,
        "Whether %2F may occur in a path: not at all, decoded, or as it is.",
        _host_value("allow_encoded_slashes", _ENCODED_SLASHES),
        "Off: 404",
    ),
    Row(
        "MergeSlashes",
        HOSTS,
        "On|Off",
        "Whether repeated slashes in a path count as one when sections are chosen.",
        _host_value("merge_slashes", flag()),
        "On",
    ),
)
