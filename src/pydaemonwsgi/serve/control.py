"""Where the server's control socket is: what was asked for, or the first place that can be had. Shell."""

import os

from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import ConfigurationError, StartError
from pydaemonwsgi.system.control_sockets import (
    SUFFIX,
    ControlSocket,
    directories,
    make_private,
    open_control_socket,
)

__all__ = ["make_control_socket"]

# Instead of a name: signals only.
_OFF = "off"


def make_control_socket(
    asked: str | None, server: str, addresses: list[ListenAddress]
) -> tuple[ControlSocket | None, str]:
    """Return the listening control socket; None where none is wanted; None, and why, where there is no place for it.

    Args:
        asked: its name or path, if somebody has asked for one.
        server: what the server is called.
        addresses: where it listens.

    Raises:
        ConfigurationError: clients are listened for at the same path.
        StartError: another server has it; or what was asked for cannot be made.
    """
    if asked == _OFF:
        return None, ""
    if asked is not None and "/" in asked:
        return _open(os.path.abspath(asked), addresses), ""
    name = asked or _default_name(server, addresses)
    problems = []
    for directory in directories(os.environ, os.geteuid()):
        try:
            make_private(directory)
            probe = os.path.join(directory, f".probe-{os.getpid()}")
            os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            os.unlink(probe)
        except OSError as error:
            problems.append(f"{directory} {(error.strerror or str(error)).lower()}")
            continue
        path = os.path.join(directory, name + SUFFIX)
        if asked is not None:
            return _open(path, addresses), ""
        try:
            return _open(path, addresses), ""
        except StartError:
            # The same port of another address of this machine: a name that nobody has asked for is no reason to fail.
            return _open(os.path.join(directory, f"{name}-pid{os.getpid()}{SUFFIX}"), addresses), ""
    problem = f"no directory for the control socket: {'; '.join(problems)}"
    if asked is not None:
        raise StartError(f"{problem}; give --control-socket PATH")
    return None, problem


def _open(path: str, addresses: list[ListenAddress]) -> ControlSocket:
    if any(address.path == path for address in addresses):
        raise ConfigurationError(
            f"--control-socket: {path} is where clients are listened for; give one of them another name"
        )
    return open_control_socket(path)


def _default_name(server: str, addresses: list[ListenAddress]) -> str:
    """Return a name that no other server of this machine has: no two have the same port."""
    port = next((address.port for address in addresses if address.path is None), None)
    return f"{server}-{port if port is not None else f'pid{os.getpid()}'}"
