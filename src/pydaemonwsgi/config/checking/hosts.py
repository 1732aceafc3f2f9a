"""Checks of hosts: what hides what, and what leads nowhere. Sans-I/O."""

import posixpath
import re
from collections.abc import Iterator

from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.checking.row import Check, Finding
from pydaemonwsgi.config.grouping import STATIC_HANDLERS, WSGI_HANDLERS, group_of, settings_at
from pydaemonwsgi.config.model import (
    DEFAULT_SETTINGS,
    UNIX_PEERS,
    Alias,
    Host,
    HostAddress,
    Order,
    ScriptAlias,
    Section,
    Server,
    Settings,
    merge_settings,
)

__all__ = ["CHECKS"]


def _shadowed_aliases(server: Server, _: Machine) -> Iterator[Finding]:
    of_main = {alias.position for alias in server.main.aliases}
    of_main |= {script.position for script in server.main.script_aliases}
    for host in _own(server):
        # What a host says instead of what the main server does is how one overrides it.
        inherited = set() if host is server.main else of_main
        for earlier, later in _shadowed(host.aliases):
            if later.position not in inherited:
                yield _hidden(later, "Alias", earlier)
        for earlier, later in _shadowed(host.script_aliases):
            if later.position not in inherited:
                yield _hidden(later, "WSGIScriptAlias", earlier)
        # Files are looked for before scripts, whatever the order.
        for script in host.script_aliases:
            if not script.is_regex and script.position not in inherited:
                for alias in host.aliases:
                    if not alias.is_regex and _covers(alias.url, script.url):
                        yield _hidden(script, "WSGIScriptAlias", alias)
                        break


def _own(server: Server) -> Iterator[Host]:
    """Hosts whose aliases are their own or inherited: the main server's are looked at once."""
    yield server.main
    inherited = (len(server.main.aliases), len(server.main.script_aliases))
    for host in server.virtual_hosts:
        if (len(host.aliases), len(host.script_aliases)) != inherited:
            yield host


def _shadowed(
    aliases: "tuple[Alias, ...] | tuple[ScriptAlias, ...]",
) -> Iterator[tuple[Alias | ScriptAlias, Alias | ScriptAlias]]:
    """Pairs of an alias and a later one that it hides; in one pass, for there may be thousands."""
    seen: dict[str, Alias | ScriptAlias] = {}
    for alias in aliases:
        if alias.is_regex:
            continue
        url = re.sub("/+", "/", alias.url)
        beginnings = [
            url[:end] for end in range(1, len(url) + 1) if url[end - 1] == "/" or url[end : end + 1] in ("", "/")
        ]
        for beginning in beginnings:
            if beginning in seen:
                yield seen[beginning], alias
                break
        seen.setdefault(url, alias)


def _covers(url: str, other: str) -> bool:
    """Whether every path that fits the second alias fits the first."""
    if url in ("/", other):
        return True
    return other.startswith(url if url.endswith("/") else url + "/")


def _hidden(later: Alias | ScriptAlias, directive: str, earlier: Alias | ScriptAlias) -> Finding:
    return Finding(
        later.position,
        directive,
        f"{later.url} is never reached: {earlier.url} ({earlier.position}) takes it first; write longer paths first",
    )


def _same_names(server: Server, _: Machine) -> Iterator[Finding]:
    seen: dict[tuple[HostAddress, str], Host] = {}
    for host in server.virtual_hosts:
        names = ([host.server_name] if host.server_name else []) + list(host.server_aliases)
        for address in host.addresses:
            for name in dict.fromkeys(names):
                first = seen.setdefault((address, name), host)
                if first is not host:
                    yield Finding(
                        host.position,
                        "<VirtualHost>",
                        f"{name} is a name of the host in {first.position} too, which takes all its requests; "
                        "write both as one host, or give another name",
                    )


def _nameless(server: Server, _: Machine) -> Iterator[Finding]:
    sharing: dict[HostAddress, int] = {}
    for host in server.virtual_hosts:
        for address in host.addresses:
            sharing[address] = sharing.get(address, 0) + 1
    first: set[HostAddress] = set()
    for host in server.virtual_hosts:
        for address in host.addresses:
            if host.server_name is None and address in first and sharing[address] > 1:
                yield Finding(
                    host.position,
                    "<VirtualHost>",
                    "it has no ServerName and is not the first of its address, so no request reaches it",
                )
                break
        first.update(host.addresses)


def _unheard(server: Server, _: Machine) -> Iterator[Finding]:
    ports = {listener.address.port for listener in server.listeners if listener.address.path is None}
    if 0 in ports:
        return
    for host in server.virtual_hosts:
        for address in host.addresses:
            if address.port is not None and address.port not in ports:
                yield Finding(
                    host.position,
                    "<VirtualHost>",
                    f"nothing listens on port {address.port}, so no request comes for it; write Listen {address.port}",
                )


def _forgotten_group(server: Server, _: Machine) -> Iterator[Finding]:
    if not any(group.name for group in server.groups):
        return
    for host in _own(server):
        for alias in host.script_aliases:
            if alias.process_group is None and group_of(host, alias) == "" and not _says_so(host, alias):
                yield Finding(
                    alias.position,
                    "WSGIScriptAlias",
                    "no WSGIProcessGroup counts here, so the script runs in the group that stands in for embedded mode "
                    "and not in one that is declared; write WSGIProcessGroup NAME",
                )


def _says_so(host: Host, alias: ScriptAlias) -> bool:
    """Whether somebody has thought about it: it is written as `%{GLOBAL}`, or a dispatch script is asked."""
    settings = settings_at(host, None if alias.is_regex else alias.url, alias.target)
    return settings.process_group == "" or settings.dispatch_script is not None


def _no_exec(server: Server, _: Machine) -> Iterator[Finding]:
    reported = set()
    for host in server.hosts:
        base = merge_settings(DEFAULT_SETTINGS, host.settings)
        for section in (None, *host.sections):
            own = host.settings if section is None else section.settings
            rules = [rule for rule in own.extensions if rule.attribute == "handler" and rule.value in WSGI_HANDLERS]
            position = rules[0].position if rules else own.origins.get("set_handler")
            if not rules and own.set_handler not in WSGI_HANDLERS:
                continue
            if position is None or position in reported or _may_execute(host, section, base):
                continue
            reported.add(position)
            yield Finding(
                position,
                "AddHandler" if rules else "SetHandler",
                "no Options ExecCGI counts here, so the scripts are answered with 403; write Options +ExecCGI",
            )


def _may_execute(host: Host, section: Section | None, base: Settings) -> bool:
    settings = base if section is None else merge_settings(base, section.settings)
    if settings.options is not None and "execcgi" in settings.options.effective:
        return True
    # Another section may say it for the same files; who says it anywhere has thought of it.
    said = [other.settings.options for other in host.sections if other.settings.options is not None]
    return any("execcgi" in options.effective for options in said)


def _unknown_handlers(server: Server, _: Machine) -> Iterator[Finding]:
    every = [own for host in server.hosts for own in (host.settings, *_settings_of(host.sections))]
    known = {handler.name for own in every for handler in own.handler_scripts} | WSGI_HANDLERS | STATIC_HANDLERS
    for own in every:
        named = [(rule.value, "AddHandler", rule.position) for rule in own.extensions if rule.attribute == "handler"]
        if "set_handler" in own.origins:
            named.append((own.set_handler, "SetHandler", own.origins["set_handler"]))
        for name, directive, position in named:
            if name and name not in known:
                yield Finding(
                    position,
                    directive,
                    f"there is no handler {name!r}, so what it is for is answered with 500; "
                    "give wsgi-script, default-handler, or the name of a WSGIHandlerScript",
                )


def _settings_of(sections: tuple[Section, ...]) -> Iterator[Settings]:
    for section in sections:
        yield section.settings
        yield from _settings_of(section.sections)


def _idle_rules(server: Server, _: Machine) -> Iterator[Finding]:
    seen = set()
    for host in server.hosts:
        rewrites = [host.rewrite, *(section.settings.rewrite for section in host.sections)]
        inherited = any(rewrite is not None and rewrite.engine for rewrite in rewrites)
        for rewrite in rewrites:
            if rewrite is None or not rewrite.rules or rewrite.engine is not None or rewrite.rules[0].position in seen:
                continue
            if rewrite.directory is not None and inherited:
                continue  # an outer directory may switch it on
            seen.add(rewrite.rules[0].position)
            yield Finding(
                rewrite.rules[0].position, "RewriteRule", "no RewriteEngine On counts here, so the rules are not used"
            )


def _denies_all(server: Server, _: Machine) -> Iterator[Finding]:
    seen = set()
    for host in server.hosts:
        for section in host.sections:
            access = section.settings.access_list
            if access is None or access.position in seen:
                continue
            seen.add(access.position)
            # Who writes `Deny from all` besides means it.
            meant = any(rule.allows or rule.who == "all" for rule in access.rules)
            if access.orders and access.orders[-1][0] is not Order.DENY_ALLOW and not meant:
                yield Finding(
                    access.position,
                    "Order",
                    "nobody is allowed anything here; write Allow from all, or Order deny,allow",
                )


def _trusts_everybody(server: Server, _: Machine) -> Iterator[Finding]:
    seen = set()
    for host in server.hosts:
        for settings in (host.settings, *(section.settings for section in host.sections)):
            position = settings.origins.get("trusted_proxy_headers")
            if settings.trusted_proxy_headers is None or position is None or position in seen:
                continue
            seen.add(position)
            if settings.trusted_proxies is None and host.settings.trusted_proxies is None:
                yield Finding(
                    position,
                    "WSGITrustedProxyHeaders",
                    "every client is believed what these headers say; name the proxies with WSGITrustedProxies",
                )


def _unreachable_proxies(server: Server, _: Machine) -> Iterator[Finding]:
    if not server.listeners or any(listener.address.path is None for listener in server.listeners):
        return
    for host in server.hosts:
        for settings in (host.settings, *_settings_of(host.sections)):
            position = settings.origins.get("trusted_proxies")
            if position is not None and UNIX_PEERS not in (settings.trusted_proxies or ()):
                yield Finding(
                    position,
                    "WSGITrustedProxies",
                    "every Listen is a Unix socket, so no client has an address and nobody's headers are believed; "
                    f"add {UNIX_PEERS} for whoever comes by a Unix socket",
                )


def _readable_scripts(server: Server, _: Machine) -> Iterator[Finding]:
    for host in server.hosts:
        if host.document_root is None:
            continue
        root = host.document_root.rstrip("/") + "/"
        for alias in host.script_aliases:
            if alias.is_regex or not alias.target.startswith(root) or alias.target.endswith("/"):
                continue
            url = "/" + alias.target[len(root) :]
            if any(_covers(script.url, url) for script in host.script_aliases if not script.is_regex):
                continue
            settings = settings_at(host, url, alias.target)
            extension = posixpath.splitext(url)[1].lstrip(".").lower()
            handlers = [rule.value for rule in settings.extensions if rule.extension == extension]
            if settings.set_handler or any(handlers) or _is_denied(settings):
                continue
            yield Finding(
                alias.position,
                "WSGIScriptAlias",
                f"the script lies in the DocumentRoot, so everybody can read it as {url}; move it out",
            )


def _is_denied(settings: Settings) -> bool:
    return settings.require is not None or settings.access_list is not None


CHECKS = (
    Check("an alias that hides another", _shadowed_aliases),
    Check("hosts of the same name and address", _same_names),
    Check("hosts that no request reaches for want of a name", _nameless),
    Check("hosts on whose port nothing listens", _unheard),
    Check("a script that runs in no declared process group", _forgotten_group),
    Check("scripts that may not be run for want of ExecCGI", _no_exec),
    Check("handlers that there are not", _unknown_handlers),
    Check("rewrite rules that are not used", _idle_rules),
    Check("sections that deny everybody", _denies_all),
    Check("headers of proxies that everybody may send", _trusts_everybody),
    Check("proxies that are trusted by an address where there are Unix sockets only", _unreachable_proxies),
    Check("scripts that everybody can read", _readable_scripts),
)
