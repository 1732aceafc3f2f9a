"""processes: what a process can have the kernel show of it."""

import subprocess
import sys

SHOW = (
    "import sys; sys.modules['setproctitle'] = None\n"
    "from pydaemonwsgi.system.processes import set_title\n"
    "set_title({title})\n"
    "print(open('/proc/self/cmdline').read().rstrip(chr(0)), open('/proc/self/comm').read().strip(), sep='|')\n"
)


def shown(title: str) -> list[str]:
    """Return what /proc shows as command line and name of a process that has no setproctitle.

    Args:
        title: the title as a Python expression.
    """
    result = subprocess.run(
        [sys.executable, "-c", SHOW.format(title=title)], capture_output=True, text=True, check=True, timeout=30
    )
    assert not result.stderr
    return result.stdout.strip().split("|")


def test_a_title_needs_no_package() -> None:
    """Without setproctitle the command line and the name are overwritten all the same."""
    assert shown("'(wsgi:site)'") == ["(wsgi:site)", "(wsgi:site)"]


def test_a_long_title_is_cut_and_hurts_nothing() -> None:
    """A title that is longer than the command line was ends where that ended; the environment is left alone."""
    line, name = shown("'t' * 5000")
    assert set(line) == {"t"}
    assert 10 < len(line) < 5000
    assert name == "t" * 15
