"""What is worth a warning when the server starts. Shell."""

import logging
import os

from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.system.identities import Identity

__all__ = ["warn"]

logger = logging.getLogger("pydaemonwsgi.supervisor")


def warn(options: ServeOptions, identity: Identity | None) -> None:
    """Log it."""
    if identity is None:
        logger.warning(
            "started as root without --user: the application runs as root; give --user NAME for anything but a test"
        )
    elif os.geteuid() != 0 and options.user not in {None, identity.user_name, f"#{identity.uid}"}:
        logger.warning(
            "--user %s has no effect: only root can become another user; running as %s",
            options.user,
            identity.user_name,
        )
    for entry in options.python_path:
        if not os.path.isdir(entry):
            logger.warning("--python-path %s is not a directory", entry)
    try:
        with open("/proc/sys/net/core/somaxconn", encoding="ascii") as file:
            largest = int(file.read())
    except (OSError, ValueError):
        return
    if options.listen_backlog > largest:
        logger.warning(
            "--listen-backlog %d is cut to %d by the kernel; raise net.core.somaxconn",
            options.listen_backlog,
            largest,
        )
