"""Who a process may run as: users and groups looked up, and what their environment is. *Shell.*"""

import difflib
import grp
import os
import pwd
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydaemonwsgi.errors import ConfigurationError

__all__ = ["Identity", "group_id", "identity_environment", "resolve_identity", "user_id"]

_UNCHANGED = 2**32 - 1  # (uid_t)-1: "leave this id as it is" to setresuid, so never an id to become


@dataclass(frozen=True, slots=True)
class Identity:
    """A user to run as, complete: nothing about it has to be looked up later.

    Attributes:
        groups: the whole supplementary list, `gid` included.
        user_name: from the user database; `#uid` for a process whose own uid is not in it.
        home: the user's home directory.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    user_name: str
    home: str


def resolve_identity(user: str | None, group: str | None, supplementary_groups: Sequence[str] | None) -> Identity:
    """Look up who to run as; names or `#uid` and `#gid`.

    Without a user it is whoever this process is, unless that is root. Without a group it is the user's
    primary group. Without supplementary groups it is all that the group database gives the user, otherwise
    exactly these and the group. A process that is not root and names itself gets the groups it has: it
    could not change them anyway.

    Raises:
        ConfigurationError: unknown user or group, or the user would be root.
    """
    own_uid = os.getuid()
    entry = _own_entry() if user is None else _user_entry(user)
    if entry.uid == 0:
        if user is None:
            raise ConfigurationError(
                "started as root without a user to run as: name one (user=..., --user ...); "
                "applications never run as root"
            )
        raise ConfigurationError(f"user {user!r} is root (uid 0): applications never run as root; name another user")
    is_own = entry.uid == own_uid and os.geteuid() != 0
    default_gid = os.getgid() if is_own else entry.gid
    gid = default_gid if group is None else group_id(group)
    if supplementary_groups is not None:
        groups = [gid, *(group_id(word) for word in supplementary_groups)]
    elif is_own:
        groups = [gid, *os.getgroups()]
    else:
        groups = [gid, *os.getgrouplist(entry.user_name, gid)]
    return Identity(entry.uid, gid, tuple(dict.fromkeys(groups)), entry.user_name, entry.home)


def identity_environment(identity: Identity, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for this identity: HOME always replaced, the user's name only where one is present."""
    result = dict(environ)
    result["HOME"] = identity.home
    for name in ("USER", "USERNAME", "LOGNAME"):
        if name in result:
            result[name] = identity.user_name
    return result


def _own_entry() -> Identity:
    uid = os.getuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # containers run under arbitrary uids; their image says where home is
        return Identity(uid, os.getgid(), (), f"#{uid}", os.environ.get("HOME") or "/")
    return Identity(uid, entry.pw_gid, (), entry.pw_name, entry.pw_dir)


def _user_entry(word: str) -> Identity:
    number = _number(word)
    try:
        entry = pwd.getpwnam(word) if number is None else pwd.getpwuid(number)
    except (KeyError, ValueError, OverflowError):
        if number is not None:
            raise ConfigurationError(
                f"user {word!r}: there is no user with uid {number} in the user database"
            ) from None
        known = [one.pw_name for one in pwd.getpwall()]
        raise ConfigurationError(f"user {word!r} does not exist{_hint(word, known)}") from None
    return Identity(entry.pw_uid, entry.pw_gid, (), entry.pw_name, entry.pw_dir)


def user_id(word: str) -> int:
    """Look up a user's uid by name or `#uid`; root is a user like any other here.

    Raises:
        ConfigurationError: there is no such user.
    """
    return _user_entry(word).uid


def group_id(word: str) -> int:
    """Look up a group's gid by name; a `#gid` need not be in the database.

    Raises:
        ConfigurationError: there is no such group.
    """
    number = _number(word)
    if number is not None:
        if number >= _UNCHANGED:
            raise ConfigurationError(f"group {word!r}: a gid is below {_UNCHANGED}")
        return number
    try:
        return grp.getgrnam(word).gr_gid
    except (KeyError, ValueError):
        known = [one.gr_name for one in grp.getgrall()]
        raise ConfigurationError(f"group {word!r} does not exist{_hint(word, known)}") from None


def _number(word: str) -> int | None:
    digits = word[1:]
    return int(digits) if word.startswith("#") and digits.isascii() and digits.isdigit() else None


def _hint(word: str, known: Sequence[str]) -> str:
    if word.isascii() and word.isdigit():
        return f"; a number is written #{word}"
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
