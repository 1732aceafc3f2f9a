"""Becoming the run-as user for good. *Shell.*

Theory of operation. A root process becomes the run-as user in one direction only:

    setgroups -> setresgid -> setresuid      the groups first: after setresuid nobody may change them
    read back getresuid, getresgid, getgroups
    try to become root again                 every attempt must fail
    PR_SET_NO_NEW_PRIVS, read back           no set-user-id program can give anything back
    capget                                   effective and permitted capabilities must be empty

Nothing here trusts a return value alone: CVE-2014-0240 was an ignored EAGAIN of setuid, CVE-2014-8583 an
ignored failure of setgroups. Whatever goes wrong raises PrivilegeError; the process that gets one must end
with PRIVILEGE_EXIT_STATUS and run nothing of the user's before.

PR_SET_DUMPABLE is left as the kernel leaves it: 0 after the drop (no core file, no ptrace by the same user),
1 again after an exec.
"""

import ctypes
import errno
import os
from collections.abc import Callable
from typing import NoReturn

from pydaemonwsgi.errors import PrivilegeError
from pydaemonwsgi.system.identities import Identity
from pydaemonwsgi.vocabulary import StartFailure

__all__ = ["PRIVILEGE_EXIT_STATUS", "drop_privileges", "set_no_new_privs"]

# A process that could not give up its privileges fails the same way next time, so trying again is of no use.
PRIVILEGE_EXIT_STATUS = StartFailure.CREDENTIALS

_PR_SET_NO_NEW_PRIVS = 38
_PR_GET_NO_NEW_PRIVS = 39
_CAPABILITY_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: 64 capabilities
_UNCHANGED = 2**32 - 1  # (uid_t)-1: "leave this id as it is" to setresuid, so never an id to become

_LIBC = ctypes.CDLL(None, use_errno=True)


def drop_privileges(identity: Identity) -> None:
    """Become this identity for good, prove it, and forbid every way back.

    A process that is not root cannot become anybody: it must already be this identity, and only no_new_privs
    is set. The caller is single-threaded (no_new_privs holds for this thread and those it starts).

    Raises:
        PrivilegeError: something is not as it must be, naming the call and the errno. The process must end
            with PRIVILEGE_EXIT_STATUS; it may be half way between two users.
    """
    ids = (identity.uid, identity.gid, *identity.groups)
    if identity.uid == 0 or not all(0 <= number < _UNCHANGED for number in ids):
        raise PrivilegeError(f"uid {identity.uid} with gid {identity.gid} is not an identity to run as")
    if 0 not in os.getresuid():
        _require_current(identity)
        set_no_new_privs()
        return
    call = ""
    try:
        call = f"setgroups({list(identity.groups)})"
        os.setgroups(list(identity.groups))
        call = f"setresgid({identity.gid})"
        os.setresgid(identity.gid, identity.gid, identity.gid)
        call = f"setresuid({identity.uid})"
        os.setresuid(identity.uid, identity.uid, identity.uid)
    except OSError as error:
        _fail(call, error)
    _require_read_back(identity)
    _require_no_way_back(identity)
    set_no_new_privs()
    _require_no_capabilities()


def set_no_new_privs() -> None:
    """Forbid this process and its descendants to gain privileges by exec; cannot be undone.

    Raises:
        PrivilegeError: the kernel refused, or says afterwards that it is not set.
    """
    try:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        is_set = _prctl(_PR_GET_NO_NEW_PRIVS, 0) == 1
    except OSError as error:
        _fail("prctl(PR_SET_NO_NEW_PRIVS)", error)
    if not is_set:
        raise PrivilegeError("prctl(PR_SET_NO_NEW_PRIVS) reported success but no_new_privs is not set")


def _prctl(option: int, argument: int) -> int:
    result: int = _LIBC.prctl(option, *(ctypes.c_ulong(one) for one in (argument, 0, 0, 0)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _capabilities() -> dict[str, int]:
    """The capabilities of this thread, from the kernel itself: inside a chroot there may be no /proc."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    if _LIBC.capget(header, data) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    # Effective, permitted, inheritable: 32 of each, then the next 32 of each.
    return {"effective": data[0] | data[3] << 32, "permitted": data[1] | data[4] << 32}


def _fail(call: str, error: OSError) -> NoReturn:
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    hint = ""
    if error.errno == errno.EPERM:
        hint = "; root without CAP_SETUID and CAP_SETGID, as in a container that drops them, cannot change users"
    elif error.errno == errno.EAGAIN:
        hint = "; the user may have reached its limit of processes (ulimit -u)"
    raise PrivilegeError(f"{call} failed: {name} ({error.strerror}){hint}") from error


def _require_current(identity: Identity) -> None:
    facts = (
        ("getresuid", set(os.getresuid()), {identity.uid}),
        ("getresgid", set(os.getresgid()), {identity.gid}),
        ("getgroups", {*os.getgroups(), os.getgid()}, {*identity.groups, identity.gid}),
    )
    for call, found, wanted in facts:
        if found != wanted:
            raise PrivilegeError(
                f"only root can become user {identity.user_name} (uid {identity.uid}): {call} says "
                f"{sorted(found)}, wanted {sorted(wanted)}; start as root or as that user"
            )


def _require_read_back(identity: Identity) -> None:
    facts: tuple[tuple[str, object, object], ...] = (
        ("getresuid", tuple(os.getresuid()), (identity.uid,) * 3),
        ("getresgid", tuple(os.getresgid()), (identity.gid,) * 3),
        ("getgroups", sorted(set(os.getgroups())), sorted(set(identity.groups))),
    )
    for call, found, wanted in facts:
        if found != wanted:
            raise PrivilegeError(f"privileges not given up: {call} says {found}, wanted {wanted}")


def _require_no_way_back(identity: Identity) -> None:
    attempts: list[tuple[str, Callable[[], None]]] = [
        ("setuid(0)", lambda: os.setuid(0)),
        ("seteuid(0)", lambda: os.seteuid(0)),
        ("setresuid(0, 0, 0)", lambda: os.setresuid(0, 0, 0)),
        ("setresuid(-1, 0, -1)", lambda: os.setresuid(-1, 0, -1)),
    ]
    if identity.gid != 0:
        attempts.append(("setresgid(0, 0, 0)", lambda: os.setresgid(0, 0, 0)))
    for call, attempt in attempts:
        try:
            attempt()
        except OSError:  # EPERM; EINVAL where a user namespace has no uid 0
            continue
        raise PrivilegeError(f"privileges not given up: {call} succeeded as uid {identity.uid}, it must fail")


def _require_no_capabilities() -> None:
    try:
        found = _capabilities()
    except OSError as error:
        _fail("capget()", error)
    for name, value in found.items():
        if value:
            raise PrivilegeError(f"privileges not given up: capget says {name} {value:#x}, wanted none")
