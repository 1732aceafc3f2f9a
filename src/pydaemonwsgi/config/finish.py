"""Makes hosts, listeners and the whole server of the drafts, when everything has been read. Sans-I/O."""

from dataclasses import fields, replace
from typing import Any

from pydaemonwsgi.config.client_options import ClientOptions
from pydaemonwsgi.config.directives.drafts import Draft, HostDraft
from pydaemonwsgi.config.directives.hosts import listen_address_of
from pydaemonwsgi.config.directives.logging import BUILT_IN_FORMATS
from pydaemonwsgi.config.grouping import check_references, finish_groups
from pydaemonwsgi.config.model import (
    AccessLog,
    Connection,
    Host,
    ImportScript,
    InterpreterOptions,
    Listener,
    Python,
    Rewrite,
    Server,
    Settings,
    merge_settings,
)
from pydaemonwsgi.config.problems import nearest

__all__ = ["finish"]

# What a virtual host inherits and is told of with the line of the main server.
_TOLD = frozenset({"DocumentRoot"})
# What a virtual host has for itself; everything else it inherits.
_OWN = frozenset({"server_name", "server_port", "scheme"})


def finish(draft: Draft) -> Server:
    """The model of what was read; problems go to the draft's."""
    main = _host(draft, draft.main, None)
    hosts = tuple(_host(draft, host, main) for host in draft.hosts)
    listeners = tuple(draft.listeners) or _listeners_of(hosts, draft)
    interpreters = list(draft.interpreters)
    if draft.interpreter:
        interpreters.insert(0, InterpreterOptions(**draft.interpreter))
    server = Server(
        listeners=listeners,
        clients=ClientOptions(**draft.clients),
        main=main,
        virtual_hosts=hosts,
        import_scripts=_import_scripts(draft),
        interpreters=tuple(interpreters),
        python=Python(**draft.python),
        **{"server_root": draft.server_root, **draft.single},
    )
    server = replace(server, groups=finish_groups(draft, server))
    check_references(draft, server)
    _check_timeouts(draft)
    return server


def _host(draft: Draft, host: HostDraft, main: Host | None) -> Host:
    settings = host.settings.freeze(is_section=False)
    rewrite = host.settings.rewrite.freeze(None)
    lists: dict[str, Any] = {name: tuple(entries) for name, entries in host.lists.items()}
    single = dict(host.single)
    connection = Connection(**host.connection)
    logs = _access_logs(draft, host)
    if main is None:
        return Host(
            settings=settings,
            rewrite=rewrite,
            sections=tuple(host.sections),
            connection=connection,
            access_logs=logs,
            position=host.position,
            origins=host.origins,
            **single,
            **lists,
        )
    for row in fields(Host):
        if row.name in _LISTS:
            lists[row.name] = (*lists.get(row.name, ()), *getattr(main, row.name))
    if "log_levels" in single:
        single["log_levels"] = tuple({**dict(main.log_levels), **dict(single["log_levels"])}.items())
    inherited = {name: getattr(main, name) for name in _INHERITED if name not in single}
    return Host(
        addresses=host.addresses,
        settings=merge_settings(main.settings, settings),
        rewrite=_rewrite(main.rewrite, rewrite),
        sections=(*main.sections, *host.sections),
        connection=_connection(main.connection, connection),
        access_logs=(*logs, *(log for log in main.access_logs if log.is_global)) if logs else main.access_logs,
        position=host.position,
        origins={**{name: main.origins[name] for name in _TOLD & main.origins.keys()}, **host.origins},
        **inherited,
        **single,
        **lists,
    )


_LISTS = frozenset({"aliases", "script_aliases", "rewrite_maps", "redirects"})
_BUILT = frozenset(
    {
        "addresses",
        "server_aliases",
        "settings",
        "rewrite",
        "sections",
        "connection",
        "access_logs",
        "log_formats",
        "position",
        "origins",
    }
)
_INHERITED = frozenset(row.name for row in fields(Host)) - _OWN - _LISTS - _BUILT


def _rewrite(main: Rewrite | None, host: Rewrite | None) -> Rewrite | None:
    """Rules in a virtual host have nothing to do with the main server's, unless they inherit them."""
    if host is None or main is None:
        return host
    return merge_settings(Settings(rewrite=main), Settings(rewrite=host)).rewrite


def _connection(main: Connection, host: Connection) -> Connection:
    values = {}
    for row in fields(Connection):
        own = getattr(host, row.name)
        values[row.name] = getattr(main, row.name) if own is None else own
    return Connection(**values)


def _access_logs(draft: Draft, host: HostDraft) -> tuple[AccessLog, ...]:
    formats = {**draft.main.nicknames, **host.nicknames}
    logs = []
    for log in host.logs:
        text = log.format if log.format is not None else host.transfer_format or draft.main.transfer_format or "common"
        if text in formats:
            text = formats[text]
        elif text not in BUILT_IN_FORMATS and "%" not in text:
            known = [*formats, *BUILT_IN_FORMATS]
            hint = nearest(text, known) or f"; known are {', '.join(dict.fromkeys(known))}"
            draft.problems.error(log.position, log.directive, f"no LogFormat has the nickname {text!r}{hint}")
        logs.append(AccessLog(log.target, text, log.condition, log.is_global, log.directive, log.position))
    return tuple(logs)


def _listeners_of(hosts: tuple[Host, ...], draft: Draft) -> tuple[Listener, ...]:
    found: dict[Any, Listener] = {}
    for host in hosts:
        for host_address in host.addresses:
            address = listen_address_of(host_address)
            if address is not None:
                found.setdefault(address, Listener(address, host.position))
    every = {address.port for address in found if not address.host}
    listeners = tuple(listener for address, listener in found.items() if not address.host or address.port not in every)
    for listener in listeners:
        draft.problems.info(
            listener.position, "Listen", f"there is none, so the <VirtualHost> here says where: {listener.address}"
        )
    return listeners


def _import_scripts(draft: Draft) -> tuple[ImportScript, ...]:
    """What is loaded early; an alias that names both groups is too, as in mod_wsgi."""
    scripts = [script for script, _ in draft.import_scripts]
    for alias, _ in draft.preloads:
        assert alias.process_group is not None, "both groups are named"
        assert alias.application_group is not None, "both groups are named"
        script = ImportScript(alias.target, alias.process_group, alias.application_group, alias.position)
        if script not in scripts and not script.path.endswith("/"):
            scripts.append(script)
    return tuple(scripts)


def _check_timeouts(draft: Draft) -> None:
    for part in ("header", "body"):
        first, longest = draft.clients.get(f"{part}_timeout"), draft.clients.get(f"{part}_max_timeout")
        if first is not None and longest and first > longest:
            draft.problems.error(
                draft.main.position,
                "ServeOption",
                f"{part}-timeout ({first:g} s) is longer than {part}-max-timeout ({longest:g} s)",
            )
