"""What is worth a warning when the server starts. Shell."""

import logging
import os

from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.serve.preflight import USEFUL_PACKAGES, Checked
from pydaemonwsgi.system.interpreters import Environment

__all__ = ["warn"]

logger = logging.getLogger("pydaemonwsgi.supervisor")


def warn(options: ServeOptions, checked: Checked) -> None:
    """Log it."""
    identity = checked.identity
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
    if checked.environment is not None:
        _describe(checked.environment, options)
    if options.socket_user is not None and os.geteuid() != 0:
        logger.warning("--socket-user %s has no effect: only root can give a file away", options.socket_user)
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


def _describe(environment: Environment, options: ServeOptions) -> None:
    home = options.python_home
    logger.info("python-home %s: Python %s", home, environment.version_text)
    missing = [name for name in USEFUL_PACKAGES if name not in environment.packages]
    if "setproctitle" in missing:
        logger.info("python-home %s has no setproctitle: long titles are cut", home)
    if "watchdog" in missing and options.reload_on_changes:
        logger.info("python-home %s has no watchdog: modules are looked at once a second", home)
