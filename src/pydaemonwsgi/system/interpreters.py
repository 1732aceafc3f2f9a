"""Interpreters of other environments: where they are, whether they run, what they have. Shell; standard library only.

A virtual environment belongs to somebody else, often to the run-as user. So its interpreter is never run with more
rights than theirs, not even to ask it for its version.
"""

import errno
import json
import os
import platform
import re
import select
import signal
import sysconfig
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydaemonwsgi.errors import ConfigurationError, PrivilegeError, StartError
from pydaemonwsgi.system.credentials import drop_privileges
from pydaemonwsgi.system.descriptors import close_all_except
from pydaemonwsgi.system.identities import Identity
from pydaemonwsgi.system.limits import enter_root
from pydaemonwsgi.system.readability import check_readable_as, explain_unreadable

__all__ = [
    "OLDEST",
    "Environment",
    "environment_for",
    "examine",
    "explain_gil",
    "find_interpreter",
]

# The oldest version whose syntax and library daemon processes can do with.
OLDEST: Final = (3, 10)
# Of the standard library; distributions leave some of it out of their smallest package.
_NEEDED: Final = ("ctypes", "hashlib", "json", "logging", "mmap", "select", "socket", "threading", "typing")
_TIMEOUT: Final = 20.0  # seconds; an interpreter on a cold disk takes one or two
# Where our own modules lie, which the other interpreter runs too.
_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LONGEST_ANSWER: Final = 64 * 1024
_ANSWER: Final = 3  # the descriptor that the question is answered on; what the environment prints goes elsewhere

# Variables that tell our own interpreter where things are, and would mislead another.
_OURS: Final = (
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONEXECUTABLE",
    "PYTHONPLATLIBDIR",
    "VIRTUAL_ENV",
    "__PYVENV_LAUNCHER__",
)

_VERSION: Final = re.compile(rb"(\d+)\.(\d+)\.(\d+) (\w+)\n")
# Runs under any Python from 2.7 on, to say that it is too old.
_QUESTION: Final = """\
import os, sys
if not getattr(sys.flags, "safe_path", False):
    del sys.path[0]
kind = getattr(getattr(sys, "implementation", None), "name", "cpython")
os.write(3, ("%d.%d.%d %s\\n" % (tuple(sys.version_info[:3]) + (kind,))).encode("ascii"))
import json
from importlib.machinery import PathFinder
modules, packages, package, directories = json.loads(sys.argv[1])
missing = []
for name in modules:
    try:
        __import__(name)
    except ImportError:
        missing.append(name)
found = [name for name in packages if PathFinder.find_spec(name)]
known = package is None or package in sys.builtin_module_names
known = known or PathFinder.find_spec(package, directories + sys.path) is not None
try:
    import sysconfig
    free = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
except ImportError:
    free = False
os.write(3, json.dumps([missing, found, known, free]).encode("ascii"))
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """What an interpreter says about itself.

    Attributes:
        executable: its path, as it is to be executed.
        version: three numbers.
        packages: those of the asked ones that it has.
        has_module: whether the module that was asked for can be found.
        free_threaded: whether its build can go without a GIL.
    """

    executable: str
    version: tuple[int, int, int]
    packages: frozenset[str]
    has_module: bool
    free_threaded: bool = False

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))


def explain_gil(environment: Environment | None) -> str | None:
    """Return why a Python cannot go without a GIL, for the user to mend; None if it can.

    Args:
        environment: another Python; None for the one that this is.
    """
    own = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    if own if environment is None else environment.free_threaded:
        return None
    version = platform.python_version() if environment is None else environment.version_text
    return (
        f"it runs Python {version}, which is no free-threaded build; name an environment of one (python3.13t or newer) "
        "with python-home"
    )


def find_interpreter(home: str, root: str = "/") -> str:
    """Return the path of the interpreter of a virtual environment or an installation prefix, as seen from `root`.

    Raises:
        ConfigurationError: there is none.
    """

    def outside(path: str) -> str:
        return path if root == "/" else root + path

    if not os.path.isdir(outside(home)):
        raise _refusal(home, "this is not a directory")
    candidates = [os.path.join(home, "bin", name) for name in ("python", "python3")]
    for path in candidates:
        # With another root, links lead elsewhere for those inside; who executes it says whether it is there.
        if os.path.exists(outside(path)) or (root != "/" and os.path.islink(outside(path))):
            return path
    for path in candidates:
        if os.path.islink(path):
            raise _refusal(
                home,
                f"{path} leads to {os.path.realpath(path)}, which does not exist: the Python that the environment was "
                "made with has gone; make the environment anew",
            )
    raise _refusal(
        home,
        "there is no bin/python in it; give the root of a virtual environment "
        f"(python3 -m venv {home}) or of an installation of Python",
    )


def environment_for(home: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for the interpreter below `home`, without those for our own."""
    result = {name: value for name, value in environ.items() if name not in _OURS}
    if os.path.exists(os.path.join(home, "pyvenv.cfg")):
        result["VIRTUAL_ENV"] = home
    return result


def examine(
    home: str,
    identity: Identity | None,
    environ: Mapping[str, str],
    *,
    packages: Iterable[str] = (),
    module: str | None = None,
    directories: Sequence[str] = (),
    root: str | None = None,
) -> Environment:
    """Run the interpreter below `home` once, as the run-as user, and return what it says.

    The caller is single-threaded.

    Args:
        home: root of a virtual environment or an installation prefix.
        identity: who to be; None to stay who it is.
        environ: environment variables.
        packages: top-level packages to look for.
        module: a module of which the top-level package must be there; nothing of it is run.
        directories: where to look for that first.
        root: directory that is the root for it (chroot); all paths are as seen from inside.

    Raises:
        ConfigurationError: it cannot be used; one line says what is wrong and what to do.
        StartError: this machine cannot start another process.
    """
    executable = find_interpreter(home, root or "/")
    if identity is not None:
        problems = check_readable_as(
            identity, [(_PACKAGE, "our own code")], executables=[(executable, "the interpreter")], root=root
        )
    else:
        refusal = explain_unreadable(executable, want="execute")
        problems = [] if refusal is None else [f"the interpreter {executable}: {refusal}"]
    if problems:
        raise _refusal(home, problems[-1])
    question = json.dumps([_NEEDED, list(packages), module and module.partition(".")[0], list(directories)])
    arguments = [executable, "-c", _QUESTION, question]
    status, answer, printed = _run(identity, root, arguments, environment_for(home, environ))
    told = _VERSION.match(answer)
    if told is None or status is None:
        raise _refusal(home, f"{executable} {_how_it_failed(status, answer, printed)}")
    version = (int(told[1]), int(told[2]), int(told[3]))
    if version < OLDEST:
        raise _refusal(
            home,
            f"{executable} is Python {'.'.join(map(str, version))}; daemon processes need "
            f"{OLDEST[0]}.{OLDEST[1]} or newer: make the environment anew with a newer Python",
        )
    if told[4] != b"cpython":
        raise _refusal(home, f"{executable} is {told[4].decode('ascii')}; daemon processes need CPython")
    try:
        missing, found, has_module, free_threaded = json.loads(answer[told.end() :])
    except ValueError:
        raise _refusal(home, f"{executable} {_how_it_failed(status, answer, printed)}") from None
    if missing:
        raise _refusal(
            home,
            f"{executable} lacks of the standard library: {', '.join(missing)}; "
            "install the whole of it (Debian: the package python3, not python3-minimal)",
        )
    return Environment(executable, version, frozenset(found), has_module, free_threaded)


def _refusal(home: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"python-home {home}: {why}")


def _how_it_failed(status: int | None, answer: bytes, printed: bytes) -> str:
    """Return what to say of an interpreter that gave no answer."""
    if answer.startswith(b"errno "):
        number = int(answer.split()[1])
        if number == errno.ENOEXEC:
            return f"is no program for this machine ({platform.machine()})"
        if number == errno.ENOENT:
            return "cannot be executed: its loader, or the interpreter that its first line names, does not exist"
        return f"cannot be executed: {os.strerror(number)}"
    if status is None:
        return f"has not told its version within {_TIMEOUT:.0f} s"
    lines = [line.strip() for line in printed.decode("utf-8", "replace").splitlines() if line.strip()]
    said = f": {lines[-1][:300]}" if lines else ""
    if status < 0:
        return f"was killed by signal {-status} when it was asked for its version{said}"
    return f"does not run (status {status}){said}"


def _run(
    identity: Identity | None, root: str | None, arguments: list[str], environ: Mapping[str, str]
) -> tuple[int | None, bytes, bytes]:
    """Run a program as somebody else; return its exit status, its answer and what it printed.

    The status is None when it took too long, negative when a signal killed it.
    """
    answer_in, answer_out = os.pipe2(os.O_CLOEXEC)
    printed_in, printed_out = os.pipe2(os.O_CLOEXEC)
    try:
        child = os.fork()
    except OSError as error:
        for descriptor in (answer_in, answer_out, printed_in, printed_out):
            os.close(descriptor)
        raise StartError(f"cannot fork to look at {arguments[0]}: {error.strerror}") from error
    if child == 0:
        try:
            _execute(identity, root, arguments, environ, answer_out, printed_out)
        finally:
            os._exit(126)
    os.close(answer_out)
    os.close(printed_out)
    try:
        texts = _read(answer_in, printed_in)
    finally:
        os.close(answer_in)
        os.close(printed_in)
    if texts is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return None, b"", b""
    answer, printed = texts
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), answer, printed


def _execute(
    identity: Identity | None,
    root: str | None,
    arguments: list[str],
    environ: Mapping[str, str],
    answer: int,
    printed: int,
) -> None:
    """In the child: become the user, then the program; returns only when that failed."""
    os.setsid()
    above = [os.dup(descriptor) for descriptor in (answer, printed)]
    while above[0] <= _ANSWER or above[1] <= _ANSWER:
        above = [os.dup(descriptor) for descriptor in above]
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, number in ((null, 0), (above[1], 1), (above[1], 2), (above[0], _ANSWER)):
        os.dup2(descriptor, number, inheritable=True)
    os.set_inheritable(0, True)
    close_all_except(range(_ANSWER + 1))
    try:
        if root is not None:
            enter_root(root)
        if identity is not None:
            drop_privileges(identity)
        os.chdir("/")
        os.execve(arguments[0], arguments, dict(environ))  # noqa: S606
    except PrivilegeError as error:
        os.write(2, f"{error}\n".encode("utf-8", "replace"))
    except OSError as error:
        os.write(_ANSWER, f"errno {error.errno}".encode("ascii"))


def _read(first: int, second: int) -> tuple[bytes, bytes] | None:
    """Return all that comes from both, up to a limit; None when it does not end in time."""
    texts = {first: bytearray(), second: bytearray()}
    poll = select.poll()
    for reader in texts:
        poll.register(reader, select.POLLIN)
    open_readers = set(texts)
    end = time.monotonic() + _TIMEOUT
    while open_readers:
        left = end - time.monotonic()
        if left <= 0:
            return None
        for reader, _ in poll.poll(left * 1000):
            data = os.read(reader, 65536)
            if not data:
                poll.unregister(reader)
                open_readers.discard(reader)
            elif len(texts[reader]) < _LONGEST_ANSWER:
                texts[reader] += data
    return bytes(texts[first]), bytes(texts[second])
