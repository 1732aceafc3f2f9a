"""Whether the script belongs to whom it must (`script-user`, `script-group`): if not, it is not run, and 403. Shell.

The rules are mod_wsgi's. A script whose owner others can change, directly or by replacing it in its directory, is not
the owner's any more. They are looked at before the script is loaded, because loading it runs it, and before each
request, because modes can change.
"""

import logging
import os
import stat
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from pydaemonwsgi.daemon.scripts import LoadError, WSGIApplication

__all__ = ["STATUS", "Owner", "OwnershipGate", "refusal"]

logger = logging.getLogger(__name__)

STATUS: Final = "403 Forbidden"


class Owner:
    """Whose the script must be: a user's or a group's.

    Args:
        uid: of the user, or None.
        gid: of the group, or None; not both.
    """

    __slots__ = ("gid", "uid")

    def __init__(self, *, uid: int | None = None, gid: int | None = None) -> None:
        self.uid = uid
        self.gid = gid


class Facts(Protocol):
    """What of `os.stat_result` counts."""

    @property
    def st_mode(self) -> int:
        """Type and permissions."""

    @property
    def st_uid(self) -> int:
        """The owner."""

    @property
    def st_gid(self) -> int:
        """The group."""


def refusal(owner: Owner, script: Facts, directory: Facts) -> str | None:
    """Say why a script is not its owner's alone, or None if it is. Sans-I/O.

    Args:
        owner: whose it must be.
        script: facts of the file.
        directory: facts of the directory that it lies in.
    """
    others = stat.S_IWOTH if owner.uid is None else stat.S_IWGRP | stat.S_IWOTH
    whose = "others" if owner.uid is None else "its group or others"
    for what, facts in (("it", script), ("its directory", directory)):
        if owner.uid is not None and facts.st_uid != owner.uid:
            return f"{what} belongs to uid {facts.st_uid}, not {owner.uid} (script-user)"
        if owner.gid is not None and facts.st_gid != owner.gid:
            return f"{what} belongs to gid {facts.st_gid}, not {owner.gid} (script-group)"
        if facts.st_mode & others:
            return f"{what} can be written by {whose} (mode {stat.S_IMODE(facts.st_mode):03o})"
    return None


class OwnershipGate:
    """Lets a script be run while it belongs to whom it must.

    Args:
        path: absolute path of the script.
        owner: whose it must be.
    """

    def __init__(self, path: str, owner: Owner) -> None:
        self._path = path
        self._owner = owner
        self._said: str | None = None

    def refusal(self) -> str | None:
        """Say why the script may not be run now, or None if it may; the log hears of every new reason."""
        try:
            reason = refusal(self._owner, os.stat(self._path), os.stat(os.path.dirname(self._path)))
        except OSError as error:
            reason = f"who owns it cannot be seen: {error.strerror}"
        if reason is not None and reason != self._said:
            logger.error("script %s is not run, requests get 403: %s", self._path, reason)
        self._said = reason
        return reason

    def guard(self, application: WSGIApplication | None) -> WSGIApplication:
        """Return an application that is this one while the gate is open, and raises LoadError with 403 otherwise.

        Args:
            application: None for one that has not been loaded, because the gate was closed.
        """

        def guarded(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
            reason = self.refusal()
            if reason is None and application is not None:
                return application(environ, start_response)
            raise LoadError(f"script {self._path} may not be run: {reason or 'it was not when it was loaded'}", STATUS)

        return guarded
