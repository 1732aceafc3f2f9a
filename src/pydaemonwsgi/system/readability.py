"""What the run-as user may not read, and which component of the path stops it. *Shell.*

The kernel is asked, as that user, in a forked child; modes and owners only explain its answer.
"""

import grp
import json
import os
import pwd
import select
import shlex
import signal
import stat
from collections.abc import Sequence
from typing import Literal

from pydaemonwsgi.errors import PrivilegeError, StartError
from pydaemonwsgi.system.credentials import drop_privileges
from pydaemonwsgi.system.identities import Identity
from pydaemonwsgi.system.limits import enter_root

__all__ = ["check_readable_as", "explain_unreadable", "group_name", "user_name"]

_MAXIMUM_LINKS = 40  # Linux: MAXSYMLINKS
_CHECK_TIMEOUT = 10.0  # seconds; a stat takes microseconds, a dead network file system takes for ever


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
    root: str | None = None,
) -> list[str]:
    """Ask, as the run-as user, whether every path can be read; one sentence for each that cannot.

    A forked child becomes the identity and looks; this process keeps its own. The caller is single-threaded.

    Args:
        paths: pairs of a path and what it is for ("the script"); must be readable.
        executables: pairs of the same kind that must be executable ("the interpreter").
        directories: pairs of the same kind that must be enterable ("the working directory").
        root: directory that is the root for that user (chroot); all paths are as seen from inside.

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
            unsent = json.dumps(_unreadable_as(identity, paths, executables, directories, root)).encode()
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
        f"{path} is {stat.filemode(facts.st_mode)} {user_name(facts.st_uid)}:{group_name(facts.st_gid)}: "
        f"user {user_name(uid)} (uid {uid}) may not {verb}; {remedy}"
    )


def user_name(uid: int) -> str:
    """Return the name of an account, or `#` and the number of one that has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"


def group_name(gid: int) -> str:
    """Return the name of a group, or `#` and the number of one that has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"#{gid}"


def _unreadable_as(
    identity: Identity,
    paths: Sequence[tuple[str, str]],
    executables: Sequence[tuple[str, str]],
    directories: Sequence[tuple[str, str]],
    root: str | None,
) -> list[str]:
    try:
        if root is not None:
            enter_root(root)
    except OSError as error:
        return [f"cannot make {root} the root: {error.strerror}"]
    try:
        drop_privileges(identity)
    except (OSError, PrivilegeError) as error:
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
