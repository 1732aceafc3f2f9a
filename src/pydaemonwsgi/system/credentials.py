"""Who a process runs as: resolving the run-as user, becoming it for good, and what it may not read. *Shell.*

Theory of operation. A root process becomes the run-as user in one direction only:

    setgroups -> setresgid -> setresuid      the groups first: after setresuid nobody may change them
    read back getresuid, getresgid, getgroups
    try to become root again                 every attempt must fail
    PR_SET_NO_NEW_PRIVS, read back           no set-user-id program can give anything back
    CapEff and CapPrm of /proc/self/status   must be empty

Nothing here trusts a return value alone: CVE-2014-0240 was an ignored EAGAIN of setuid, CVE-2014-8583 an
ignored failure of setgroups. Whatever goes wrong raises PrivilegeError; the process that gets one must end
with PRIVILEGE_EXIT_STATUS and run nothing of the user's before.

PR_SET_DUMPABLE is left as the kernel leaves it: 0 after the drop (no core file, no ptrace by the same user),
1 again after an exec.
"""

import ctypes
import difflib
import errno
import grp
import json
import os
import pwd
import re
import select
import shlex
import signal
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from pydaemonwsgi.errors import ConfigurationError, PrivilegeError, StartError

__all__ = [
    "PRIVILEGE_EXIT_STATUS",
    "Identity",
    "check_readable_as",
    "drop_privileges",
    "explain_unreadable",
    "identity_environment",
    "resolve_identity",
    "set_no_new_privs",
]

# EX_NOPERM (77) of sysexits.h. The supervisor tells by it that trying again at once is of no use: a process
# that could not give up its privileges fails the same way next time. Far from 1 and 2 (Python, our own) and
# from 128+n (a shell's word for signals).
PRIVILEGE_EXIT_STATUS = os.EX_NOPERM

_PR_SET_NO_NEW_PRIVS = 38
_PR_GET_NO_NEW_PRIVS = 39
_UNCHANGED = 2**32 - 1  # (uid_t)-1: "leave this id as it is" to setresuid, so never an id to become
_MAXIMUM_LINKS = 40  # Linux: MAXSYMLINKS
_CHECK_TIMEOUT = 10.0  # seconds; a stat takes microseconds, a dead network file system takes for ever

_LIBC = ctypes.CDLL(None, use_errno=True)


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
    gid = default_gid if group is None else _group_id(group)
    if supplementary_groups is not None:
        groups = [gid, *(_group_id(word) for word in supplementary_groups)]
    elif is_own:
        groups = [gid, *os.getgroups()]
    else:
        groups = [gid, *os.getgrouplist(entry.user_name, gid)]
    return Identity(entry.uid, gid, tuple(dict.fromkeys(groups)), entry.user_name, entry.home)


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


def identity_environment(identity: Identity, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for this identity: HOME always replaced, the user's name only where one is present."""
    result = dict(environ)
    result["HOME"] = identity.home
    for name in ("USER", "USERNAME", "LOGNAME"):
        if name in result:
            result[name] = identity.user_name
    return result


def explain_unreadable(path: str, *, want: Literal["read", "execute", "search"]) -> str | None:
    """Say which component of a path stops this process, or None if nothing does.

    Symbolic links are followed one by one, so the sentence names the real directory. `read` of a directory
    means to list and to enter it; `search` is to enter it only.
    """
    pending = _components(path if path.startswith("/") else f"{os.getcwd()}/{path}")
    here = "/"
    links = 0
    while pending:
        refusal = _refusal(here, os.X_OK, "enter it", f" or move {shlex.quote(path)} elsewhere")
        if refusal is not None:
            return refusal
        name = pending.pop()
        if name == "..":
            here = os.path.dirname(here)
            continue
        child = os.path.join(here, name)
        try:
            mode = os.lstat(child).st_mode
            if stat.S_ISLNK(mode):
                target = os.readlink(child)
                links += 1
                if links > _MAXIMUM_LINKS:
                    return f"{child} is a symbolic link in a circle: {path} leads nowhere"
                here = "/" if target.startswith("/") else here
                pending.extend(_components(target))
                continue
        except FileNotFoundError:
            return f"{child} does not exist"
        except OSError as error:
            return f"{child}: {error.strerror}"
        if pending and not stat.S_ISDIR(mode):
            return f"{child} is not a directory, so there is no {path}"
        here = child
    return _final_refusal(here, want)


def check_readable_as(
    identity: Identity,
    paths: Sequence[tuple[str, str]],
    *,
    executables: Sequence[tuple[str, str]] = (),
    directories: Sequence[tuple[str, str]] = (),
) -> list[str]:
    """Ask, as the run-as user, whether every path can be read; one sentence for each that cannot.

    A forked child becomes the identity and looks; this process keeps its own. The caller is single-threaded.

    Args:
        paths: pairs of a path and what it is for ("the script"); must be readable.
        executables: pairs of the same kind that must be executable ("the interpreter").
        directories: pairs of the same kind that must be enterable ("the working directory").

    Raises:
        StartError: no child could be forked.
    """
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        raise StartError(f"cannot fork to check what user {identity.user_name} may read: {error.strerror}") from error
    if child == 0:
        status = 1
        try:
            os.close(reader)
            unsent = json.dumps(_unreadable_as(identity, paths, executables, directories)).encode()
            while unsent:
                unsent = unsent[os.write(writer, unsent) :]
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    try:
        answer = _read_to_end(reader)
    finally:
        os.close(reader)
    if answer is None:
        os.kill(child, signal.SIGKILL)
    fate = _wait_for(child)
    if answer is None:
        fate = f"is silent for {_CHECK_TIMEOUT:.0f} s; is one of the paths on a file system that hangs?"
    if not answer or fate is not None:
        fate = fate or "ended without an answer"
        return [f"cannot tell what user {identity.user_name} may read: the process that looks {fate}"]
    result: list[str] = json.loads(answer)
    return result


# -- looking up


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


def _group_id(word: str) -> int:
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


# -- becoming


def _prctl(option: int, argument: int) -> int:
    result: int = _LIBC.prctl(option, *(ctypes.c_ulong(one) for one in (argument, 0, 0, 0)))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _process_status() -> bytes:
    """As bytes: the user may not be able to read this interpreter, so no codec can be imported any more."""
    with open("/proc/self/status", "rb") as file:
        return file.read()


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
        status = _process_status()
    except OSError as error:
        _fail("open(/proc/self/status)", error)
    for name in ("CapEff", "CapPrm"):
        match = re.search(rb"^" + name.encode() + rb":\s*([0-9a-f]+)$", status, re.MULTILINE)
        value = None if match is None else match[1].decode()
        if value is None or value.strip("0"):
            raise PrivilegeError(f"privileges not given up: /proc/self/status says {name} {value}, wanted all zero")


# -- looking at paths


def _components(path: str) -> list[str]:
    """The components of a path as a stack: the first one is the last element."""
    return [name for name in path.split("/") if name not in {"", "."}][::-1]


def _final_refusal(path: str, want: str) -> str | None:
    try:
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)
    except OSError as error:
        return f"{path}: {error.strerror}"
    if want == "execute":
        return f"{path} is a directory, not a program" if is_directory else _refusal(path, os.X_OK, "execute it")
    if want == "search":
        return _refusal(path, os.X_OK, "enter it") if is_directory else f"{path} is not a directory"
    refusal = _refusal(path, os.R_OK, "read it")
    if refusal is None and is_directory:
        refusal = _refusal(path, os.X_OK, "enter it")
    return refusal


def _refusal(path: str, access: int, verb: str, alternative: str = "") -> str | None:
    """A sentence if the kernel says no; the mode bits only explain its answer, they never make it."""
    if os.access(path, access):
        return None
    uid = os.geteuid()
    try:
        facts = os.stat(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    if facts.st_uid == uid:
        who, shift = "u", 6
    elif facts.st_gid in {os.getegid(), *os.getgroups()}:
        who, shift = "g", 3
    else:
        who, shift = "o", 0
    letter = "r" if access == os.R_OK else "x"
    if facts.st_mode >> shift & access:
        remedy = "its mode would allow it, so an access list, a mount option or a security module forbids it"
    else:
        remedy = f"chmod {who}+{letter} {shlex.quote(path)}{alternative}"
    return (
        f"{path} is {stat.filemode(facts.st_mode)} {_user_name(facts.st_uid)}:{_group_name(facts.st_gid)}: "
        f"user {_user_name(uid)} (uid {uid}) may not {verb}; {remedy}"
    )


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"#{gid}"


def _unreadable_as(
    identity: Identity,
    paths: Sequence[tuple[str, str]],
    executables: Sequence[tuple[str, str]],
    directories: Sequence[tuple[str, str]],
) -> list[str]:
    try:
        drop_privileges(identity)
    except PrivilegeError as error:
        return [f"cannot become user {identity.user_name}: {error}"]
    findings = [(path, purpose, explain_unreadable(path, want="read")) for path, purpose in paths]
    findings += [(path, purpose, explain_unreadable(path, want="execute")) for path, purpose in executables]
    findings += [(path, purpose, explain_unreadable(path, want="search")) for path, purpose in directories]
    return [f"{purpose} {path}: {finding}" for path, purpose, finding in findings if finding is not None]


def _read_to_end(reader: int) -> bytes | None:
    """All that the child writes until it closes; None if it falls silent."""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    parts: list[bytes] = []
    while poll.poll(_CHECK_TIMEOUT * 1000):
        part = os.read(reader, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
    return None


def _wait_for(child: int) -> str | None:
    """How the child ended; None if well, or if SIGCHLD is ignored and nobody can say."""
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    except ChildProcessError:
        return None
    if status == 0:
        return None
    if status > 0:
        return f"ended with status {status}"
    return f"was killed by signal {-status} ({signal.strsignal(-status)})"
