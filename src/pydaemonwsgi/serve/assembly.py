"""A server as it is, and as it is to be once its configuration has been read again. Shell."""

import math
import os
import socket
import time
from typing import Final

from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.errors import ConfigurationError
from pydaemonwsgi.logs import setup_error_log
from pydaemonwsgi.serve import single_script, site
from pydaemonwsgi.serve.blueprint import Blueprint
from pydaemonwsgi.serve.listening import Listener, bind
from pydaemonwsgi.serve.logs import OpenedLogs, open_logs
from pydaemonwsgi.serve.orders import front_options
from pydaemonwsgi.serve.plans import group_plan
from pydaemonwsgi.serve.refusals import Refusals
from pydaemonwsgi.supervisor.plan import GroupPlan, Renewal
from pydaemonwsgi.supervisor.upgrade import FOREIGN, LISTENER
from pydaemonwsgi.system.identities import Identity

__all__ = ["Assembly", "draw"]

# Seconds after which the front has closed the listeners that are gone, also a busy one.
_LEAVING: Final = 2.0
# Descriptors in one message; the kernel takes 253.
_MOST_DESCRIPTORS: Final = 250


def draw(options: ServeOptions, before: Blueprint | None = None, *, lenient: bool = False) -> Blueprint:
    """Return what the options, or the configuration that they name, ask for.

    Args:
        options: of the command line.
        before: what they came to when they were looked at last.
        lenient: whether a process group of a configuration whose interpreter cannot be used may be among them.

    Raises:
        ConfigurationError: it cannot be had.
        StartError: the machine refuses something.
    """
    return single_script.draw(options) if options.config is None else site.draw(options, before, lenient=lenient)


class Assembly:
    """What a server is made of.

    Args:
        options: of the command line.
        blueprint: what they ask for.
        logs: open.
        listening: on all addresses.

    Attributes:
        blueprint: what it is at the moment.
        listening: where it listens at the moment.
    """

    def __init__(
        self, options: ServeOptions, blueprint: Blueprint, logs: OpenedLogs, listening: list[Listener]
    ) -> None:
        self._options = options
        self._logs = logs
        self.blueprint = blueprint
        self.listening = listening
        self._last_left = -math.inf

    @property
    def groups(self) -> tuple[GroupPlan, ...]:
        """The process groups, as the supervisor has them."""
        return tuple(group_plan(group, self._logs.of_group(group)) for group in self.blueprint.groups)

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The listening sockets."""
        return tuple(listener.sock for listener in self.listening)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What they listen on, in words."""
        return tuple(str(listener.address) for listener in self.listening)

    @property
    def heirlooms(self) -> tuple[tuple[str, int], ...]:
        """What a successor is given, by name."""
        return tuple((LISTENER if one.ours else FOREIGN, one.sock.fileno()) for one in self.listening)

    def run_front(self, control: socket.socket, heartbeat: memoryview) -> int:
        """Be the front, in a child."""
        # Imported in the child only: the supervisor runs no HTTP code. It has read it, though (`read_modules`).
        from pydaemonwsgi.front import main as front_main  # noqa: PLC0415

        listeners = dict(zip(self.addresses, self.sockets, strict=True))
        options = front_options(self.blueprint, self._logs)
        return front_main.run(options, listeners, control, self.blueprint.identity, self.blueprint.log_level, heartbeat)

    # -- the configuration, read again

    def renew(self) -> Renewal:
        """Read the configuration again, and become what it says now; nothing has changed where this raises.

        Raises:
            ConfigurationError: with a line for everything that is wrong with it.
            StartError: the machine refuses something.
        """
        before = self.blueprint
        after = draw(self._options, before)
        if after == before:
            self.blueprint = after  # which interpreters can be used may have changed
            return Renewal(is_new=False)
        was = _of_the_server(before)
        changed = [name for name, value in _of_the_server(after).items() if value != was[name]]
        if changed:
            raise ConfigurationError(
                f"{after.subject}: a changed {' or '.join(changed)} is for a new server; "
                "restart it, or send SIGUSR2, which loses nothing"
            )
        known = self._logs.numbers
        table = self._logs.logs
        refusals = Refusals()
        listening: list[Listener] = []
        try:
            logs = open_logs(after, os.getcwd(), refusals, table)
            recently = time.monotonic() - self._last_left < _LEAVING
            listening = _listen(after, self.listening, refusals, after_withdrawn=recently)
            refusals.raise_all()
            new = [listener for listener in listening if listener not in self.listening]
            new_logs = tuple(number for number in logs.numbers - known if number in table.for_front)
            if len(new) + len(new_logs) > _MOST_DESCRIPTORS:
                raise ConfigurationError(
                    f"{after.subject}: more listeners and logs are new than a running front can be given at once; "
                    "restart the server, or send SIGUSR2, which loses nothing"
                )
        except Exception:
            for listener in listening:
                if listener not in self.listening:
                    listener.close()
            table.close(set(table.numbers) - known)
            raise
        gone = [listener for listener in self.listening if listener not in listening]
        unused = known - logs.numbers
        self.blueprint, self.listening, self._logs = after, listening, logs
        setup_error_log(after.log_level, label="supervisor")
        return Renewal(
            is_new=True,
            groups=self.groups,
            changed=_changed(before, after),
            orders=self._orders(tuple(str(one.address) for one in new), new_logs, tuple(unused)),
            descriptors=(*(one.sock.fileno() for one in new), *new_logs),
            listeners=self.sockets,
            addresses=self.addresses,
            heirlooms=self.heirlooms,
            leave=lambda: self._leave(gone),
            settle=lambda: table.close(unused),
            warnings=tuple(after.warnings),
        )

    def _leave(self, gone: list[Listener]) -> None:
        for listener in gone:
            listener.withdraw()
            listener.close()
            self._last_left = time.monotonic()

    def _orders(self, new_listeners: tuple[str, ...], new_logs: tuple[int, ...], gone_logs: tuple[int, ...]) -> bytes:
        from pydaemonwsgi.front.orders import Orders  # noqa: PLC0415 - the supervisor holds no code of the front

        options = front_options(self.blueprint, self._logs)
        return Orders(options, self.blueprint.log_level, self.addresses, new_listeners, new_logs, gone_logs).encode()


def _of_the_server(blueprint: Blueprint) -> dict[str, object]:
    """Return what a running server cannot change, by its directive."""
    return {
        "User or Group": _user(blueprint.identity),
        "ErrorLog of the main server": blueprint.error_log,
        "PidFile": blueprint.pid_file,
    }


def _user(identity: Identity | None) -> tuple[int, int] | None:
    return None if identity is None else (identity.uid, identity.gid)


def _listen(
    blueprint: Blueprint, listening: list[Listener], refusals: Refusals, *, after_withdrawn: bool
) -> list[Listener]:
    """Return a listener for each address that can be had, those that are there for those they have."""
    listeners: list[Listener] = []
    there = {listener.asked: listener for listener in listening}
    leaving = [listener.sock for listener in listening if listener.asked not in blueprint.listen]
    places = blueprint.places
    try:
        for address in blueprint.listen:
            found = there.get(address)
            with refusals.noting(places[address], "Listen"):
                if found is None:
                    found = bind(blueprint, address, leaving, after_withdrawn=after_withdrawn)
                listeners.append(found)
    except Exception:
        for listener in listeners:
            if listener not in listening:
                listener.close()
        raise
    return listeners


def _changed(before: Blueprint, after: Blueprint) -> frozenset[str]:
    old = {group.name: group for group in before.groups}
    return frozenset(group.name for group in after.groups if group.name in old and old[group.name] != group)
