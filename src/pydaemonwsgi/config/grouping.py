"""Process groups: made of what was declared, and looked up where they are named. Sans-I/O.

A group is named in many places; one that does not exist, or belongs to another virtual host, would answer every
request with 500, so it is an error here (mod_wsgi finds out when the request comes).
"""

import fnmatch
import posixpath
from collections.abc import Iterator
from typing import Any

from pydaemonwsgi.config.directives.drafts import Draft, GroupDraft, HostDraft
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.model import (
    Host,
    InterpreterOptions,
    Matching,
    Position,
    ProcessGroup,
    ScriptAlias,
    Section,
    SectionKind,
    Server,
    Settings,
    merge_settings,
)
from pydaemonwsgi.config.patterns import compile_pattern
from pydaemonwsgi.config.problems import nearest

__all__ = [
    "STATIC_HANDLERS",
    "WSGI_HANDLERS",
    "check_references",
    "finish_groups",
    "free_threading_of",
    "groups_with_main_interpreter",
    "has_own_gil",
    "section_fits",
    "settings_at",
]

STATIC_HANDLERS = frozenset({"default-handler", "httpd/unix-directory"})
"""By which a file is sent."""
WSGI_HANDLERS = frozenset({"wsgi-script", "application/x-httpd-wsgi"})
"""Handlers that run a file as a WSGI script."""


def finish_groups(draft: Draft, server: Server) -> tuple[ProcessGroup, ...]:
    """Every group that was declared, and the one that stands in for embedded mode if anything can go there."""
    hosts = dict(zip((id(host) for host in draft.hosts), server.virtual_hosts, strict=True))
    groups = [_group(group, server, hosts.get(id(group.host), server.main)) for group in draft.groups.values()]
    position = _embedded_position(server)
    if position is not None:
        groups.append(_group(GroupDraft("", {}, None, position), server, server.main))
    return tuple(groups)


def _group(group: GroupDraft, server: Server, host: Host) -> ProcessGroup:
    written: dict[str, Any] = dict(group.options)
    if "user" not in written:
        written["user"] = server.user
        written.setdefault("group", server.group)
    if "socket_timeout" not in written and host.connection.timeout is not None:
        written["socket_timeout"] = host.connection.timeout
    if "python_home" not in written and server.python.home is not None:
        written["python_home"] = server.python.home
    written.setdefault("slow_requests", server.slow_requests)
    if server.server_metrics:
        written["server_metrics"] = True
    levels = dict(host.log_levels)
    is_scoped = group.host is not None
    return ProcessGroup(
        group.name,
        GroupOptions(**written),
        server_name=host.server_name if is_scoped else None,
        error_log=host.error_log if is_scoped else None,
        log_level=levels.get("wsgi", levels.get("")) if is_scoped else None,
        position=group.position,
    )


# --- Where scripts go


def section_fits(section: Section, url: str | None, path: str | None) -> bool:
    """Whether a section counts for an URL path and a file; for what is not known (None) it does not."""
    if section.kind is SectionKind.LOCATION:
        subject = url
    elif section.kind is SectionKind.DIRECTORY:
        subject = path
    else:
        subject = None if path is None else posixpath.basename(path)
    if subject is None:
        return False
    if section.matching is Matching.REGEX:
        return compile_pattern(section.pattern).search(subject) is not None
    if section.kind is SectionKind.FILES:
        return fnmatch.fnmatchcase(subject, section.pattern)
    if section.matching is Matching.GLOB:
        parts = section.pattern.rstrip("/").count("/") + 1
        return fnmatch.fnmatchcase("/".join(subject.split("/")[:parts]), section.pattern.rstrip("/"))
    pattern = section.pattern.rstrip("/")
    return subject == pattern or subject.startswith(pattern + "/")


def settings_at(host: Host, url: str | None, path: str | None) -> Settings:
    """What counts for an URL path and a file, as far as it can be said without a request; no defaults in it."""
    fitting = [section for section in host.sections if section_fits(section, url, path)]
    plain = [section for section in fitting if _rank(section) == 0]
    ordered = sorted(plain, key=lambda section: section.pattern.count("/"))
    for rank in (1, 2, 3):
        ordered += [section for section in fitting if _rank(section) == rank]
    settings = host.settings
    for section in ordered:
        settings = merge_settings(settings, section.settings)
        for inner in section.sections:
            if section_fits(inner, url, path):
                settings = merge_settings(settings, inner.settings)
    return settings


def _rank(section: Section) -> int:
    if section.kind is SectionKind.DIRECTORY:
        return int(section.matching is Matching.REGEX)
    return 2 if section.kind is SectionKind.FILES else 3


def group_of(host: Host, alias: ScriptAlias) -> str:
    """The process group that an alias's script runs in: a name, a form, or "" for embedded mode."""
    if alias.process_group is not None:
        return alias.process_group
    url = None if alias.is_regex else alias.url
    return settings_at(host, url, alias.target).process_group or ""


def groups_with_main_interpreter(server: Server) -> frozenset[str]:
    """The process groups of which something is to run in the main interpreter (`%{GLOBAL}`), as far as it is written.

    Where only a request can say the process group (a form), none is meant.
    """
    names = {script.process_group for script in server.import_scripts if script.application_group == ""}
    only = server.groups[0].name if len(server.groups) == 1 else ""
    for host in server.hosts:
        contexts = [host.settings, *(settings for _, settings in _sections(host.sections, host.settings))]
        for settings in contexts:
            around = only if settings.process_group is None else settings.process_group
            if settings.application_group == "":
                names.add(around)
            for script in (settings.dispatch_script, settings.access_script):
                if script is not None and script.application_group == "":
                    names.add("")
            for handler in settings.handler_scripts:
                if handler.application_group == "":
                    names.add(around if handler.process_group is None else handler.process_group)
        for alias in host.script_aliases:
            if alias.application_group == "":
                names.add(group_of(host, alias) or only)
    return frozenset(names)


def _sections(sections: tuple[Section, ...], around: Settings) -> Iterator[tuple[Section, Settings]]:
    """Every section with the settings that count in it."""
    for section in sections:
        settings = merge_settings(around, section.settings)
        yield section, settings
        yield from _sections(section.sections, settings)


def _embedded_position(server: Server) -> Position | None:
    """Where something says that it runs in embedded mode, if anything does."""
    for script in server.import_scripts:
        if not script.process_group:
            return script.position
    for host in server.hosts:
        for alias in host.script_aliases:
            if not group_of(host, alias):
                return alias.position
        contexts = [(None, host.settings), *_sections(host.sections, host.settings)]
        for section, settings in contexts:
            own = section.settings if section is not None else settings
            for script_of_front in (own.dispatch_script, own.access_script):
                if script_of_front is not None:
                    return script_of_front.position
            if settings.process_group:
                continue
            if settings.process_group == "" and own.process_group == "":
                return own.origins.get("process_group", host.position)
            for rule in own.extensions:
                if rule.attribute == "handler" and rule.value in WSGI_HANDLERS:
                    return rule.position
            if own.set_handler in WSGI_HANDLERS:
                return own.origins.get("set_handler", host.position)
            for handler in own.handler_scripts:
                if not handler.process_group:
                    return handler.position
    return None


# --- Names


def free_threading_of(server: Server, process_group: str) -> InterpreterOptions | None:
    """The block that says whether a process group goes without a GIL (WSGIFreeThreading); None if none does."""
    blocks = [
        block
        for block in server.interpreters
        if block.process_group in {None, process_group} and block.free_threading is not None
    ]
    blocks.sort(key=lambda block: block.selectors)
    return blocks[-1] if blocks else None


def has_own_gil(server: Server, process_group: str, application_group: str) -> bool:
    """Whether a sub-interpreter of an application group has a GIL of its own (WSGIPerInterpreterGIL)."""
    blocks = [
        block
        for block in server.interpreters
        if block.process_group in {None, process_group}
        and block.application_group in {None, application_group}
        and block.per_interpreter_gil is not None
    ]
    blocks.sort(key=lambda block: block.selectors)
    return bool(blocks and blocks[-1].per_interpreter_gil)


def check_references(draft: Draft, server: Server) -> None:
    """Note every name of a group that does not exist, or may not be used where it is named."""
    groups = {group.name: group for group in server.groups}
    named = [(draft.main, server.main), *zip(draft.hosts, server.virtual_hosts, strict=True)]
    for host_draft, host in named:
        for name, directive, position in _references(host_draft):
            _check_name(draft, groups, host, name, directive, position)
    hosts = {id(host_draft): host for host_draft, host in named}
    for script, host_draft in draft.import_scripts:
        _check_name(draft, groups, hosts[id(host_draft)], script.process_group, "WSGIImportScript", script.position)
    loaded = {script.process_group for script in server.import_scripts}
    for group in server.groups:
        if not group.options.threads and group.name not in loaded:
            draft.problems.error(
                group.position,
                "WSGIDaemonProcess",
                f"threads=0: the processes of {group.title!r} run a service script, and nothing names one; write "
                f"WSGIImportScript FILE process-group={group.name} application-group=%{{GLOBAL}}",
            )
    for options in server.interpreters:
        if options.process_group and options.process_group not in groups:
            _unknown(draft, groups, options.process_group, "<WSGIInterpreterOptions>", options.position)


def _check_name(
    draft: Draft, groups: dict[str, ProcessGroup], host: Host, name: str, directive: str, position: Position
) -> None:
    if not name or name.startswith("%{"):
        return
    group = groups.get(name)
    if group is None:
        _unknown(draft, groups, name, directive, position)
    elif group.server_name is not None and group.server_name != host.server_name:
        draft.problems.error(
            position,
            directive,
            f"the process group {name!r} is declared inside the virtual host {group.server_name} ({group.position}), "
            "so only hosts of that ServerName may use it; declare it outside",
        )


def _unknown(draft: Draft, groups: dict[str, ProcessGroup], name: str, directive: str, position: Position) -> None:
    names = [group for group in groups if group]
    hint = nearest(name, names) or "; declare it with WSGIDaemonProcess"
    draft.problems.error(position, directive, f"there is no process group {name!r}{hint}")


def _references(host: HostDraft) -> Iterator[tuple[str, str, Position]]:
    for alias in host.lists["script_aliases"]:
        if alias.process_group is not None:
            yield alias.process_group, "WSGIScriptAlias" + ("Match" if alias.is_regex else ""), alias.position
    yield from _setting_references(host.settings.freeze(is_section=False), host.position)
    for section, _ in _sections(tuple(host.sections), Settings()):
        yield from _setting_references(section.settings, section.position)


def _setting_references(settings: Settings, fallback: Position) -> Iterator[tuple[str, str, Position]]:
    if settings.process_group is not None:
        yield settings.process_group, "WSGIProcessGroup", settings.origins.get("process_group", fallback)
    for name in sorted(settings.restrict_process or ()):
        yield name, "WSGIRestrictProcess", settings.origins.get("restrict_process", fallback)
    for handler in settings.handler_scripts:
        if handler.process_group is not None:
            yield handler.process_group, "WSGIHandlerScript", handler.position
