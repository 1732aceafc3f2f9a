"""Checks of process groups: times that defeat each other, and sizes that do not fit. Sans-I/O."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydaemonwsgi.config.checking.machine import Machine
from pydaemonwsgi.config.checking.row import Check, Finding
from pydaemonwsgi.config.grouping import free_threading_of, group_of
from pydaemonwsgi.config.model import ProcessGroup, Section, Server
from pydaemonwsgi.config.options import OPTIONS

__all__ = ["CHECKS"]

_DIRECTIVE = "WSGIDaemonProcess"


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two durations of a group; harmful if the first is shorter than the second, and neither is 0 (none)."""

    shorter: str
    longer: str
    consequence: str


_PAIRS = (
    _Pair(
        "graceful_timeout",
        "request_timeout",
        "requests that may run longer are cut when a process is replaced; raise graceful-timeout",
    ),
    _Pair(
        "eviction_timeout",
        "request_timeout",
        "requests that may run longer are cut by an eviction; raise eviction-timeout",
    ),
    _Pair(
        "restart_interval",
        "startup_timeout",
        "a process may be replaced before it has loaded the script; raise restart-interval",
    ),
    _Pair(
        "restart_interval",
        "request_timeout",
        "every request that runs long meets a replacement; raise restart-interval",
    ),
    _Pair(
        "restart_interval",
        "graceful_timeout",
        "the next replacement begins before the last has ended; raise restart-interval",
    ),
    _Pair(
        "request_timeout",
        "interrupt_timeout",
        "a stuck request is waited for longer than it may run at all; lower interrupt-timeout",
    ),
)


def _timeouts(server: Server, _: Machine) -> Iterator[Finding]:
    for group in server.groups:
        for pair in _PAIRS:
            shorter, longer = getattr(group.options, pair.shorter), getattr(group.options, pair.longer)
            defaults = (OPTIONS[pair.shorter].default, OPTIONS[pair.longer].default)
            # Our own defaults are nobody's mistake.
            if 0 < shorter < longer and (shorter, longer) != defaults:
                times = f"{_written(group, pair.shorter)} is shorter than {_written(group, pair.longer)}"
                yield Finding(group.position, _DIRECTIVE, f"{times}: {pair.consequence}")


def _written(group: ProcessGroup, name: str) -> str:
    kind = OPTIONS[name].kind
    assert kind is not None, "durations have a kind"
    return f"{OPTIONS[name].daemon_option}={kind.render(getattr(group.options, name))}"


def _keeps_hanging(server: Server, _: Machine) -> Iterator[Finding]:
    for group in server.groups:
        if group.options.shutdown_timeout == 0:
            yield Finding(group.position, _DIRECTIVE, "shutdown-timeout=0: a process that hangs is never killed")


def _unused(server: Server, _: Machine) -> Iterator[Finding]:
    if _may_be_chosen_later(server):
        return
    used: set[str | None] = {script.process_group for script in server.import_scripts}
    for host in server.hosts:
        used |= {group_of(host, alias) for alias in host.script_aliases}
        used |= {host.settings.process_group}
        used |= {handler.process_group for handler in host.settings.handler_scripts}
        for section in _all(host.sections):
            used |= {section.settings.process_group}
            used |= {handler.process_group for handler in section.settings.handler_scripts}
    for group in server.groups:
        if group.name and group.name not in used:
            yield Finding(
                group.position,
                _DIRECTIVE,
                f"nothing goes to the process group {group.name!r}, but its {_processes(group)} will run; "
                f"write WSGIProcessGroup {group.name} where it is meant, or take it out",
            )


def _may_be_chosen_later(server: Server) -> bool:
    """Whether requests choose groups, so that nobody can say now which ones are used."""
    for host in server.hosts:
        places = [host.settings, *(section.settings for section in _all(host.sections))]
        if any(settings.dispatch_script is not None for settings in places):
            return True
        names = [settings.process_group for settings in places] + [alias.process_group for alias in host.script_aliases]
        names += [handler.process_group for settings in places for handler in settings.handler_scripts]
        if any(name is not None and name.startswith("%") for name in names):
            return True
    return False


def _services(server: Server, _: Machine) -> Iterator[Finding]:
    services = {group.name for group in server.groups if not group.options.threads}
    for host in server.hosts:
        for alias in host.script_aliases:
            name = group_of(host, alias)
            # One that names both groups says what the service is, if nothing else does; as `convert` writes it.
            loaded = {script.position for script in server.import_scripts if script.process_group == name}
            if name in services and loaded != {alias.position}:
                yield Finding(
                    alias.position,
                    "WSGIScriptAlias",
                    f"requests for {alias.url} go to the process group {name!r}, which runs service scripts "
                    "(threads=0) and takes none: they are answered with 500 or 503; name another process group",
                )


def _all(sections: tuple[Section, ...]) -> Iterator[Section]:
    for section in sections:
        yield section
        yield from _all(section.sections)


def _processes(group: ProcessGroup) -> str:
    count = group.options.process_count
    return "process" if count == 1 else f"{count} processes"


def _more_threads_than_connections(server: Server, _: Machine) -> Iterator[Finding]:
    for group in server.groups:
        threads = group.options.process_count * group.options.threads
        if threads > server.clients.maximum_connections:
            yield Finding(
                group.position,
                _DIRECTIVE,
                f"{threads} threads can never be busy: the front has at most {server.clients.maximum_connections} "
                "connections; write ServeOption maximum-connections, or fewer threads",
            )
        elif threads > server.clients.listen_backlog:
            yield Finding(
                group.position,
                _DIRECTIVE,
                f"{threads} threads are more than the kernel holds connections for ({server.clients.listen_backlog}), "
                "so a burst is refused that could be served; raise ListenBacklog",
            )


def _more_threads_than_may_wait(server: Server, _: Machine) -> Iterator[Finding]:
    for group in server.groups:
        threads = group.options.process_count * group.options.threads
        size = group.options.queue_size
        # Our own default is nobody's mistake.
        if threads > size != OPTIONS["queue_size"].default:
            yield Finding(
                group.position,
                _DIRECTIVE,
                f"{threads} threads may run as many requests at once, but only {size} may wait (queue-size): a burst "
                "that comes while no process is ready is answered with 503 though it could be served; raise queue-size",
            )


def _backlog(server: Server, machine: Machine) -> Iterator[Finding]:
    longest = machine.longest_backlog()
    if longest is not None and server.clients.listen_backlog > longest and server.listeners:
        yield Finding(
            server.listeners[0].position,
            "ListenBacklog",
            f"{server.clients.listen_backlog} is cut to {longest} by the kernel; raise net.core.somaxconn",
        )


def _memory(server: Server, machine: Machine) -> Iterator[Finding]:
    memory = machine.memory()
    if memory is None:
        return
    for group in server.groups:
        limit = group.options.memory_limit
        total = limit * group.options.process_count
        if total > memory:
            yield Finding(
                group.position,
                _DIRECTIVE,
                f"{_processes(group)} with memory-limit={_size(limit)} may use {_size(total)} together, and there are "
                f"{_size(memory)}: the kernel kills one before the limit does; fewer processes, or a lower limit",
            )
    unlimited = [group for group in server.groups if not group.options.memory_limit]
    count = sum(group.options.process_count for group in unlimited)
    if count * _SMALLEST_PROCESS > memory:
        yield Finding(
            unlimited[0].position,
            _DIRECTIVE,
            f"{count} processes without memory-limit= have {_size(memory // count)} each, and Python with a small "
            f"application needs about {_size(_SMALLEST_PROCESS)}; fewer processes and more threads",
        )


# A Flask application with its imports; a Django site needs two to four times as much.
_SMALLEST_PROCESS = 40 << 20


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MiB"


def _virtual_memory(server: Server, _: Machine) -> Iterator[Finding]:
    for group in server.groups:
        options = group.options
        stacks = options.threads * (options.stack_size or _DEFAULT_STACK)
        if 0 < options.virtual_memory_limit < stacks:
            yield Finding(
                group.position,
                _DIRECTIVE,
                f"virtual-memory-limit={_size(options.virtual_memory_limit)} does not hold the stacks of "
                f"{options.threads} threads ({_size(stacks)}); give stack-size=, or fewer threads",
            )


_DEFAULT_STACK = 8 << 20  # glibc takes the soft limit of the stack, 8 MiB nearly everywhere


def _root(server: Server, machine: Machine) -> Iterator[Finding]:
    if not machine.is_root():
        return
    for group in server.groups:
        if group.options.user is None:
            yield Finding(
                group.position,
                _DIRECTIVE if group.name else "User",
                f"the process group {group.title!r} would run as root; write User, or user= for the group",
            )


def _free_threading(server: Server, machine: Machine) -> Iterator[Finding]:
    for group in server.groups:
        block = free_threading_of(server, group.name)
        if block is None or not block.free_threading:
            continue
        if (why := machine.lacks_free_threading(group.options)) is not None:
            text = f"it has no effect for the process group {group.title!r}: {why}"
            yield Finding(block.free_threading_position, "WSGIFreeThreading", text)


CHECKS = (
    Check("durations of a process group that defeat each other", _timeouts),
    Check("processes that are never killed", _keeps_hanging),
    Check("requests for service scripts", _services),
    Check("a process group that nothing goes to", _unused),
    Check("more threads than connections, or than the kernel's queue", _more_threads_than_connections),
    Check("more threads than requests may wait", _more_threads_than_may_wait),
    Check("a backlog that the kernel cuts", _backlog),
    Check("a Python that cannot go without a GIL, where it should", _free_threading),
    Check("processes that do not fit into memory", _memory),
    Check("threads whose stacks do not fit into the limit", _virtual_memory),
    Check("applications that would run as root", _root),
)
