"""What the user wants to know first. Sans-I/O, but for the pid."""

import os
import shlex

from pydaemonwsgi import __version__
from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.system.identities import Identity

__all__ = ["banner"]


def banner(
    options: ServeOptions, addresses: list[ListenAddress], identity: Identity | None, control_socket: str | None
) -> str:
    """Return what the user wants to know first."""
    lines = [f"pydaemonwsgi {__version__} serves {shlex.quote(options.script)}"]
    for address in addresses:
        if address.path is not None:
            lines.append(f"  listening on  unix:{address.path}")
        else:
            host = address.host or "localhost"
            host = f"[{host}]" if ":" in host else host
            mount = "/" if options.mount_point == "/" else f"{options.mount_point}/"
            lines.append(f"  listening on  http://{host}:{address.port}{mount}")
    kind = f"{options.threads} threads" if options.threads else "a service script"
    lines += [
        f"  processes     {options.process_count} × {kind}, group {options.group_name}",
        f"  user          {identity.user_name if identity is not None else 'root'}",
        f"  supervisor    pid {os.getpid()} (Ctrl-C or SIGTERM stops, SIGHUP reloads)",
        f"  control       {control_socket or 'none'}",
        f"  error log     {options.error_log or 'standard error'}",
        f"  access log    {'standard output' if options.access_log == '-' else options.access_log or 'off'}",
    ]
    return "\n".join(lines) + "\n"
